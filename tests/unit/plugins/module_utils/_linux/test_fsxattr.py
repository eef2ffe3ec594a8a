# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import fsxattr


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        pytest.param("xfs", (), id="xfs"),
        pytest.param("ext4", ("-O", "project,quota"), id="ext4"),
    ],
)
def test_a_project_id_is_inherited(loop_filesystem, kind, arguments):
    home = loop_filesystem(kind, *arguments)
    (home / "a").mkdir()
    fd = os.open(home / "a", os.O_RDONLY)
    try:
        before = fsxattr.get(fd)
        assert (before.project_id, before.xflags & fsxattr.FS_XFLAG_PROJINHERIT) == (0, 0)
        fsxattr.put(fd, before._replace(project_id=4_000_000_000, xflags=before.xflags | 0x200))
    finally:
        os.close(fd)
    (home / "a/b").mkdir()
    fd = os.open(home / "a/b", os.O_RDONLY)
    try:
        assert fsxattr.get(fd).project_id == 4_000_000_000
    finally:
        os.close(fd)


def test_a_filesystem_without_says_so():
    fd = os.open("/proc", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=r"Inappropriate ioctl|not supported"):
            fsxattr.get(fd)
    finally:
        os.close(fd)
