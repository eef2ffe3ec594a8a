# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_diff_info,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_repair,
)
from ansible_collections.strata.overlay2.tests import modules


@pytest.fixture
def home(tmp_path):
    """A store with a chain whose mount data is relative to home, and a directory that cannot be an upper on its top."""
    path = str(tmp_path / ("home" * 60))
    ids = [f"layer{number}" for number in range(20)]
    layers: list[dict[str, t.Any]] = [{"id": id, "parent": parent} for id, parent in zip(ids, ["", *ids])]
    layers.append({"id": "job", "parent": ids[-1], "read_write": True})
    for main, params in ((overlay2_init.main, {}), (overlay2_layer.main, {"layers": layers})):
        assert not modules.run_module(main, {"home": path, **params}).get("failed")
    diff = f"{path}/job/diff"
    lowers = "lowerdir=layer0/diff:layer1/diff"
    subprocess.run(["mount", "-t", "overlay", "-o", lowers, "overlay", diff], check=True, cwd=path)
    yield path
    subprocess.run(["umount", diff], check=True)


@pytest.mark.root
def test_the_message_of_a_refused_mount_has_the_kernels_reason(home):
    result = modules.run_module(overlay2_mount.main, {"home": home, "id": "job"})
    assert (result["failed"], result["error"], result["errno"]) == (True, "os_error", 22)
    reason = " (overlay: filesystem on job/diff not supported as upperdir)"
    assert result["msg"].replace(reason, "") == f"Invalid argument: {home}/job/merged"
    if os.uname().release.startswith("6.18."):
        assert reason in result["msg"]
    assert not os.path.exists(f"{home}/job/merged")


@pytest.mark.root
@pytest.mark.parametrize(("part", "is_link"), [("merged", True), ("merged", False), ("work", True), ("diff", True)])
def test_a_layer_is_mounted_nowhere_else_than_on_its_own_directory(tmp_path, part, is_link):
    home, outside = tmp_path / "store", tmp_path / "outside"
    outside.mkdir()
    layers = [{"id": "base"}, {"id": "job", "parent": "base", "read_write": True}]
    for main, params in ((overlay2_init.main, {}), (overlay2_layer.main, {"layers": layers})):
        assert not modules.run_module(main, {"home": str(home), **params}).get("failed")
    place = home / "job" / part
    if part != "merged":
        place.rmdir()
    place.symlink_to(outside) if is_link else place.touch()
    for check in (True, False):
        params = {"home": str(home), "id": "job", "_ansible_check_mode": check}
        result = modules.run_module(overlay2_mount.main, params)
        told = f"{part} is a symlink to {outside}" if is_link else f"{part} is not a directory"
        assert result["error"] == "store_corrupt"
        assert told in result["msg"] and "move it" in result["hint"].replace(str(place), "it")
    assert not os.path.ismount(outside)
    place.unlink()
    if part != "merged":
        place.mkdir()
    assert not modules.run_module(overlay2_mount.main, {"home": str(home), "id": "job"}).get("failed")
    assert not modules.run_module(overlay2_mount.main, {"home": str(home), "id": "job", "state": "unmounted"}).get(
        "failed"
    )


@pytest.mark.root
def test_the_content_of_a_symlink_is_not_read_or_changed_as_that_of_a_layer(tmp_path):
    home, outside = tmp_path / "store", tmp_path / "outside"
    (outside / "work/incompat/volatile").mkdir(parents=True)
    layers = [{"id": "base"}, {"id": "job", "parent": "base", "read_write": True}]
    for main, params in ((overlay2_init.main, {}), (overlay2_layer.main, {"layers": layers})):
        assert not modules.run_module(main, {"home": str(home), **params}).get("failed")
    tar = tmp_path / "layer.tar"
    subprocess.run(["tar", "-cf", tar, "-C", outside, "."], check=True)
    for part in ("diff", "work"):
        (home / "job" / part).rmdir()
        (home / "job" / part).symlink_to(outside)
    before = [os.lstat(path) for path in sorted(outside.rglob("*"))]
    for params in (
        {"state": "exported", "dest": str(tmp_path / "out.tar")},
        {"state": "applied", "src": str(tar), "merge": True},
        {"state": "applied", "src": str(tar)},
    ):
        result = modules.run_module(overlay2_diff.main, {"home": str(home), "id": "job", **params})
        assert (result["error"], f"its diff is a symlink to {outside}" in result["msg"]) == ("store_corrupt", True)
    result = modules.run_module(overlay2_diff_info.main, {"home": str(home), "id": "job"})
    assert result["error"] == "store_corrupt"
    result = modules.run_module(overlay2_repair.main, {"home": str(home), "accept": ["stale_volatile"]})
    assert (result["changed"], {left["code"] for left in result["left"]}) == (False, {"diff_missing", "work_missing"})
    assert [os.lstat(path).st_ctime_ns for path in sorted(outside.rglob("*"))] == [one.st_ctime_ns for one in before]


def test_a_layer_without_parent_that_lost_its_diff_has_no_path(tmp_path):
    home = str(tmp_path / "store")
    for main, params in ((overlay2_init.main, {}), (overlay2_layer.main, {"id": "base"})):
        assert not modules.run_module(main, {"home": home, **params}).get("failed")
    os.rmdir(f"{home}/base/diff")
    result = modules.run_module(overlay2_mount.main, {"home": home, "id": "base"})
    assert (result["error"], result["damage"]) == ("store_corrupt", "diff_missing")
    assert not modules.run_module(overlay2_mount.main, {"home": home, "id": "base", "state": "unmounted"})["changed"]


@pytest.mark.root
@pytest.mark.parametrize("part", ["lower", "link"])
def test_a_layer_that_was_damaged_while_mounted_is_unmounted_and_then_repaired(tmp_path, part):
    home = str(tmp_path / "store")
    layers = [{"id": "base"}, {"id": "job", "parent": "base", "read_write": True}]
    for main, params in (
        (overlay2_init.main, {}),
        (overlay2_layer.main, {"layers": layers}),
        (overlay2_mount.main, {"id": "job"}),
    ):
        assert not modules.run_module(main, {"home": home, **params}).get("failed")
    with open(f"{home}/job/{part}", "w"):  # emptied, as by a crash of the host
        pass
    refused = modules.run_module(overlay2_repair.main, {"home": home})
    assert refused["error"] == "layer_in_use" and "state: unmounted" in refused["hint"]
    params = {"home": home, "id": "job", "state": "unmounted"}
    planned = modules.run_module(overlay2_mount.main, {**params, "_ansible_check_mode": True})
    ended = modules.run_module(overlay2_mount.main, params)
    assert planned["actions"] == ended["actions"] == ["unmount layer job", "let go of layer job for ansible"]
    assert not ended.get("warnings") and not ended["mounted"]
    assert not modules.run_module(overlay2_mount.main, params)["changed"]
    assert modules.run_module(overlay2_repair.main, {"home": home})["left"] == []
    assert modules.run_module(overlay2_mount.main, {"home": home, "id": "job"})["mounted"]
    assert modules.run_module(overlay2_mount.main, params)["changed"]
