# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.noatime import open_quietly, read_quietly


@pytest.mark.root
def test_reading_keeps_the_access_time(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    for path in (tmp_path, tmp_path / "file"):
        os.utime(path, ns=(10**9, 2 * 10**9))

    fd = open_quietly(str(tmp_path), os.O_DIRECTORY)
    assert os.listdir(fd) == ["file"]
    os.close(fd)
    assert read_quietly(str(tmp_path / "file")) == b"content"

    assert os.stat(tmp_path).st_atime_ns == os.stat(tmp_path / "file").st_atime_ns == 10**9


def test_reading_stops_at_the_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"content" * 1000)
    assert read_quietly(str(tmp_path / "file"), 3) == b"con"
    assert read_quietly(str(tmp_path / "file"), 4096) == (b"content" * 1000)[:4096]
    assert read_quietly(str(tmp_path / "file")) == b"content" * 1000


def test_a_fifo_does_not_hang_and_a_symlink_is_not_followed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert read_quietly(str(tmp_path / "fifo")) == b""
    (tmp_path / "link").symlink_to("fifo")
    with pytest.raises(OSError):
        read_quietly(str(tmp_path / "link"))
