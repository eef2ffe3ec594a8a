# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import engine_records, lent
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles

BASE, IMAGE, OWN, JOB = ("A" * 26, "B" * 26, "C" * 26, "D" * 26)


def put(home, layer_id, link, *lowers):
    (home / layer_id / "diff").mkdir(parents=True)
    (home / layer_id / "link").write_text(link)
    if lowers:
        (home / layer_id / "lower").write_text(":".join(f"l/{lower}" for lower in lowers))
    (home / "l").mkdir(exist_ok=True)
    (home / "l" / link).symlink_to(f"../{layer_id}/diff")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A store with job on own, which is on image and base of the store lender, as Podman makes it."""
    monkeypatch.setattr(lent, "_CONFIGS", (str(tmp_path / "storage.conf"),))
    monkeypatch.setattr(lent, "_USUAL_STORES", ())
    put(tmp_path / "lender/overlay", "base", BASE)
    put(tmp_path / "lender/overlay", "image", IMAGE, BASE)
    home = tmp_path / "mine/overlay"
    put(home, "own", OWN, IMAGE, BASE)
    put(home, "job", JOB, OWN, IMAGE, BASE)
    (tmp_path / "mine/overlay-layers").mkdir()
    write(home, [{"id": "own", "parent": "image"}, {"id": "job", "parent": "own"}])
    return home


def write(home, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (home.parent / "overlay-layers/layers.json").write_text(text)


def lowers(home, layer_id):
    store = LayerFiles(str(home))
    return store.lowers(store.layer(layer_id)), store.lent


def test_what_another_store_lends_is_no_damage(home):
    places = {"image": f"{home}/l/{IMAGE}", f"l/{BASE}": f"{home}/l/{BASE}"}
    assert lowers(home, "own") == (("image", f"l/{BASE}"), places)
    assert lowers(home, "job") == (("own", "image", f"l/{BASE}"), places)
    store = LayerFiles(str(home))
    assert engine_records.orphans(store, engine_records.references(store, "containers-storage")) == []


@pytest.mark.parametrize(
    "setting",
    [
        'additionalimagestores = [\n  # "/elsewhere",\n  "/nowhere",\n  "{}",\n]',
        "imagestore = '{}'",
        ' graphroot="{}/"',
    ],
)
def test_a_store_that_is_configured_is_named(home, tmp_path, setting):
    (tmp_path / "storage.conf").write_text(f"[storage.options]\n{setting.format(tmp_path / 'lender')}\n")
    places = {name: f"{tmp_path}/lender/overlay/{name}/diff" for name in ("image", "base")}
    assert lowers(home, "job") == (("own", "image", "base"), places)


@pytest.mark.parametrize(
    ("content", "layer_id"),
    [
        pytest.param([{"id": "own", "parent": "image"}], "job", id="a layer that no record knows"),
        pytest.param([{"id": "own"}, {"id": "job", "parent": "own"}], "own", id="one without parent"),
        pytest.param(
            [{"id": "image"}, {"id": "own", "parent": "image"}], "own", id="a parent that this store had itself"
        ),
        pytest.param("[" * 99999, "own", id="unreadable records"),
        pytest.param([{"id": ["own"], "parent": "image"}, 5], "own", id="odd records"),
    ],
)
def test_the_rest_is_damage_as_ever(home, content, layer_id):
    write(home, content)
    with pytest.raises(StoreCorrupt, match="does not exist"):
        lowers(home, layer_id)


def test_no_store_of_ours_borrows(home, tmp_path):
    (home.parent / "overlay-layers").rename(tmp_path / "away")
    with pytest.raises(StoreCorrupt, match="does not exist"):
        lowers(home, "own")
