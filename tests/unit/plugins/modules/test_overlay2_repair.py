# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents: what changed is told, and a tar puts it back."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("ansible")

from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff, overlay2_layer, overlay2_repair
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = pytest.mark.root


def write_tar(path: Path, **files: bytes) -> str:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return str(path)


class Store(Driver):
    """A store with the layer base, which is filled and sealed, and top above it, which is filled."""

    def __init__(self, area: Path) -> None:
        super().__init__(area / "store")
        self.tars = {"base": write_tar(area / "base.tar", a=b"1", b=b"22"), "top": write_tar(area / "top.tar", c=b"3")}
        for id, parent in (("base", ""), ("top", "base")):
            self.create(id, parent)
            self.ok(overlay2_diff, id=id, state="applied", src=self.tars[id], remote_src=True)

    def repair(self, **params):
        """Repair the store; check mode tells the same."""
        planned = self.ok(overlay2_repair, _ansible_check_mode=True, _ansible_diff=True, **params)
        done = self.ok(overlay2_repair, _ansible_diff=True, **params)
        for name in ("changed", "actions", "diff", "findings", "left"):
            assert planned[name] == done[name], name
        assert not self.ok(overlay2_repair, **params)["changed"]
        return done

    def rot(self, name: str = "base/diff/a") -> None:
        (self.home / name).write_bytes(b"0")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def told(findings) -> list[tuple[str, str]]:
    return [(finding["code"], finding["path"].rpartition("/store/")[2]) for finding in findings]


ROTTEN = ("content_rotten", "base/diff/a")


def test_nothing_is_told_of_sound_contents(store):
    done = store.repair(contents=True)
    assert not done["changed"] and done["findings"] == []
    assert {**done["verified"], "oldest_seconds": 0} == {
        "layers": 2,
        "files": 3,
        "bytes": 4,
        "pending_layers": 0,
        "oldest_seconds": 0,
    }


def test_contents_are_compared_only_if_asked_for(store):
    store.rot()
    done = store.repair()
    assert done["findings"] == [] and done["verified"] is None


def test_rot_is_told_until_it_is_mended(store):
    store.rot()
    for _run in range(2):
        done = store.repair(contents=True, unverified_for="1d" if _run else None)
        if not _run:
            assert told(done["findings"]) == told(done["left"]) == [ROTTEN]
            assert "src" in done["left"][0]["hint"] and not done["left"][0]["certain"]


def test_only_these_layers_and_those_below_are_compared(store):
    store.rot()
    (store.home / "top/diff/new").touch()
    assert told(store.repair(contents=True, ids=["base"])["left"]) == [ROTTEN]
    assert told(store.repair(contents=True, ids=["top"])["left"]) == [ROTTEN, ("content_rotten", "top/diff/new")]


def test_a_tar_puts_content_back(store):
    store.rot()
    done = store.repair(src=store.tars)
    assert done["actions"] == ["put the content of layer base back"]
    assert told(done["findings"]) == [ROTTEN] and done["left"] == []
    assert (store.home / "base/diff/a").read_bytes() == b"1"
    assert store.repair(contents=True)["findings"] == []
    assert (store.get("top") / "a").read_bytes() == b"1"
    store.put("top")


def test_a_tar_puts_a_lost_diff_back(store):
    shutil.rmtree(store.home / "base/diff")
    done = store.repair(src=store.tars)
    name = "l/" + (store.home / "base/link").read_text()
    assert told(done["findings"]) == [("diff_missing", "base/diff"), ("lower_unresolved", name)]
    assert {finding["repair"] for finding in done["findings"]} == {"put the content of layer base back"}
    assert done["left"] == []
    assert sorted(os.listdir(store.home / "base/diff")) == ["a", "b"]
    assert (store.home / "base/diff").stat().st_mode & 0o7777 == 0o755


def test_other_damage_is_repaired_before_content_is_put_back(store):
    shutil.rmtree(store.home / "base/diff")
    os.unlink(store.home / "top/link")
    done = store.repair(src=store.tars)
    assert len(done["actions"]) == 2 and done["actions"][1] == "put the content of layer base back"
    assert done["left"] == []


def test_another_tar_is_refused_and_changes_nothing(store):
    store.rot()
    failed = store.run(overlay2_repair, src={"base": store.tars["top"]})
    assert failed["error"] == "digest_mismatch"
    assert (store.home / "base/diff/a").read_bytes() == b"0"
    assert sorted(os.listdir(store.home / "base/diff")) == ["a", "b"]


