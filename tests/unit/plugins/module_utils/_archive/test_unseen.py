# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that a walk ignores, on real files."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.unseen import (
    has_marker_file,
    ignore_rule,
    is_hidden_whiteout,
    is_marker_file,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.walk import (
    IS_DIRECTORY,
    IS_OTHER,
    IS_REGULAR,
    children,
)

MARKER, OWN_WHITEOUT = ".wh..wh..opq", ".wh..opq"


@pytest.fixture
def directory(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield tmp_path, fd
    os.close(fd)


def test_a_marker_is_a_regular_file_of_that_name(directory):
    path, fd = directory
    assert not has_marker_file(fd)
    (path / MARKER).touch()
    (path / ".wh.f").touch()
    assert has_marker_file(fd)
    assert is_marker_file(fd, MARKER.encode(), IS_REGULAR)
    assert not is_marker_file(fd, b".wh.f", IS_REGULAR)


def test_a_directory_or_a_symlink_of_that_name_is_not_a_marker(directory):
    path, fd = directory
    (path / MARKER).mkdir()
    assert not has_marker_file(fd)
    assert not is_marker_file(fd, MARKER.encode(), IS_DIRECTORY)
    (path / MARKER).rmdir()
    (path / MARKER).symlink_to("target")
    assert not has_marker_file(fd)
    assert not is_marker_file(fd, MARKER.encode(), IS_OTHER)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a device")
def test_the_device_beside_the_marker_must_be_a_whiteout(directory):
    path, fd = directory
    (path / OWN_WHITEOUT).touch()
    assert not is_marker_file(fd, OWN_WHITEOUT.encode(), IS_REGULAR)
    (path / OWN_WHITEOUT).unlink()
    os.mknod(path / OWN_WHITEOUT, stat.S_IFCHR, 0)
    assert is_marker_file(fd, OWN_WHITEOUT.encode(), IS_OTHER)


def test_a_name_that_is_listed_and_not_found_is_a_hidden_whiteout(directory):
    path, fd = directory
    (path / "link").symlink_to("nowhere")
    assert is_hidden_whiteout(fd, b"gone", IS_OTHER)
    assert not is_hidden_whiteout(fd, b"gone", IS_REGULAR)
    assert not is_hidden_whiteout(fd, b"link", IS_OTHER)


@pytest.mark.parametrize(
    ("merged", "marker_files", "names"),
    [
        pytest.param(False, False, [MARKER.encode(), b"f"], id="an upperdir"),
        pytest.param(True, False, [MARKER.encode(), b"f"], id="a mount"),
        pytest.param(False, True, [b"f"], id="an upperdir of fuse-overlayfs"),
        pytest.param(True, True, [b"f"], id="a mount of what fuse-overlayfs wrote"),
    ],
)
def test_the_rule_of_each_tree(directory, merged, marker_files, names):
    path, fd = directory
    (path / MARKER).touch()
    (path / "f").touch()
    assert [name for name, _kind in children(fd, ignore_rule(merged, marker_files))] == names


def test_an_upperdir_of_the_kernel_needs_no_rule():
    assert ignore_rule(False, False) is None
