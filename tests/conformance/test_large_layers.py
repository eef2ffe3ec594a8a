# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a layer determines neither the memory of a task nor the length of its answer."""

from __future__ import annotations

import json
import os
import resource
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff, overlay2_diff_info
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes mounts")]

ROOM = 1 << 30  # bytes of address space
FILES, LEVELS, NAME = 4000, 255, "d" * 250
LISTED = 16 << 20  # bytes of the paths that are told


@pytest.fixture
def driver(tmp_path: Path) -> t.Iterator[Driver]:
    made = Driver(tmp_path / "store")
    yield made
    made.remove("deep")  # rm takes minutes for what lies so deep


def go_down(root: Path, levels: int, name: str) -> int:
    """Make directories in each other, and return the fd of the last."""
    fd = os.open(root, os.O_RDONLY)
    for _unused in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


def fill(root: Path, links: bool = False) -> None:
    """Put empty files 64 KB of path deep, as a container may; links: each has a second name there."""
    fd = go_down(root, LEVELS, NAME)
    for number in range(FILES // 2 if links else FILES):
        os.close(os.open(f"f{number:04}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        if links:
            os.link(f"f{number:04}", f"g{number:04}", src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)


def within_bounds(driver: Driver, module: t.Any, **params: t.Any) -> dict[str, t.Any]:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))

    result = modules.run_module(module.main, {"home": str(driver.home), **params}, bound)
    assert result is not None and not result.get("failed"), str(result)[:1000]
    return result


@pytest.mark.parametrize(
    ("parent", "links"),
    [
        pytest.param(None, False, id="native"),
        pytest.param("other", False, id="against another layer"),
        pytest.param("", True, id="against nothing, each file with two names"),
    ],
)
def test_a_deep_layer_is_looked_at_and_exported(
    driver: Driver, tmp_path: Path, parent: str | None, links: bool
) -> None:
    driver.create("base")
    driver.create("other", "base")
    driver.create("deep", "base", read_write=True)
    fill(driver.home / "deep" / "diff", links)
    told = within_bounds(driver, overlay2_diff_info, id="deep", parent=parent)
    assert told["summary"] == {"added": FILES + LEVELS, "modified": 0, "deleted": 0}
    assert told["truncated"] and told["native"] == (parent is None)
    assert len(json.dumps(told)) < LISTED + (1 << 20)
    paths = [change["path"] for change in told["changes"]]
    assert paths == sorted(paths) and paths[:2] == ["/" + NAME, f"/{NAME}/{NAME}"] and len(paths) > LEVELS
    dest = str(tmp_path / "tar")
    exported = within_bounds(driver, overlay2_diff, id="deep", parent=parent, state="exported", dest=dest)
    assert (exported["summary"], "changes" in exported) == (told["summary"], False)


def test_many_directories_in_each_other(driver: Driver, tmp_path: Path) -> None:
    driver.create("base")
    driver.create("other", "base")
    driver.create("deep", "base", read_write=True)
    trees, levels = 6, 2000
    for number in range(trees):
        (driver.home / "deep" / "diff" / f"{number}").mkdir()
        os.close(go_down(driver.home / "deep" / "diff" / f"{number}", levels - 1, "d" * 30))
    for parent in (None, "other"):
        told = within_bounds(driver, overlay2_diff_info, id="deep", parent=parent)
        assert (told["summary"]["added"], told["truncated"]) == (trees * levels, True)
    dest = str(tmp_path / "tar")
    done = within_bounds(driver, overlay2_diff, id="deep", parent="other", state="exported", dest=dest)
    assert done["summary"]["added"] == trees * levels


def test_no_more_changes_are_told_than_asked_for(driver: Driver) -> None:
    driver.create("deep", read_write=True)
    for number in range(50):
        (driver.home / "deep" / "diff" / f"f{number:02}").touch()
    for most, told in ((0, 0), (7, 7), (49, 49), (50, 50), (51, 50)):
        result = driver.diff("deep", max_changes=most)
        assert [change["path"] for change in result["changes"]] == [f"/f{number:02}" for number in range(told)]
        assert (result["truncated"], result["summary"]["added"]) == (told < 50, 50)
    refused = driver.run(overlay2_diff_info, id="deep", max_changes=-1)
    assert (refused["error"], "max_changes" in refused["msg"]) == ("invalid_input", True)
