# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lay in a layer before a tar is unpacked over it, told from what that tar brings. PRIVATE to the collection.

The layer is a clone: its files are also files of the layer as it still is, and of other layers. So nothing of them is
ever changed. Where an entry changes one, the new tree gets a node of its own first.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .apply_root import Directory, Root
from .clone import unshare
from .walk import IS_DIRECTORY, Trail, below, lstat, walk


class Older:
    """Knows by path what the archive brought, and the directories it lies in. All else is older.

    It keeps a number of 64 bits for a path, however long that is. Two paths with one number would let a file stay that
    an opaque marker hides: among a million paths, once in ten million runs.
    """

    def __init__(self) -> None:
        self._brought = {hash(b"")}
        self._swept: set[int] = set()  # directories in which nothing is left that the archive did not bring
        self._linked: set[int] = set()  # older inodes that the archive gave a name
        self._names: dict[int, list[bytes]] | None = None  # of older inodes that have many, once they were looked for

    def is_brought(self, path: bytes) -> bool:
        """Tell whether the archive brought what is called *path*."""
        return hash(path) in self._brought

    def note(self, path: bytes) -> None:
        """Note that the archive brought *path*."""
        while hash(path) not in self._brought:
            self._brought.add(hash(path))
            path = path.rpartition(b"/")[0]

    def sweep(self, path: bytes) -> bool:
        """Note that nothing older is left in the directory *path*; return False if that was known."""
        above = path
        while above and hash(above) not in self._swept:
            above = above.rpartition(b"/")[0]
        if hash(above) in self._swept:
            return False
        self._swept.add(hash(path))
        return True

    def is_older_node(self, path: bytes, inode: int) -> bool:
        """Tell whether the file *path* has an inode that the archive did not bring, though perhaps its name."""
        return not self.is_brought(path) or inode in self._linked

    def note_link(self, target: bytes, path: bytes, inode: int) -> None:
        """Note that the archive gave the older inode of *target* another name."""
        self._linked.add(inode)
        if self._names is not None:
            self._names.setdefault(inode, [target]).append(path)

    def make_own(self, root: Root, place: Directory, name: bytes) -> None:
        """Give the tree of *root* a copy of the file *name* in *place*, under all names that this has in the tree.

        raises: OSError.
        """
        inode = os.stat(name, dir_fd=place.fd, follow_symlinks=False).st_ino
        if self._names is None:
            self._names = _names_of_inodes(root.top.fd)
        with _keep_time(place.fd):
            unshare(name, place.fd)
        for path in self._names.pop(inode, ()):
            parent, _unused, other = path.rpartition(b"/")
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # it is gone by now
                where = root.directory(parent, make=False)
                if os.stat(other, dir_fd=where.fd, follow_symlinks=False).st_ino == inode:
                    with _keep_time(where.fd):
                        os.unlink(other, dir_fd=where.fd)
                        os.link(name, other, src_dir_fd=place.fd, dst_dir_fd=where.fd, follow_symlinks=False)
        self._linked.discard(inode)


def _names_of_inodes(top: int) -> dict[int, list[bytes]]:
    """Return by inode the paths of those files below the directory *top* that have more than one name there."""
    seen: set[int] = set()
    found: dict[int, list[bytes]] = {}
    for _path, inode in _files(top):
        if inode in seen:
            found[inode] = []
        seen.add(inode)
    if found:
        for path, inode in _files(top):
            if inode in found:
                found[inode].append(path)
    return found


def _files(top: int) -> t.Iterator[tuple[bytes, int]]:
    with Trail(below(top, b".")) as trail:
        for path, name, kind in walk(trail):
            if kind != IS_DIRECTORY:
                yield path, lstat(name, path, trail.fd).st_ino


@contextlib.contextmanager
def _keep_time(fd: int) -> t.Iterator[None]:
    """Leave the time of a directory as it is: to its user nothing happens in it."""
    before = os.fstat(fd)
    yield
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
