# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the directories that may hold a store, and trusts nobody with more than his own. PRIVATE to the collection.

Paths come from configurations, processes and mounts, which any local user can make up in part. So each component is
opened by itself. A symlink counts only if it is root's, in a directory where only root can write. No directory is
entered that a server, or a program of a user, may keep waiting: an automount point, a network filesystem, FUSE.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from ..._errors import printable
from ..._linux import mountinfo
from ..._linux.noatime import open_quietly

_LINKS = 40  # symlinks in a path, as the kernel's limit
_ENTER = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_SLOW = re.compile(
    r"autofs|fuse(\..*)?|nfs[0-9]?|cifs|smb[0-9a-z]*|ceph|9p|afs|lustre|gfs2?|ocfs2|glusterfs|ncp.*|coda|orangefs"
)


class Untouched(Exception):
    """A directory is not opened; the text says why."""


class Place(t.NamedTuple):
    """An open directory. The caller closes it.

    path:  without symlinks. owner: the uid whose word counts here: the owner of a directory on the way that is not
           root's, else root's.
    """

    fd: int
    path: str
    owner: int


def slow_mount_points() -> frozenset[str]:
    """Return the mount points that must not be entered. Raises OSError without /proc."""
    topmost = {mount.mount_point: mount.fstype for mount in mountinfo.read()}
    return frozenset(point for point, fstype in topmost.items() if _SLOW.fullmatch(fstype))


def is_usable(path: str) -> bool:
    """Tell whether a system call takes *path*, which may come from JSON or TOML."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def open_place(path: str, slow: t.Container[str], links: bool = True) -> Place:
    """Open the directory at the absolute *path*.

    slow: the mount points that must not be entered. links: follow symlinks of root.
    raises: Untouched; OSError, such as ENOENT.
    """
    fd = os.open("/", _ENTER | os.O_DIRECTORY)
    there, owner = "/", 0
    waiting, followed = path.split("/")[::-1], 0
    try:
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            if name == "..":
                raise Untouched(f"{printable(path)} contains '..'")
            below = os.path.join(there, name)
            if below in slow:
                raise Untouched(f"{printable(below)} is an automount point, a network filesystem or FUSE")
            next_fd = os.open(name, _ENTER, dir_fd=fd)
            status = os.fstat(next_fd)
            if stat.S_ISLNK(status.st_mode):
                try:
                    target = _target(next_fd, status, fd, below) if links else ""
                finally:
                    os.close(next_fd)
                followed += 1
                if not target or followed > _LINKS:
                    raise Untouched(f"{printable(below)} is a symlink")
                # There is no symlink in the path that led here, so its text tells where ".." leads.
                waiting += os.path.normpath(os.path.join(there, target)).split("/")[::-1]
                os.close(fd)
                fd, there, owner = os.open("/", _ENTER | os.O_DIRECTORY), "/", 0
                continue
            os.close(fd)
            fd, there = next_fd, below
            owner = _owner(status, owner, below)
        return Place(open_quietly(".", os.O_DIRECTORY, fd), there, owner)
    finally:
        os.close(fd)


def read_of_root(path: str, slow: t.Container[str], limit: int) -> bytes:
    """Return at most *limit* bytes of a regular file that only root can change, or put in place.

    A symlink of root leads to it as to a directory; distributions have some in /etc. slow: as for open_place.
    raises: Untouched; OSError.
    """
    for _link in range(_LINKS):
        directory, name = os.path.split(path)
        place = open_place(directory, slow)
        try:
            if place.owner:
                raise Untouched(f"{printable(place.path)} belongs to a user")
            path = os.path.join(place.path, name)
            link = os.open(name, _ENTER, dir_fd=place.fd)
            try:
                status = os.fstat(link)
                if not stat.S_ISLNK(status.st_mode):
                    return _content(name, place.fd, path, limit)
                path = os.path.normpath(os.path.join(place.path, _target(link, status, place.fd, path)))
            finally:
                os.close(link)
        finally:
            os.close(place.fd)
    raise Untouched(f"{printable(path)} is a symlink")


def _content(name: str, directory: int, path: str, limit: int) -> bytes:
    fd = open_quietly(name, os.O_NOFOLLOW | os.O_NONBLOCK, directory)  # opening a fifo would wait for a writer
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid or status.st_mode & 0o002:
            raise Untouched(f"{printable(path)} is not a file that only root can change")
        return file.read(limit)


def _target(link: int, status: os.stat_result, directory: int, path: str) -> str:
    """Return where a symlink leads. Raises Untouched if a user could have made it."""
    above = os.fstat(directory)
    if status.st_uid or above.st_uid or stat.S_IMODE(above.st_mode) & 0o022:
        raise Untouched(f"{printable(path)} is a symlink that a user can change")
    return os.readlink("", dir_fd=link)


def _owner(status: os.stat_result, owner: int, path: str) -> int:
    """Return whose word counts in a directory, below a directory of *owner*. Raises Untouched."""
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(20, os.strerror(20), path)
    others_write = stat.S_IMODE(status.st_mode) & 0o022 and not status.st_mode & stat.S_ISVTX
    if others_write and not owner and not status.st_uid:
        raise Untouched(f"other users can write to {printable(path)}")
    return owner or status.st_uid
