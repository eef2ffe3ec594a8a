# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk space of a layer's own files. Reads no content, and changes no time. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat
import time
import typing as t

from ..._errors import printable
from ..._linux import xfs
from ..._linux.noatime import open_quietly
from ..._store.layout import VANISHED

BLOCK = 512  # bytes: the unit of st_blocks


class Usage(t.NamedTuple):
    """bytes: blocks allocated; apparent_bytes: sizes of regular files and symlinks; hard links count once in both."""

    bytes: int
    apparent_bytes: int
    inodes: int


class Linked(t.NamedTuple):
    """A file with several names. names: the names that were found. links: all its names. bytes: the space it takes."""

    names: int
    links: int
    bytes: int


class Tree(t.NamedTuple):
    """The space that the removal of a directory frees. linked: by inode number, files with names elsewhere, which stay.

    unread: in words, what could not be read, and why; "" for nothing. The sums are of what could be read.
    """

    bytes: int
    inodes: int
    linked: t.Mapping[int, Linked]
    unread: str = ""


class Moved(OSError):
    """A directory was moved while it was read (ESTALE). Filesystems also use this errno for broken files."""


def why_unread(error: OSError, path: str) -> str:
    """Return in words what could not be read, and why. path: the name if the error has no absolute path."""
    known = error.filename if isinstance(error.filename, str) and os.path.isabs(error.filename) else path
    return f"{printable(known)}: {error.strerror}"


def inode_bytes(directory: str) -> int:
    """Return the bytes that a removed inode frees beside its blocks, on the filesystem of *directory*. Raises OSError.

    Only XFS frees inodes, which take an eighth of a layer of small files. Other filesystems have fixed inode tables.
    """
    fd = open_quietly(directory, os.O_DIRECTORY)
    try:
        return xfs.inode_size(fd)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return 0
    finally:
        os.close(fd)


def tree_of(directory: str, per_inode: int = 0) -> Tree:
    """Return the space that the removal of *directory* frees, without files that have names elsewhere.

    per_inode: the result of inode_bytes. raises: as measure.
    """
    return _tree(_count(directory), per_inode)


def _tree(count: _Count, per_inode: int = 0) -> Tree:
    linked = {
        inode: file._replace(bytes=file.bytes + per_inode)
        for inode, file in count.linked.items()
        if file.names < file.links
    }
    everything = count.blocks * BLOCK + count.inodes * per_inode
    return Tree(everything - sum(file.bytes for file in linked.values()), count.inodes, linked, count.unread)


def measure(directory: str, deadline: float | None = None) -> tuple[Usage, Tree]:
    """Return the space of *directory* and all below it, and the result of tree_of, by one walk.

    Other filesystems that are mounted in the directory do not count.

    Only one directory is open at a time. Files that vanish meanwhile, or cannot be read, do not count.

    deadline: by time.monotonic(). What is not read by then counts as unread.
    raises: FileNotFoundError, NotADirectoryError if *directory* is missing; Moved if a directory was moved while it was
            read.
    """
    count = _count(directory, deadline)
    return Usage(count.blocks * BLOCK, count.size, count.inodes), _tree(count)


def _count(directory: str, deadline: float | None = None) -> _Count:
    count = _Count(directory)
    try:
        _walk(directory, count, deadline)
    except (Moved, *VANISHED):
        raise
    except OSError as error:
        count.miss(error)
    return count


def _walk(directory: str, count: _Count, deadline: float | None) -> None:
    fd = open_quietly(directory, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        top = os.fstat(fd)
        count.begin(top)
        way: list[tuple[os.stat_result, list[str]]] = [(top, count.add(fd))]
        while way:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "not measured in the time given", directory)
            names = way[-1][1]
            if names:
                below = count.enter(names.pop(), fd)
                if below is not None:
                    os.close(fd)
                    fd = below
                    way.append((os.fstat(fd), count.add(fd)))
                continue
            way.pop()
            if way:
                above = open_quietly("..", os.O_DIRECTORY, fd)
                os.close(fd)
                fd = above
                count.leave()
                if not os.path.samestat(os.fstat(fd), way[-1][0]):
                    raise Moved(errno.ESTALE, "a directory was moved while it was read", directory)
    finally:
        os.close(fd)


class _Count:
    """The sums so far. linked: files with several names, by inode number. unread: as in Tree."""

    def __init__(self, top: str) -> None:
        self.blocks = self.size = self.inodes = self._device = 0
        self.linked: dict[int, Linked] = {}
        self.unread = ""
        self._path = [top]  # of the directory that is open

    def begin(self, top: os.stat_result) -> None:
        """Count the top directory."""
        self.blocks, self.inodes, self._device = top.st_blocks, 1, top.st_dev

    def miss(self, error: OSError, *name: str) -> None:
        """Note what could not be read; only the first is kept."""
        self.unread = self.unread or why_unread(error, "/".join((*self._path, *name)))

    def enter(self, name: str, fd: int) -> int | None:
        """Open the directory *name* in *fd*; None if it cannot be opened."""
        try:
            below = open_quietly(name, os.O_DIRECTORY | os.O_NOFOLLOW, fd)
        except VANISHED:
            return None
        except OSError as error:
            self.miss(error, name)
            return None
        self._path.append(name)
        return below

    def leave(self) -> None:
        """Return to the directory above."""
        self._path.pop()

    def add(self, fd: int) -> list[str]:
        """Add the entries of the directory *fd*, and return the names of the directories among them."""
        directories: list[str] = []
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    if self._add(entry):
                        directories.append(entry.name)
        except OSError as error:
            self.miss(error)
        return directories

    def _add(self, entry: os.DirEntry[str]) -> bool:
        """Add an entry; return whether it is a directory to enter."""
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.miss(error, entry.name)
            return False
        if found.st_dev != self._device or not self._is_new(found):
            return False
        self.blocks += found.st_blocks
        self.inodes += 1
        if stat.S_ISDIR(found.st_mode):
            return True
        self.size += found.st_size
        return False

    def _is_new(self, found: os.stat_result) -> bool:
        if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
            return True
        known = self.linked.get(found.st_ino)
        names = known.names + 1 if known else 1
        self.linked[found.st_ino] = Linked(names, found.st_nlink, found.st_blocks * BLOCK)
        return known is None
