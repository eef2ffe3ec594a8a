# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import statx


@pytest.mark.parametrize("path", ["/", "/proc", "/dev/null"])
def test_it_tells_what_stat_does(path):
    fd = os.open(path, os.O_PATH)
    try:
        found = os.stat(path)
        assert statx.inode_of(fd) == (found.st_dev, found.st_ino)
    finally:
        os.close(fd)


def test_a_closed_fd_is_an_error():
    with pytest.raises(OSError, match="Bad file"):
        statx.inode_of(1 << 20)
