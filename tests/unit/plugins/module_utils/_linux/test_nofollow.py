# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.nofollow import names_below, open_below


@pytest.fixture
def top(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("content")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a/link").symlink_to("b/file")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_file_below_a_directory_is_opened(top):
    fd = open_below(top, "a/b/file")
    assert os.read(fd, 99) == b"content"
    os.close(fd)
    assert names_below(top, "a/b") == ["file"]
    assert sorted(names_below(top, ".")) == ["a", "link"]


@pytest.mark.parametrize("path", ["link/b/file", "a/link", "link"])
def test_no_symlink_is_followed(top, path):
    with pytest.raises(OSError, match=path):
        open_below(top, path)


def test_the_error_names_what_is_missing(top):
    with pytest.raises(FileNotFoundError) as caught:
        open_below(top, "a/none/file")
    assert caught.value.filename.endswith("none")


def test_a_fifo_without_a_writer_is_opened_at_once(top, tmp_path):
    os.mkfifo(tmp_path / "a/fifo")
    os.close(open_below(top, "a/fifo"))


def test_no_descriptor_stays_open(top):
    before = len(os.listdir("/proc/self/fd"))
    os.close(open_below(top, "a/b/file"))
    with pytest.raises(FileNotFoundError):
        open_below(top, "a/b/none")
    with pytest.raises(NotADirectoryError):
        open_below(top, "a/b/file/none")
    names_below(top, "a/b")
    assert len(os.listdir("/proc/self/fd")) == before
