# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather
from ansible_collections.strata.overlay2.tests import containerd_records as made

pytestmark = pytest.mark.root

UNPACKED = {"containerd.io/gc.ref.snapshot.overlayfs": "top"}


def make(root, directories, version=3, **parts):
    """Make a containerd whose image app:1, and with the default parts the container c1, need the snapshots."""
    parts.setdefault("containers", {"c1": made.container("app:1", "rw")})
    space = made.namespace(
        images={"app:1": made.image("sha256:m")},
        blobs={"sha256:m": made.blob(7, UNPACKED)},
        snapshots={
            "base": made.snapshot("default/1/base"),
            "top": made.snapshot("default/2/top", "base"),
            "rw": made.snapshot("default/3/rw", "top", {} if parts["containers"] else {made.ROOT: ""}),
        },
        **parts,
    )
    records = {
        "default/1/base": made.record(1),
        "default/2/top": made.record(2, parent="default/1/base"),
        "default/3/rw": made.record(3, 2, "default/2/top", None),
    }
    made.make_root(root, made.metadata(version, default=space), records, directories)
    (root / made.OVERLAYFS / "snapshots").mkdir(exist_ok=True)
    return root / made.OVERLAYFS


def health(home, ids=None):
    told = gather(str(home), ["health"], ids)
    json.dumps(told)
    return told["health"], [one["message"] for one in told["problems"] if "layers are gone" in one["message"]]


def test_a_snapshot_whose_directory_is_gone_is_found_with_what_needs_it(tmp_path):
    home = make(tmp_path.resolve(), ["1", "3"])
    (found,), problems = health(home)
    assert problems == []
    assert (found["code"], found["kind"], found["subject"]) == ("layer_gone", "care", "2")
    assert found["path"] == f"{home}/metadata.db"
    assert found["message"] == (
        f"{made.OVERLAYFS}/metadata.db names layer 2, which does not exist: image app:1 in default,"
        " container c1 in default cannot be used"
    )
    assert found["hint"] == (
        "run `ctr --address ADDRESS -n default containers rm c1"
        " && ctr --address ADDRESS -n default images rm --sync app:1"
        " && ctr --address ADDRESS -n default leases create --id strata-sweep"
        " && ctr --address ADDRESS -n default leases delete --sync strata-sweep`,"
        " and pull or make again what the command removes"
    )
    assert health(f"{home}/snapshots") == ([found], [])
    assert health(home, ["1"]) == ([], [])


def test_all_that_are_gone_are_told_and_a_whole_store_has_no_finding(tmp_path):
    home = make(tmp_path, [])
    assert [one["subject"] for one in health(home)[0]] == ["1", "2", "3"]
    for name in "123":
        (home / "snapshots" / name).mkdir()
    assert health(home) == ([], [])


def test_a_snapshot_that_only_a_label_keeps_goes_with_those_built_on_it(tmp_path):
    home = make(tmp_path, ["1", "2"], containers={})
    ((found,), _problems) = health(home)
    assert (found["subject"], found["message"][-14:]) == ("3", "does not exist")
    assert " -n default snapshots --snapshotter overlayfs rm rw && " in found["hint"]


def test_of_a_newer_containerd_no_layer_is_told_to_be_gone(tmp_path):
    found, problems = health(make(tmp_path, ["1"], version=5))
    assert (found, len(problems)) == ([], 1)
    assert "its schema has version 5, and only versions 3 and 4 were tested" in problems[0]


def test_a_damaged_database_tells_no_layer_to_be_gone(tmp_path):
    home = make(tmp_path, ["1"])
    (home / "metadata.db").write_bytes(b"x")
    found, problems = health(home)
    assert (found, len(problems)) == ([], 1)
    assert "metadata.db cannot be read" in problems[0]


def test_of_another_snapshotter_no_layer_is_told_to_be_gone(tmp_path):
    home = make(tmp_path, ["1"])
    moved = home.rename(home.with_name("io.containerd.snapshotter.v1.blockfile"))
    found, problems = health(moved)
    assert (found, len(problems)) == ([], 1)
