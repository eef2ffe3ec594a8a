# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of Docker's own tests of its graph drivers, through our modules: empty, base, snap, 128 layers,
DiffApply, Changes. Source: moby daemon/graphdriver/graphtest (what each test asserts; the tests are our own). Some more
tests that Docker does not have.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_diff_info,
    overlay2_init,
    overlay2_layer,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]


@pytest.fixture
def driver(tmp_path: Path) -> t.Iterator[Driver]:
    made = Driver(tmp_path / "store")
    yield made
    made.ok(overlay2_init, state="absent", force=True)
    assert not made.home.exists()


def content(seed: int, number: int) -> bytes:
    return hashlib.sha256(f"{seed} {number}".encode()).digest() * 2


def add_files(root: Path, seed: int, count: int) -> None:
    for number in range(count):
        (root / f"file-{number}").write_bytes(content(seed, number))


def fill_base(root: Path) -> None:
    (root / "a subdir").mkdir()
    os.chown(root / "a subdir", 1, 2)
    os.chmod(root / "a subdir", 0o1705)
    (root / "a file").write_bytes(b"Some data")
    os.chmod(root / "a file", 0o4222)


def assert_base(root: Path) -> None:
    directory, file = os.lstat(root / "a subdir"), os.lstat(root / "a file")
    assert (stat.S_IMODE(directory.st_mode), directory.st_uid, directory.st_gid) == (0o1705, 1, 2)
    assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_gid) == (0o4222, 0, 0)
    assert (root / "a file").read_bytes() == b"Some data"
    assert sorted(os.listdir(root)) == ["a file", "a subdir"]


def test_empty(driver):
    driver.create("empty")
    root = driver.get("empty")
    found = os.lstat(root)
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o755, 0, 0)
    assert os.listdir(root) == []
    driver.put("empty")
    driver.remove("empty")


def test_base_and_snap(driver):
    driver.create("base", read_write=True)
    fill_base(driver.get("base"))
    driver.put("base")
    driver.create("snap", "base")
    root = driver.get("snap")
    assert_base(root)
    (root / "a file").unlink()
    driver.put("snap")
    assert_base(driver.home / "base" / "diff")
    driver.remove("snap")
    driver.remove("base")


def test_128_layers_are_read_and_the_129th_is_refused(driver):
    chain = [{"id": "0", "parent": ""}] + [{"id": str(n), "parent": str(n - 1)} for n in range(1, 129)]
    driver.ok(overlay2_layer, layers=chain)
    (driver.home / "0" / "diff" / "testfile.txt").write_bytes(b"base")
    for n in range(129):
        diff = driver.home / str(n) / "diff"
        (diff / "top-id").write_text(str(n))
        (diff / f"layer-{n}").mkdir()
        (diff / f"layer-{n}" / "parent-id").write_text(str(n - 1))
    root = driver.get("128")
    assert (root / "testfile.txt").read_bytes() == b"base"
    assert (root / "top-id").read_text() == "128"
    assert [(root / f"layer-{n}" / "parent-id").read_text() for n in range(129)] == [str(n - 1) for n in range(129)]
    driver.put("128")

    before = sorted(os.listdir(driver.home)), sorted(os.listdir(driver.home / "128"))
    refused = driver.run(overlay2_layer, id="129", parent="128")
    assert refused["failed"] and refused["error"] == "depth_exceeded"
    assert before == (sorted(os.listdir(driver.home)), sorted(os.listdir(driver.home / "128")))


def test_a_diff_is_applied_to_another_layer(driver, tmp_path):
    driver.create("base", read_write=True)
    root = driver.get("base")
    add_files(root, 3, 10)
    (root / "file-remove.txt").write_bytes(b"removing")
    (root / "var" / "lib").mkdir(parents=True)
    driver.put("base")
    driver.create("upper", "base", read_write=True)
    root = driver.get("upper")
    add_files(root, 6, 10)
    (root / "file-remove.txt").unlink()
    (root / "var" / "lib").rmdir()
    (root / "var").rmdir()
    driver.put("upper")

    archive = str(tmp_path / "diff.tar")
    size = driver.ok(overlay2_diff_info, id="upper")["size"]
    diff_id = driver.ok(overlay2_diff, id="upper", state="exported", dest=archive)["diff_id"]
    driver.create("other", "base", read_write=True)
    applied = driver.ok(overlay2_diff, id="other", state="applied", src=archive, remote_src=True, diff_id=diff_id)
    assert applied["size"] == size == 10 * 64
    root = driver.get("other")
    assert sorted(os.listdir(root)) == sorted(f"file-{number}" for number in range(10))
    assert all((root / f"file-{number}").read_bytes() == content(6, number) for number in range(10))
    driver.put("other")
    assert driver.ok(overlay2_diff_info, id="other")["diff_id"] is None  # it was mounted read-write since