def test_content_is_not_replaced_below_a_mount(store):
    store.rot()
    store.get("top")
    failed = store.run(overlay2_repair, src={"base": store.tars["base"]})
    store.put("top")
    assert failed["error"] == "layer_in_use" and "unmount" in failed["hint"]
    assert (store.home / "base/diff/a").read_bytes() == b"0"


def test_a_layer_without_a_diff_id_is_refused(store):
    store.create("job", "base", True)
    failed = store.run(overlay2_repair, src={"job": store.tars["top"]})
    assert failed["error"] == "invalid_input" and "diff id" in failed["msg"]


def test_a_layer_that_is_not_there_is_refused(store):
    assert store.run(overlay2_repair, src={"job": store.tars["top"]})["error"] == "layer_not_found"


def test_a_layer_whose_manifest_is_lost_is_told(store):
    os.unlink(store.home / "base/.strata-files")
    assert told(store.repair(contents=True)["left"]) == [("content_unknown", "base/diff")]


def test_a_damaged_manifest_is_told(store):
    data = (store.home / "base/.strata-files").read_bytes()
    (store.home / "base/.strata-files").write_bytes(data[:-9])
    left = store.repair(contents=True)["left"]
    assert told(left) == [("content_unknown", "base/diff")] and "cut off" in left[0]["message"]


def test_a_read_write_mount_erases_the_manifest(store):
    store.create("job", "top", True)
    store.ok(overlay2_diff, id="job", state="applied", src=store.tars["top"], remote_src=True)
    assert (store.home / "job/.strata-files").exists()
    store.get("job")
    assert not (store.home / "job/.strata-files").exists()
    store.put("job")


def test_a_merge_erases_the_manifest(store):
    store.create("job", "top")
    for merge in (False, True):
        store.ok(overlay2_diff, id="job", state="applied", src=store.tars["base"], remote_src=True)
        store.ok(overlay2_diff, id="job", state="applied", src=store.tars["top"], remote_src=True, merge=merge)
        assert (store.home / "job/.strata-files").exists() != merge


def test_a_read_only_mount_keeps_the_manifest(store):
    store.ok(overlay2_layer, id="top", state="committed")
    store.get("top")
    assert store.repair(contents=True)["findings"] == []
    store.put("top")


def test_what_was_compared_lately_is_left_out(store):
    os.utime(store.home / "base/.strata-files", (0, 0))
    assert store.ok(overlay2_repair, contents=True, unverified_for="1d")["verified"]["layers"] == 1
    done = store.ok(overlay2_repair, contents=True, unverified_for="1d")["verified"]
    assert done["layers"] == 0 and done["oldest_seconds"] < 1000


def test_check_mode_notes_nothing(store):
    store.ok(overlay2_repair, contents=True, _ansible_check_mode=True)
    assert not (store.home / "base/.strata-verified").exists()


def test_no_time_leaves_all_layers_to_later_runs(store):
    done = store.ok(overlay2_repair, contents=True, max_seconds=0)
    assert done["verified"]["pending_layers"] == 2 and done["verified"]["files"] == 0


def test_a_run_goes_on_where_the_last_one_stopped(store):
    found = (store.home / "base/.strata-files").stat()
    note = {"format": 1, "manifest": [found.st_ino, found.st_mtime_ns], "at": 0, "after": "a"}
    (store.home / "base/.strata-verified").write_text(json.dumps(note))
    store.rot()
    done = store.ok(overlay2_repair, contents=True)
    assert done["findings"] == [] and done["verified"]["files"] == 2
    assert told(store.ok(overlay2_repair, contents=True)["findings"]) == [ROTTEN]


def test_a_note_about_another_manifest_does_not_count(store):
    note = {"format": 1, "manifest": [1, 2], "at": 9e9, "after": "zzz"}
    (store.home / "base/.strata-verified").write_text(json.dumps(note))
    store.rot()
    assert told(store.ok(overlay2_repair, contents=True)["findings"]) == [ROTTEN]


@pytest.mark.parametrize("option", [{"max_seconds": -1}, {"unverified_for": "soon"}, {"src": {"../x": "y"}}])
def test_what_cannot_be_meant_is_refused(store, option):
    assert store.run(overlay2_repair, contents=True, **option)["error"] == "invalid_input"
