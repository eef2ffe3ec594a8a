# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.disk_usage import measure, tree_of


def test_hard_links_count_once_and_holes_not_at_all(tmp_path, traces):
    (tmp_path / "a").write_bytes(b"x" * 5000)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "sub").mkdir()
    os.symlink("nowhere", tmp_path / "sub/link")
    with open(tmp_path / "sub/hole", "wb") as file:
        file.truncate(1 << 30)
    traces(tmp_path, aged=True)
    before = traces(tmp_path)
    used, _tree = measure(str(tmp_path))
    assert traces(tmp_path) == before
    assert used.inodes == 5
    assert used.apparent_bytes == 5000 + 7 + (1 << 30)
    paths = (tmp_path, tmp_path / "a", tmp_path / "sub", tmp_path / "sub/link", tmp_path / "sub/hole")
    assert used.bytes == sum(os.lstat(path).st_blocks for path in paths) * 512 < 1 << 20


def test_a_tree_of_any_depth(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _unused in range(3000):
        os.mkdir("d" * 100, dir_fd=fd)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    try:
        assert measure(str(tmp_path))[0].inodes == 3001
    finally:  # pytest could not
        subprocess.run(["rm", "-r", tmp_path / ("d" * 100)], check=True)


def test_symlinks_are_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    with pytest.raises(OSError):
        measure(str(tmp_path / "link"))


@pytest.mark.root
def test_what_is_mounted_there_is_not_counted(tmp_path, loop_filesystem):
    mounted = loop_filesystem("ext4")
    assert measure(str(mounted.parent))[0].inodes == 2  # it, and the image


def test_what_has_a_name_elsewhere_does_not_go_with_a_tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    for name in ("inside", "outside", "alone"):
        (tree / name).write_bytes(b"x" * 5000)
    os.link(tree / "inside", tree / "sub/inside")
    os.link(tree / "outside", tree / "sub/outside")
    os.link(tree / "outside", tmp_path / "outside")
    blocks = {path: os.lstat(path).st_blocks * 512 for path in (tree, *tree.rglob("*"))}
    found = tree_of(str(tree))
    assert found.linked == {(tree / "outside").stat().st_ino: (2, 3, blocks[tree / "outside"])}
    assert found.bytes == sum(blocks[path] for path in (tree, tree / "sub", tree / "inside", tree / "alone"))
    assert found.inodes == 5
    (tmp_path / "outside").unlink()
    assert tree_of(str(tree)) == (found.bytes + blocks[tree / "outside"], 5, {}, "")


@pytest.mark.root
def test_a_file_that_cannot_be_read_leaves_the_rest_counted(loop_filesystem):
    """As after a power cut: the inode of a file is cleared."""
    top = loop_filesystem("ext4")
    (top / "tree/sub").mkdir(parents=True)
    for name in ("bad", "good"):
        (top / "tree/sub" / name).write_bytes(b"x" * 5000)
    whole = tree_of(str(top / "tree"))
    with broken(top, os.stat(top / "tree/sub/bad").st_ino):
        found = tree_of(str(top / "tree"))
        assert found.unread == f"{top}/tree/sub/bad: {os.strerror(errno.EUCLEAN)}"
        assert found.inodes == whole.inodes - 1 and 0 < found.bytes < whole.bytes
        assert measure(str(top / "tree"))[0].apparent_bytes == 5000


@contextlib.contextmanager
def broken(mounted, inode):
    """Have an inode of a mounted ext4 cleared."""
    device = subprocess.run(
        ["findmnt", "-n", "-o", "SOURCE", mounted], capture_output=True, check=True, text=True
    ).stdout.strip()
    image = subprocess.run(
        ["losetup", "-n", "-O", "BACK-FILE", device], capture_output=True, check=True, text=True
    ).stdout.strip()
    subprocess.run(["umount", mounted], check=True)
    subprocess.run(["debugfs", "-w", "-R", f"clri <{inode}>", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop,errors=continue", image, mounted], check=True)
    yield