def test_a_tar_merged_twice_is_merged_once(driver, tmp_path):
    driver.create("source", read_write=True)
    add_files(driver.get("source"), 3, 10)
    archive, packed = str(tmp_path / "diff.tar"), str(tmp_path / "diff.tar.gz")
    driver.ok(overlay2_diff, id="source", state="exported", dest=archive)
    exported = driver.ok(overlay2_diff, id="source", state="exported", dest=packed, compression="gzip")
    driver.create("base")
    driver.create("job", "base", read_write=True)

    def merge(src=archive, **params):
        call = {"id": "job", "state": "applied", "src": src, "remote_src": True, "merge": True, **params}
        predicted = driver.ok(overlay2_diff, **call, _ansible_check_mode=True)
        done = driver.ok(overlay2_diff, **call)
        assert (predicted["changed"], predicted["actions"]) == (done["changed"], done["actions"])
        return done

    first = merge()
    assert first["changed"] and first["diff_id"] == exported["diff_id"]
    for again in (merge(), merge(diff_id=exported["diff_id"]), merge("/there/is/none", diff_id=exported["diff_id"])):
        assert not again["changed"]
        assert (again["diff_id"], again["digest"]) == (first["diff_id"], first["digest"])
    assert merge(packed)["changed"]  # its digest is another
    assert not merge(packed)["changed"]
    assert merge()["changed"]
    assert driver.ok(overlay2_diff_info, id="job")["diff_id"] is None  # the tar is not all of the content
    driver.get("job")
    driver.put("job")
    assert merge()["changed"]  # it was mounted read-write since
    assert driver.ok(overlay2_diff, id="job", state="applied", src=archive, remote_src=True)["changed"]
    assert merge()["changed"]
    assert driver.run(overlay2_diff, id="job", state="applied", src=archive, remote_src=True)["changed"]


@pytest.fixture
def somebodys(driver, tmp_path):
    """Mount a directory of the same filesystem in the base layer's own, and return it; its file must stay."""
    data, place = tmp_path / "data", driver.home / "base" / "diff" / "cache"
    data.mkdir()
    (data / "file").write_bytes(b"somebody's")
    driver.create("base")
    place.mkdir()
    subprocess.run(["mount", "--bind", data, place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)
    assert (data / "file").read_bytes() == b"somebody's"


@pytest.mark.parametrize("check", [True, False])
def test_a_layer_in_which_something_is_mounted_stays_and_so_does_what_that_shows(driver, somebodys, tmp_path, check):
    driver.create("other")
    archive = str(tmp_path / "diff.tar")
    driver.ok(overlay2_diff, id="other", state="exported", dest=archive)
    for module, call in (
        (overlay2_layer, {"id": "base", "state": "absent"}),
        (overlay2_layer, {"id": "base", "state": "absent", "force": True}),
        (overlay2_init, {"state": "absent", "force": True}),
        (overlay2_diff, {"id": "base", "state": "applied", "src": archive, "remote_src": True}),
        (overlay2_diff, {"id": "base", "state": "applied", "src": archive, "remote_src": True, "merge": True}),
    ):
        refused = driver.run(module, **call, _ansible_check_mode=check)
        assert refused.get("error") == "layer_in_use", refused
        assert "base" in refused["msg"] and str(somebodys) in refused["msg"]
        assert (somebodys / "file").exists() and not refused["changed"]
    pruned = driver.ok(overlay2_prune, match=["base", "other"], _ansible_check_mode=check)
    decisions = {layer["id"]: (layer["decision"], layer["reason"]) for layer in pruned["layers"]}
    assert decisions["other"][0] == "remove" and decisions["base"][0] == "keep"
    assert str(somebodys) in decisions["base"][1]
    assert (somebodys / "file").exists()


def test_a_tool_that_is_missing_is_told_in_check_mode_too(driver, tmp_path, monkeypatch):
    driver.create("base")
    monkeypatch.setenv("PATH", str(tmp_path))
    call = {"id": "base", "state": "exported", "dest": str(tmp_path / "diff.tar.zst"), "compression": "zstd"}
    predicted, refused = (driver.run(overlay2_diff, **call, _ansible_check_mode=check) for check in (True, False))
    assert predicted["error"] == refused["error"] == "not_supported"
    assert predicted["msg"] == refused["msg"] and "command zstd" in refused["msg"]
    assert os.listdir(tmp_path) == ["store"]


def test_changes(driver):
    driver.create("base", read_write=True)
    root = driver.get("base")
    (root / "dir").mkdir()
    add_files(root / "dir", 20, 20)
    driver.put("base")
    driver.create("upper", "base", read_write=True)
    root = driver.get("upper") / "dir"
    expected = [("modified", "/dir")]
    for number in range(20):
        if number % 3 == 0:
            (root / f"file-{number}").write_bytes(b"changed")
            expected.append(("modified", f"/dir/file-{number}"))
        elif number % 3 == 1:
            (root / f"new-{number}").write_bytes(b"new")
            expected.append(("added", f"/dir/new-{number}"))
        else:
            (root / f"file-{number}").unlink()
            expected.append(("deleted", f"/dir/file-{number}"))
    driver.put("upper")
    found = driver.ok(overlay2_diff_info, id="upper")
    assert [(change["kind"], change["path"]) for change in found["changes"]] == sorted(
        expected, key=lambda item: item[1]
    )
    assert found["summary"] == {"added": 7, "modified": 8, "deleted": 6}
