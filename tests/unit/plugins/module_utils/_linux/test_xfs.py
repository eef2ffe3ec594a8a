# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import xfs


@pytest.mark.root
def test_a_new_xfs_keeps_types(loop_filesystem):
    fd = os.open(loop_filesystem("xfs"), os.O_RDONLY)
    try:
        assert xfs.has_ftype(fd) is True
    finally:
        os.close(fd)


@pytest.mark.root
@pytest.mark.parametrize("size", [512, 1024])
def test_the_size_of_an_inode(loop_filesystem, size):
    fd = os.open(loop_filesystem("xfs", "-i", f"size={size}"), os.O_RDONLY)
    try:
        assert xfs.inode_size(fd) == size
    finally:
        os.close(fd)


@pytest.mark.root
def test_an_old_xfs_without_types_is_told(loop_filesystem):
    """Skipped on kernels that no longer mount this version."""
    fd = os.open(loop_filesystem("xfs", "-m", "crc=0", "-n", "ftype=0"), os.O_RDONLY)
    try:
        assert xfs.has_ftype(fd) is False
    finally:
        os.close(fd)


def test_another_filesystem_cannot_be_asked():
    fd = os.open("/proc", os.O_RDONLY)
    try:
        with pytest.raises(OSError) as caught:
            xfs.has_ftype(fd)
    finally:
        os.close(fd)
    assert caught.value.errno in (errno.ENOTTY, errno.EINVAL)
