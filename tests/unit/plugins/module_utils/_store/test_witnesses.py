# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores of other engines, solved by the records of these engines."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store import lent
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.module_utils._store.repairs import Repair
from ansible_collections.strata.overlay2.plugins.module_utils._store.witnesses import allowed, read_witnesses

BASE, MID, TOP = "a" * 64, "b" * 64, "c" * 64


def digest(text):
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.fixture
def docker(tmp_path, make_chain):
    """Docker's store with an image of base <- mid <- top; only dockerd knows that top is built on mid."""
    (tmp_path / "docker/overlay2/l").mkdir(parents=True)
    home = make_chain(tmp_path / "docker/overlay2", BASE, MID, TOP)
    parent = ""
    for id in (BASE, MID, TOP):
        chain = digest(f"{parent} {digest(id)}") if parent else digest(id)
        entry = tmp_path / "docker/image/overlay2/layerdb" / chain.replace(":", "/")
        entry.mkdir(parents=True)
        for name, content in (("cache-id", id), ("diff", digest(id)), ("parent", parent)):
            if content:
                (entry / name).write_text(content)
        parent = chain
        (home / id / ".strata.json").unlink()
        if id != TOP:
            (home / id / "committed").touch()
    return home


def storage_with(root, make_chain, records, *ids):
    """Make a store of containers-storage with a chain of layers, as it makes them; return its home."""
    (root / "overlay/l").mkdir(parents=True)
    home = make_chain(root / "overlay", *ids)
    for id in ids:
        (home / id / ".strata.json").unlink()
    (home / ids[0] / "empty").mkdir()
    (home / ids[0] / "work").mkdir()
    (root / "overlay-layers").mkdir()
    (root / "overlay-layers/layers.json").write_text(json.dumps(records))
    return home


@pytest.fixture
def storage(tmp_path, make_chain):
    records = [{"id": "base"}, {"id": "mid", "parent": "base"}, {"id": "top", "parent": "mid"}]
    return storage_with(tmp_path / "storage", make_chain, records, "base", "mid", "top")


def solved(home):
    """Return the repairs, each as its kind and its layer, and the layers in doubt."""
    solution = LayerFiles(str(home)).solution
    return [(one.kind, one.layer) for one in solution.repairs], {doubt.layer for doubt in solution.doubts}


def test_a_sound_store_needs_no_repair(docker, storage):
    assert solved(docker) == ([], set())
    assert solved(storage) == ([], set())


@pytest.mark.parametrize("text", [None, "", "\0" * 28, "l/" + "A" * 26])
def test_a_lower_that_no_layer_tells_is_as_recorded(docker, storage, text):
    for home, top in ((docker, TOP), (storage, "top")):
        was = (home / top / "lower").read_text()
        (home / top / "lower").unlink()
        if text is not None:
            (home / top / "lower").write_text(text)
        (repair,) = LayerFiles(str(home)).solution.repairs
        assert (repair.kind, repair.layer, ":".join(f"l/{name}" for name in repair.lowers)) == ("lower", top, was)
        assert repair.evidence == (f"its record says that it is built on {repair.parent}",)


def test_a_lower_that_a_torn_record_would_tell_is_in_doubt(docker, storage):
    for path in (docker.parent / "image/overlay2/layerdb/sha256").glob("*/parent"):
        path.write_bytes(bytes(71))
    (storage.parent / "overlay-layers/layers.json").write_text("[")
    for home, top in ((docker, TOP), (storage, "top")):
        (home / top / "lower").write_text("")
        assert solved(home) == ([], {top})


def test_a_record_of_ours_says_nothing_in_the_store_of_another_engine(docker, storage):
    own = {"format": 1, "parent": MID, "link": "A" * 26, "committed": True}
    (docker / TOP / ".strata.json").write_text(json.dumps(own))
    (docker / BASE / "lower").write_text(f"l/{'A' * 26}")  # as if a layer missed the name
    assert solved(docker)[0] == [("no_lower", BASE)]
    (storage / "top/lower").unlink()
    (storage / "top/.strata.json").write_text('{"format": 1, "parent": "base", "committed": true}')
    (repair,) = LayerFiles(str(storage)).solution.repairs
    assert (repair.kind, repair.parent) == ("lower", "mid")


def test_docker_has_marks_of_sealed_layers_and_containers_storage_has_none(docker, storage):
    for id in (BASE, MID):
        (docker / id / "committed").unlink()
    assert solved(docker) == ([("seal", BASE), ("seal", MID)], set())
    assert solved(storage) == ([], set())


def test_a_base_of_containers_storage_has_a_work_directory_beside_empty(docker, storage):
    os.rmdir(storage / "base/work")
    assert solved(storage) == ([("work", "base")], set())
    os.rmdir(storage / "base/empty")  # an older version made neither
    assert solved(storage) == ([], set())
    (docker / MID / "work").rmdir()
    assert solved(docker) == ([("work", MID)], set())


def test_a_layer_never_gets_a_name_of_an_additional_image_store(tmp_path, make_chain, monkeypatch):
    """The layer guest is built on two layers of another store, the lower one of which nothing here denies to own."""
    monkeypatch.setattr(lent, "_CONFIGS", ())
    monkeypatch.setattr(lent, "_USUAL_STORES", ())
    home = storage_with(
        tmp_path / "mine", make_chain, [{"id": "own"}, {"id": "guest", "parent": "image"}], "own", "guest"
    )
    (home / "guest/lower").write_text(f"l/{'A' * 26}:l/{'B' * 26}")
    assert solved(home) == ([], set())
    assert read_witnesses(LayerFiles(str(home))).lent == {"A" * 26, "B" * 26}
    (home / "l" / (home / "own/link").read_text()).unlink()
    (home / "own/link").write_text("")
    assert solved(home) == ([], {"own"})


def test_what_is_moved_aside_stays_in_another_engines_store():
    repairs = [Repair("no_lower", "base"), Repair("lower", "top"), Repair("unname", "top"), Repair("record", "top")]
    assert allowed(repairs, None) == repairs
    assert allowed(repairs, "docker") == [repairs[1]]
