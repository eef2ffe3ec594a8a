# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.sync import syncfs


def test_syncfs_takes_a_directory(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    syncfs(fd)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(fd)
