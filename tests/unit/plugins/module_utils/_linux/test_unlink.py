# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.unlink import try_unlink


@pytest.fixture
def fd(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")
    fd = os.open(tmp_path, os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_all_but_directories_go(fd):
    assert try_unlink("file", fd) and try_unlink(b"link", fd)
    assert not try_unlink("directory", fd)
    assert os.listdir(fd) == ["directory"]


def test_what_is_not_there(fd):
    with pytest.raises(FileNotFoundError):
        try_unlink("gone", fd)
