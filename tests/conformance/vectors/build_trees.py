# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the layer trees whose diff ids are recorded in expected.json.

    python3 build_trees.py DIR      (root; DIR on ext4, XFS or tmpfs; made if missing)

Each tree DIR/<name> is the content of a layer's `diff` directory. expected.json has, for each tree, the sha256 and the
length of the tar that moby 28.5.2 (go-archive TarWithOptions, uncompressed, overlay whiteout format) writes for it;
for `linked_pair`, go-archive 0.3.3; for `linked_whiteouts`, Go's archive/tar with the headers that go-archive makes.
The trees are frozen: a change of a tree would invalidate its recorded diff id.
"""

from __future__ import annotations

import os
import stat
import sys

NS = 10**9


def put(path, data=b"", mode=0o644, uid=0, gid=0, mtime=1_600_000_000, ns=0):
    path = os.fsencode(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, data)
    os.fchown(fd, uid, gid)
    os.fchmod(fd, mode)
    os.close(fd)
    os.utime(path, ns=(mtime * NS + ns, mtime * NS + ns))


def folder(path, mode=0o755, uid=0, gid=0):
    os.makedirs(path, exist_ok=True)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def settle(root, mtime=1_600_000_000):
    """Give every directory and link below root one time, children first."""
    for base, dirs, files in os.walk(os.fsencode(root), topdown=False):
        for name in files:
            full = os.path.join(base, name)
            if os.path.islink(full):
                os.utime(full, ns=(mtime * NS, mtime * NS), follow_symlinks=False)
        for name in dirs:
            full = os.path.join(base, name)
            os.utime(full, ns=(mtime * NS, mtime * NS), follow_symlinks=False)


def plain(r):
    put(f"{r}/empty")
    put(f"{r}/bin/setuid", b"x" * 511, 0o4755)
    put(f"{r}/bin/setgid", b"x" * 512, 0o2755, 0, 50)
    put(f"{r}/etc/shadow", b"x" * 513, 0o640, 0, 42)
    folder(f"{r}/tmp", 0o1777)
    folder(f"{r}/home/user", 0o700, 1000, 1000)
    os.symlink("../etc/shadow", f"{r}/bin/link")
    os.symlink("/absolute/target", f"{r}/abs")
    os.symlink("dangling", f"{r}/dangling")
    os.lchown(f"{r}/dangling", 1000, 1000)
    os.mkfifo(f"{r}/fifo", 0o622)
    os.mknod(f"{r}/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(f"{r}/disk", 0o660 | stat.S_IFBLK, os.makedev(259, 70000))
    for name in ("fifo", "null", "disk"):
        os.chmod(f"{r}/{name}", {"fifo": 0o622, "null": 0o666, "disk": 0o660}[name])
        os.utime(f"{r}/{name}", ns=(1_600_000_000 * NS,) * 2)


def order(r):
    for name in ("a/x", "a-b", "a.b", "a0", "A", "a/b/c", "a/b-c", "ab/z", "Z/1", "_", "~"):
        put(f"{r}/{name}", name.encode())


def names(r):
    put(f"{r}/" + "n" * 100)
    put(f"{r}/" + "m" * 101)
    put(f"{r}/" + "p" * 99 + "/" + "q" * 100)
    put(f"{r}/" + "p" * 155 + "/" + "q" * 99)
    put(f"{r}/" + "r" * 156 + "/" + "s" * 90)
    put(f"{r}/" + "/".join(["deep" * 10] * 8) + "/leaf")
    folder(f"{r}/" + "d" * 99)
    folder(f"{r}/" + "e" * 100)
    put(f"{r}/h\u00e9llo w\u00f6rld")
    put(f"{r}/ space ")
    put(f"{r}/new\nline")
    put(f"{r}/-dash")
    put(f"{r}/\u65e5\u672c/\u8a9e")
    os.symlink("t" * 100, f"{r}/link100")
    os.symlink("u" * 101, f"{r}/link101")
    os.symlink("\u00fc", f"{r}/link-utf8")


def hardlinks(r):
    put(f"{r}/z/first", b"shared", 0o600)
    os.makedirs(f"{r}/a")
    os.link(f"{r}/z/first", f"{r}/a/second")
    os.link(f"{r}/z/first", f"{r}/third")
    os.symlink("third", f"{r}/sym")
    os.link(f"{r}/sym", f"{r}/sym2", follow_symlinks=False)
    os.mkfifo(f"{r}/f1")
    os.chmod(f"{r}/f1", 0o644)
    os.utime(f"{r}/f1", ns=(1_600_000_000 * NS,) * 2)
    os.link(f"{r}/f1", f"{r}/f2")


def whiteouts(r):
    os.makedirs(f"{r}/dir/sub")
    for name in ("gone", "dir/gone too", "dir/sub/.hidden"):
        os.mknod(f"{r}/{name}", stat.S_IFCHR, 0)
        os.utime(f"{r}/{name}", ns=(1_600_000_123 * NS,) * 2)
    folder(f"{r}/opaque", 0o710, 3, 4)
    os.setxattr(f"{r}/opaque", "trusted.overlay.opaque", b"y")
    put(f"{r}/opaque/kept", b"k")
    folder(f"{r}/not-opaque")
    os.setxattr(f"{r}/not-opaque", "trusted.overlay.opaque", b"x")
    folder(f"{r}/opaque/inner", 0o700)
    os.setxattr(f"{r}/opaque/inner", "trusted.overlay.opaque", b"y")


def linked(r, first, *others, mtime=1_600_000_000):
    """Make whiteouts as the kernel does since Linux 5.8: names of one inode. Give the first one made."""
    os.makedirs(os.path.dirname(f"{r}/{first}"), exist_ok=True)
    os.mknod(f"{r}/{first}", stat.S_IFCHR, 0)
    os.utime(f"{r}/{first}", ns=(mtime * NS,) * 2)
    for other in others:
        os.makedirs(os.path.dirname(f"{r}/{other}"), exist_ok=True)
        os.link(f"{r}/{first}", f"{r}/{other}")


def linked_pair(r):
    linked(r, "a", "b")


def linked_whiteouts(r):
    linked(
        r,
        "z/last made first",
        "a/x",
        "a.b",
        "b/opaque/gone",
        "b/opaque/deep/gone",
        "c/.wh.odd",
        "\u00fc/\u00e4",
        "z/zz",
    )
    for name in ("b/opaque", "b/opaque/deep"):
        os.setxattr(f"{r}/{name}", "trusted.overlay.opaque", b"y")
    linked(r, "n" * 101, "o" * 100, "p" * 90 + "/" + "q" * 90, "p" * 90 + "/r")  # a linkname in a PAX record
    linked(r, "other/1", "other/2", mtime=1_500_000_000)  # another mount's
    os.lchown(f"{r}/other/1", 5, 2_097_152)
    os.setxattr(f"{r}/other/1", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    linked(r, "work/alone")
    os.link(f"{r}/work/alone", f"{r}.elsewhere")  # as the kernel keeps one in the work directory
    put(f"{r}/file", b"f")
    os.link(f"{r}/file", f"{r}/link")
    os.mknod(f"{r}/null", stat.S_IFCHR, os.makedev(0, 1))
    os.utime(f"{r}/null", ns=(1_600_000_000 * NS,) * 2)
    os.link(f"{r}/null", f"{r}/null2")  # no whiteout


def xattrs(r):
    put(f"{r}/cap2", b"e", 0o755)
    os.setxattr(f"{r}/cap2", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    put(f"{r}/cap3", b"e", 0o755)
    os.setxattr(f"{r}/cap3", "security.capability", bytes.fromhex("010000030020000000000000000000000000000000000000"))
    put(f"{r}/user", b"u")
    os.setxattr(f"{r}/user", "user.note", b"hello")
    os.setxattr(f"{r}/user", "trusted.note", b"hello")


def numbers(r):
    put(f"{r}/big-uid", b"1", uid=2097151, gid=2097151)
    put(f"{r}/bigger-uid", b"2", uid=2097152, gid=5)
    put(f"{r}/biggest-id", b"3", uid=4294967294, gid=4294967294)
    put(f"{r}/epoch", mtime=0)
    put(f"{r}/half", mtime=1_600_000_000, ns=999_999_999)
    put(f"{r}/before-1970", mtime=-1, ns=500_000_000)
    put(f"{r}/blocks", b"b" * (3 * 512))
    put(f"{r}/odd", b"o" * 100_001)


TREES = {
    f.__name__: f for f in (plain, order, names, hardlinks, whiteouts, linked_pair, linked_whiteouts, xattrs, numbers)
}


def build(name, directory):
    """Make the tree *name* as DIRECTORY/name."""
    umask = os.umask(0)
    try:
        root = os.path.join(directory, name)
        os.makedirs(root)
        os.chmod(root, 0o755)
        TREES[name](root)
        settle(root)
    finally:
        os.umask(umask)


if __name__ == "__main__":
    for tree in TREES:
        build(tree, sys.argv[1])
