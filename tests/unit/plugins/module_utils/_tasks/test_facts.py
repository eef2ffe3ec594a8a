# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.status import chosen
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import (
    ImageRecord,
    RecordedLayer,
    write_record,
)
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather

pytestmark = pytest.mark.root


def test_the_stores_of_the_host_are_told_only_when_asked_for(layers):
    for subsets in (["status"], ["all"]):
        assert "stores" not in gather(layers.home, subsets)
    told = gather(layers.home, ["stores"], roots=[layers.home], measure="walk")
    json.dumps(told)
    (store,) = (one for one in told["stores"] if one["home"] == told["home"])
    assert (store["engine"], store["kind"], store["layers"]) == ("strata", "overlay2", told["layer_count"])
    assert store["bytes"] > 0
    assert told["stores_left_out"] == 0


ALL = {"layers", "mounts", "usage", "quotas", "health", "owners", "summary"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["status"], set()),
        (["min"], set()),
        ([], set()),
        (["layers", "stores"], {"layers", "stores"}),
        (["all"], ALL),
        (["!usage"], ALL - {"usage"}),
        (["!usage", "min"], set()),
        (["!all"], set()),
        (["all", "!usage", "!health", "stores"], (ALL | {"stores"}) - {"usage", "health"}),
        (["layers", "!layers"], set()),
        (["!status", "!min"], ALL),
    ],
)
def test_subsets_are_chosen_as_setup_does(asked, expected):
    assert chosen(asked) == expected


def test_a_subset_that_is_taken_away_is_not_gathered(layers):
    told = gather(layers.home, ["!usage"])
    assert "usage" not in told
    assert "layers" in told


def test_a_top_layer_tells_its_images(tmp_path, make_chain):
    home, diff_id = str(tmp_path / "home"), "sha256:" + "1" * 64
    Path(home, "l").mkdir(parents=True)
    Path(home, ".strata.json").write_text('{"format": 1}')
    make_chain(Path(home), "base", "top")
    own = Path(home, "base/.strata.json")
    own.write_text(json.dumps({"format": 1, "diff_id": diff_id, "digest": diff_id}))
    recorded = (RecordedLayer(diff_id, None, None, None),)
    write_record(home, ImageRecord("sha256:" + "2" * 64, None, ("os:1", "a\x1b"), "linux/amd64", recorded))
    told = gather(home, ["layers"])["layers"]
    assert {id: layer["images"] for id, layer in told.items()} == {"base": ["os:1", "a\\x1b"], "top": []}
    write_record(home, ImageRecord("sha256:" + "3" * 64, None, ("whole:1",), "linux/amd64", recorded))
    Path(home, ".strata-images", "2" * 64 + ".json").write_text("{}")
    told = gather(home, ["layers"])
    assert told["layers"]["base"]["images"] == ["whole:1"]
    assert "not_probed" in [one["code"] for one in told["problems"] if "record of an image" in one["message"]]
