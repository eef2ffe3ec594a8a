# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking a tree by descriptors: the order, depth, and a tree that does not hold still."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.walk import Trail, lstat, open_listed, walk
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse, NotSupported


def make(root, *names):
    """Make files, and directories where a name ends in a slash."""
    for name in names:
        full = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not name.endswith(b"/"):
            with open(full, "xb"):
                pass


def walked(root, **options):
    with Trail(root) as trail:
        return [path for path, _name, _kind in walk(trail, **options)]


def deep_tree(root, depth, name):
    """Make *depth* directories one in the other; a path would be too long for that."""
    os.mkdir(root)
    fd = os.open(root, os.O_RDONLY)
    for _unused in range(depth):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "root"
    subprocess.run(["rm", "-rf", tmp_path / "root"], check=True)  # Python's rmtree goes only as deep as its recursion


def open_fds():
    return sorted(os.listdir("/proc/self/fd"))


def test_children_are_sorted_in_their_directory_and_follow_it(tmp_path):
    make(tmp_path, b"a/x", b"a/b/c", b"a/b-c", b"a-b", b"A", b"~", b"\xff", "\u00e9".encode(), b"empty/")
    assert walked(tmp_path) == [
        b"A", b"a", b"a/b", b"a/b/c", b"a/b-c", b"a/x", b"a-b", b"empty", b"~", "\u00e9".encode(), b"\xff"
    ]  # fmt: skip


def test_a_symlink_is_not_entered(tmp_path):
    make(tmp_path, b"there/file")
    os.symlink("there", tmp_path / "here")
    assert walked(tmp_path) == [b"here", b"there", b"there/file"]


def test_depth_costs_no_descriptors(root):
    deep_tree(root, 2000, "directory")
    before = open_fds()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        paths = walked(root)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(paths) == 2001
    assert paths[-1] == b"directory/" * 2000 + b"leaf"
    assert open_fds() == before


@pytest.mark.parametrize(("depth", "name"), [(2049, "d"), (300, "d" * 250)])
def test_what_lies_too_deep_to_be_named_is_refused(root, depth, name):
    """What is known by its path takes memory by the square of its depth."""
    deep_tree(root, depth, name)
    fds = open_fds()
    with pytest.raises(NotSupported, match="more than 2048 directories or 65536 bytes in its path") as caught:
        walked(root)
    assert len(caught.value.details["path"]) < 300
    assert open_fds() == fds


def test_the_way_back_up_reaches_what_comes_after_a_deep_tree(root):
    deep_tree(root, 100, "d")
    make(root, b"d/d/e", b"z")
    with Trail(root, keep=2) as trail:
        paths = [path for path, _name, _kind in walk(trail)]
        assert trail.depth == 0
    assert paths[-3:] == [b"d/" * 100 + b"leaf", b"d/d/e", b"z"]


def test_a_directory_moved_meanwhile_leads_nowhere_else(tmp_path):
    make(tmp_path, b"root/a/b/c/d/file", b"elsewhere/")
    with Trail(tmp_path / "root", keep=1) as trail:
        for name in (b"a", b"b", b"c", b"d"):
            trail.down(name)
        os.rename(tmp_path / "root/a/b/c", tmp_path / "elsewhere/c")
        trail.up()
        with pytest.raises(LayerInUse, match="moved"):
            trail.up()


@pytest.mark.parametrize(
    ("missing_ok", "expected"),
    [pytest.param(False, None, id="an error"), pytest.param(True, [b"a", b"c", b"c/file"], id="or passed over")],
)
def test_a_directory_that_vanishes_meanwhile(tmp_path, missing_ok, expected):
    make(tmp_path, b"a", b"b/", b"c/file")
    paths = []

    def go():
        with Trail(tmp_path) as trail:
            for path, _name, _kind in walk(trail, missing_ok):
                paths.append(path)
                if path == b"a":
                    os.rmdir(tmp_path / "b")

    if expected is None:
        with pytest.raises(LayerInUse, match="b vanished or was replaced"):
            go()
    else:
        go()
        assert paths == expected


def test_a_directory_replaced_by_a_symlink_is_not_followed(tmp_path):
    make(tmp_path, b"tree/a", b"tree/b/inside", b"outside/secret")
    with Trail(tmp_path / "tree") as trail, pytest.raises(LayerInUse):
        for path, _name, _kind in walk(trail):
            if path == b"a":
                os.rename(tmp_path / "tree/b", tmp_path / "b")
                os.symlink(tmp_path / "outside", tmp_path / "tree/b")


@pytest.mark.parametrize("reach", [lstat, open_listed])
def test_a_file_that_vanished_is_named(tmp_path, reach):
    with Trail(tmp_path) as trail, pytest.raises(LayerInUse, match=r"dir/\\xff vanished") as caught:
        reach(b"\xff", b"dir/\xff", trail.fd)
    assert caught.value.details["path"] == r"dir/\xff"
