# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.sync import (
    sync_directory,
    sync_file,
    sync_filesystem,
)


def test_a_file_a_directory_and_a_filesystem_are_synced(tmp_path):
    (tmp_path / "file").write_text("text")
    before = os.listdir("/proc/self/fd")
    sync_file(str(tmp_path / "file"))
    sync_directory(str(tmp_path))
    sync_filesystem(str(tmp_path))
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(NotADirectoryError):
        sync_directory(str(tmp_path / "file"))


@pytest.mark.parametrize("sync", [sync_file, sync_directory])
def test_what_cannot_be_synced_is_named(sync):
    with pytest.raises(OSError) as caught:
        sync("/proc/self/fd")  # procfs has no fsync
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, "/proc/self/fd")
