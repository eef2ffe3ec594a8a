# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone of a tree by hard links."""

from __future__ import annotations

import os
import socket
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.clone import clone_tree

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

DEFAULT_ACL = bytes.fromhex("0200000001000700ffffffff04000500ffffffff20000000ffffffff")


@pytest.fixture
def src(tmp_path, monkeypatch):
    path = tmp_path / "src"
    (path / "d/e").mkdir(parents=True)
    (path / "f").write_text("f")
    os.setxattr(path / "f", "user.note", b"1")
    (path / "d/g").write_text("g")
    os.symlink("/nowhere/strata", path / "d/l")
    os.mkfifo(path / "d/e/p")
    os.mknod(path / "gone", stat.S_IFCHR, 0)
    monkeypatch.chdir(path)  # the path itself is too long for a socket's address
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    os.setxattr(path / "d", "trusted.overlay.opaque", b"y")
    os.setxattr(path / "d", "user.note", b"2")
    os.setxattr(path / "d", "system.posix_acl_default", DEFAULT_ACL)
    os.chown(path / "d/e", 3, 4)
    os.chmod(path / "d/e", 0o7751)
    os.chmod(path, 0o2700)
    for number, name in enumerate(("d/e", "d", "")):
        os.utime(path / name, ns=(10**18 + number, 10**18 + 10 + number))
    return path


def facts(path):
    """Return what a clone must share for good (an inode number, below a directory) or have the same."""
    found = {}
    for base, dirs, files in os.walk(path):
        for name in (".", *dirs, *files):
            full = os.path.join(base, name)
            st = os.lstat(full)
            if stat.S_ISDIR(st.st_mode):
                xattrs = {key: os.getxattr(full, key) for key in os.listxattr(full)}
                what = st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, xattrs
            else:
                what = st.st_ino
            found[os.path.relpath(full, path)] = what
    return found


def test_directories_are_the_same_and_all_else_is_shared(src, tmp_path):
    before = facts(src)
    clone_tree(str(src), str(tmp_path / "dst"))
    assert facts(tmp_path / "dst") == before
    assert facts(src) == before
    inodes = {os.stat(path / name).st_ino for path in (src, tmp_path / "dst") for name in ("", "d", "d/e")}
    assert len(inodes) == 6


def test_a_clone_inherits_nothing_from_where_it_is_made(src, tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    os.setxattr(parent, "system.posix_acl_default", DEFAULT_ACL)
    os.chown(parent, 0, 7)
    os.chmod(parent, 0o2755)
    before = facts(src)
    clone_tree(str(src), str(parent / "dst"))
    assert facts(parent / "dst") == before


def test_access_times_are_those_of_the_original_which_keeps_them(src, tmp_path):
    clone_tree(str(src), str(tmp_path / "dst"))
    for path in (tmp_path / "dst", src):
        found = [os.stat(path / name).st_atime_ns for name in ("d/e", "d", "")]
        assert found == [10**18, 10**18 + 1, 10**18 + 2]


def test_an_existing_name_is_spared(src, tmp_path):
    (tmp_path / "dst").mkdir()
    with pytest.raises(FileExistsError):
        clone_tree(str(src), str(tmp_path / "dst"))
    assert os.listdir(tmp_path / "dst") == []


def test_a_symlink_in_it_leads_nowhere(src, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    os.symlink(victim, src / "d/e/escape")
    before = os.stat(victim)
    clone_tree(str(src), str(tmp_path / "dst"))
    assert os.readlink(tmp_path / "dst/d/e/escape") == str(victim)
    assert (os.stat(victim).st_mtime_ns, os.listdir(victim)) == (before.st_mtime_ns, [])


def spread(path, spare):
    """Give the file *path* as many names as the filesystem allows."""
    spare.mkdir()
    with pytest.raises(OSError, match="Too many links"):
        for number in range(100_000):
            os.link(path, spare / str(number))


def test_a_whiteout_with_too_many_names_is_copied(loop_filesystem):
    mounted = loop_filesystem("ext4")
    (mounted / "src").mkdir()
    os.mknod(mounted / "src/gone", stat.S_IFCHR, 0)
    os.chown(mounted / "src/gone", 3, 4)
    os.utime(mounted / "src/gone", ns=(7 * 10**9, 9 * 10**9))
    spread(mounted / "src/gone", mounted / "spare")
    clone_tree(str(mounted / "src"), str(mounted / "dst"))
    st = os.stat(mounted / "dst/gone")
    assert (st.st_mode, st.st_rdev, st.st_nlink) == (stat.S_IFCHR, 0, 1)
    assert (st.st_uid, st.st_gid, st.st_atime, st.st_mtime) == (3, 4, 7, 9)


def test_a_file_with_too_many_names_is_an_error_that_says_so(loop_filesystem):
    mounted = loop_filesystem("ext4")
    (mounted / "src/d").mkdir(parents=True)
    (mounted / "src/d/f").touch()
    spread(mounted / "src/d/f", mounted / "spare")
    with pytest.raises(OSError, match="Too many links") as caught:
        clone_tree(str(mounted / "src"), str(mounted / "dst"))
    assert caught.value.filename == "d/f"
