# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clone a tree by hard links, and give one file of a clone an inode of its own. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .._linux.noatime import open_quietly
from .apply_root import shed_acls
from .walk import IS_DIRECTORY, Trail, below, changed_meanwhile_error, get_xattr, list_xattrs, lstat, walk
from .whiteouts import is_whiteout


def clone_tree(src: str, dst: str) -> None:
    """Make *dst* a copy of the directory *src*: directories are new, all other names are hard links.

    A directory gets mode, owner, times and all xattrs of its original, overlayfs' own included. *src* and *dst* must be
    on one filesystem and, if project ids are inherited, in one project.
    raises: OSError; FileExistsError if *dst* exists; LayerInUse if a process changes *src* meanwhile. The part of *dst*
            that was made stays.
    """
    os.mkdir(dst, 0o700)
    with Trail(src) as old, Trail(dst) as new:
        shed_acls(new.fd)  # every directory below would inherit them
        open_levels = [_Attributes.read(old.fd)]
        for path, name, kind in walk(old):
            is_directory = kind == IS_DIRECTORY
            _leave(new, open_levels, old.depth + (not is_directory))
            if is_directory:
                os.mkdir(name, 0o700, dir_fd=new.fd)
                new.down(name)
                open_levels.append(_Attributes.read(old.fd))
            else:
                _link(name, path, old.fd, new.fd)
        _leave(new, open_levels, 0)


class _Attributes(t.NamedTuple):
    st: os.stat_result
    xattrs: list[tuple[str, bytes]]

    @classmethod
    def read(cls, fd: int) -> _Attributes:
        return cls(os.fstat(fd), [(name, get_xattr(fd, name)) for name in list_xattrs(fd)])

    def write(self, fd: int) -> None:
        os.fchown(fd, self.st.st_uid, self.st.st_gid)
        for name, value in self.xattrs:
            os.setxattr(fd, name, value)
        os.fchmod(fd, stat.S_IMODE(self.st.st_mode))  # after the ACL, which changes the mode
        os.utime(fd, ns=(self.st.st_atime_ns, self.st.st_mtime_ns))


def _leave(new: Trail, open_levels: list[_Attributes], count: int) -> None:
    """Go up until *count* directories are open, and set the attributes of each complete one."""
    while len(open_levels) > count:
        open_levels.pop().write(new.fd)
        if open_levels:
            new.up()


def _link(name: bytes, path: bytes, old: int, new: int) -> None:
    try:
        os.link(name, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
    except FileNotFoundError as error:
        raise changed_meanwhile_error(path, "vanished") from error
    except OSError as error:
        st = lstat(name, path, old)
        if error.errno == errno.EMLINK and is_whiteout(st):  # overlayfs makes them as links of each other
            _copy_whiteout(name, st, new)
            return
        error.filename = os.fsdecode(path)
        error.filename2 = None
        raise


def _copy_whiteout(name: bytes, st: os.stat_result, new: int) -> None:
    os.mknod(name, stat.S_IFMT(st.st_mode), 0, dir_fd=new)
    os.chown(name, st.st_uid, st.st_gid, dir_fd=new, follow_symlinks=False)
    os.utime(name, ns=(st.st_atime_ns, st.st_mtime_ns), dir_fd=new, follow_symlinks=False)


def unshare(name: bytes, dir_fd: int) -> None:
    """Replace *name*, which is not a directory, by a copy that shares no inode with another name.

    The copy has the same content with its holes, owner, mode, times and xattrs. Raises OSError.
    """
    found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    path = below(dir_fd, name)
    xattrs = [(key, get_xattr(path, key)) for key in list_xattrs(path)]
    _make_anew(name, dir_fd, found)
    os.chown(name, found.st_uid, found.st_gid, dir_fd=dir_fd, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        shed_acls(path)
    for key, value in xattrs:
        os.setxattr(path, key, value, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(path, stat.S_IMODE(found.st_mode))  # chmod follows symlinks, but the node is not a symlink
    os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=dir_fd, follow_symlinks=False)


def _make_anew(name: bytes, dir_fd: int, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        old = open_quietly(name, os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd)
        try:
            os.unlink(name, dir_fd=dir_fd)
            new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
            try:
                _copy_data(old, new, found.st_size)
            finally:
                os.close(new)
        finally:
            os.close(old)
        return
    target = os.readlink(name, dir_fd=dir_fd) if stat.S_ISLNK(found.st_mode) else None
    os.unlink(name, dir_fd=dir_fd)
    if target is None:
        os.mknod(name, found.st_mode, found.st_rdev, dir_fd=dir_fd)
    else:
        os.symlink(target, name, dir_fd=dir_fd)


def _copy_data(old: int, new: int, size: int) -> None:
    """Copy the first *size* bytes of *old* to *new*, with the holes."""
    os.ftruncate(new, size)
    end = 0
    while end < size:
        try:
            start = os.lseek(old, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # the rest is a hole
        end = min(os.lseek(old, start, os.SEEK_HOLE), size)
        os.lseek(new, start, os.SEEK_SET)
        while start < end and (sent := os.sendfile(new, old, start, end - start)):
            start += sent
