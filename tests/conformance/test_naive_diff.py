# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Naive diff through the modules: against any other layer, or if a layer's own directory does not show all."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff, overlay2_diff_info, overlay2_init
from ansible_collections.strata.overlay2.tests.driver import Driver
from ansible_collections.strata.overlay2.tests.vandal import Vandal

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]


@pytest.fixture
def driver(tmp_path: Path) -> t.Iterator[Driver]:
    made = Driver(tmp_path / "store")
    yield made
    made.ok(overlay2_init, state="absent", force=True)


def fill(driver: Driver, layer_id: str, parent: str, seed: int) -> None:
    """Make a layer on *parent* and let a vandal loose in it; sockets go again, as tar has no form for them."""
    driver.create(layer_id, parent)
    root = driver.get(layer_id)
    Vandal(root, seed).go(60)
    subprocess.run(["find", root, "-type", "s", "-delete"], check=True)
    driver.put(layer_id)


def seen(driver: Driver, layer_id: str) -> list[str]:
    """Return the files of a mounted layer as find(1) lists them; directories without time and size."""
    root = driver.get(layer_id)
    nodes = "%P %y %#m %U %G"
    command = ["find", root, "-mindepth", "1", "(", "-type", "d", "-printf", f"{nodes}\\0", ")"]
    command += ["-o", "-printf", f"{nodes} %s %Ts %l\\0"]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="surrogateescape")
    driver.put(layer_id)
    return sorted(found.split("\0"))


def mount_table() -> str:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(6))
def test_the_tar_against_a_far_layer_makes_the_same_of_it(driver: Driver, tmp_path: Path, seed: int) -> None:
    for number, (layer_id, parent) in enumerate((("base", ""), ("left", "base"), ("right", "base"), ("top", "right"))):
        fill(driver, layer_id, parent, seed * 10 + number)
    before = mount_table()
    found = driver.diff("top", parent="left")
    assert not found["native"]
    assert len(found["changes"]) == sum(found["summary"].values()) > 0
    written = driver.diff("top", parent="left", state="exported", dest=str(tmp_path / "tar"))
    assert written["changed"] and not written["native"]
    assert mount_table() == before
    assert not driver.diff("top", parent="left", state="exported", dest=str(tmp_path / "tar"))["changed"]
    driver.create("twin", "left")
    driver.diff("twin", state="applied", src=str(tmp_path / "tar"))
    assert seen(driver, "twin") == seen(driver, "top")
    assert driver.changes("twin", parent="top") == []


def test_against_nothing_everything_is_added(driver: Driver, tmp_path: Path) -> None:
    fill(driver, "base", "", 1)
    fill(driver, "top", "base", 2)
    found = driver.diff("top", parent="")
    assert found["summary"]["added"] == len(found["changes"])
    assert len(found["changes"]) == len(seen(driver, "top")) - 1
    driver.diff("top", parent="", state="exported", dest=str(tmp_path / "tar"))
    driver.create("flat")
    driver.diff("flat", state="applied", src=str(tmp_path / "tar"))
    assert seen(driver, "flat") == seen(driver, "top")


def test_a_layer_is_no_different_from_itself_and_a_mounted_one_is_read_as_it_is_now(driver: Driver) -> None:
    fill(driver, "base", "", 3)
    driver.create("job", "base", read_write=True)
    driver.create("other", "base")
    root = driver.get("job")
    (root / "new").write_bytes(b"1")
    assert driver.changes("job", parent="other") == ["added /new"]
    assert driver.changes("job", parent="job") == []
    assert driver.changes("other", parent="job") == ["deleted /new"]


def test_redirects_and_metadata_copied_up_alone_are_followed(driver: Driver, tmp_path: Path) -> None:
    driver.create("base")
    diff = driver.home / "base" / "diff"
    (diff / "d").mkdir()
    (diff / "d" / "f").write_bytes(b"content")
    (diff / "big").write_bytes(b"x" * 100_000)
    driver.create("job", "base", read_write=True)
    driver.get("job")  # makes its merged directory
    driver.put("job")
    job = driver.home / "job"
    merged = tmp_path / "elsewhere"
    merged.mkdir()
    data = f"redirect_dir=on,metacopy=on,lowerdir={diff},upperdir={job}/diff,workdir={job}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", merged], check=True)
    (merged / "d").rename(merged / "e")
    (merged / "big").chmod(0o600)
    subprocess.run(["umount", merged], check=True)
    assert "trusted.overlay.metacopy" in os.listxattr(job / "diff" / "big")
    found = driver.diff("job")
    assert not found["native"]
    assert driver.changes("job") == ["modified /big", "deleted /d", "added /e", "added /e/f"]
    driver.diff("job", state="exported", dest=str(tmp_path / "tar"))
    driver.create("twin", "base")
    driver.diff("twin", state="applied", src=str(tmp_path / "tar"))
    root = driver.get("twin")
    assert (root / "e" / "f").read_bytes() == b"content"
    assert (root / "big").read_bytes() == b"x" * 100_000
    assert (root / "big").stat().st_mode & 0o777 == 0o600
    assert not (root / "d").exists()


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"parent": "missing"}, "layer_not_found", "missing"),
        ({"parent": "../base"}, "invalid_input", "parent"),
        ({"parent": "base", "state": "applied", "src": "/nowhere"}, "invalid_input", "parent"),
    ],
)
def test_bad_parents(driver: Driver, params: dict[str, str], error: str, words: str) -> None:
    driver.create("base")
    driver.create("top", "base")
    module = overlay2_diff if "state" in params else overlay2_diff_info
    result = driver.run(module, id="top", **params)
    assert (result["failed"], result["error"]) == (True, error)
    assert words in result["msg"] and result["hint"]
