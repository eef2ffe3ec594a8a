# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.subject import about


@pytest.fixture
def fd(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("fail", "path"),
    [
        pytest.param(lambda fd: os.ftruncate(fd, 1), "/store/app", id="no path"),
        pytest.param(lambda fd: os.listdir(1000), "/store/app", id="a number"),
        pytest.param(lambda fd: os.stat("a", dir_fd=fd), "/store/app/a", id="a name"),
        pytest.param(lambda fd: os.stat(b"a/\xff", dir_fd=fd), "/store/app/a/\udcff", id="bytes"),
        pytest.param(lambda fd: os.stat("/missing"), "/missing", id="a whole path"),
        pytest.param(lambda fd: os.symlink("../a", "/missing/b"), "/missing/b", id="a symlink"),
        pytest.param(lambda fd: os.listxattr(f"/proc/self/fd/{fd}/a"), "/store/app/a", id="a name for xattr calls"),
    ],
)
def test_an_error_names_the_path_of_what_it_is_about(fd, fail, path):
    with pytest.raises(OSError) as caught, about("/store/app"):
        fail(fd)
    assert caught.value.filename == path


def test_a_name_is_found_through_all_the_directories_it_lies_in(fd):
    with pytest.raises(FileNotFoundError) as caught, about(b"/store"), about("app"), about("diff"):
        os.stat("a", dir_fd=fd)
    assert str(caught.value) == f"[Errno {errno.ENOENT}] {os.strerror(errno.ENOENT)}: '/store/app/diff/a'"
