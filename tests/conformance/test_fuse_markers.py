# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The markers that fuse-overlayfs leaves in a layer of Podman's are not part of its content."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices and mounts")]


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    """A store with a layer in which /opt/x was replaced, as fuse-overlayfs writes it."""
    made = Driver(tmp_path / "P" / "overlay")
    made.create("base")
    (made.home / "base" / "diff" / "opt" / "x").mkdir(parents=True)
    (made.home / "base" / "diff" / "opt" / "x" / "old").touch()
    made.create("other", "base")
    made.create("c", "base", read_write=True)
    replaced = made.home / "c" / "diff" / "opt" / "x"
    replaced.mkdir(parents=True)
    os.setxattr(replaced, "trusted.overlay.opaque", b"y")
    (replaced / ".wh..wh..opq").touch(0o700)
    os.mknod(replaced / ".wh..opq", stat.S_IFCHR, 0)
    (replaced / "new").touch()
    return made


@pytest.mark.parametrize("parent", [None, "other"], ids=["native", "naive"])
def test_they_are_no_changes_and_exported_once(driver: Driver, tmp_path: Path, parent: str | None) -> None:
    changes = {"modified /opt", "modified /opt/x", "added /opt/x/new", "deleted /opt/x/old"}
    assert set(driver.changes("c", parent=parent)) == changes | {"added /opt/x/.wh..wh..opq"}
    (driver.home.parent / "overlay-layers").mkdir()
    assert set(driver.changes("c", parent=parent)) == changes
    tar = tmp_path / "tar"
    done = driver.ok(overlay2_diff, id="c", parent=parent, state="exported", dest=str(tar))
    with tarfile.open(tar) as opened:
        names = opened.getnames()
    hidden = "opt/x/.wh..wh..opq" if parent is None else "opt/x/.wh.old"
    assert sorted(names) == sorted(["opt", "opt/x", hidden, "opt/x/new"]) and done["native"] == (parent is None)
