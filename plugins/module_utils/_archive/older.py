# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the older files of a layer from the files of the tar that is unpacked over them. PRIVATE to the collection.

The layer is a clone: its files are hard links to the files of the original layer and of other layers. So an older inode
is never changed. If an entry changes an older file, the new tree first gets an inode of its own.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .apply_root import Directory, Root
from .clone import unshare
from .walk import IS_DIRECTORY, Trail, below, lstat, walk


class Older:
    """Keeps the paths that the archive brought, and the directories above them. All other paths are older.

    Memory holds a hash of 64 bits for a path of any length. If two paths have one hash, an older file may stay that an
    opaque marker hides: among a million paths, once in ten million runs.
    """

    def __init__(self) -> None:
        self._brought = {hash(b"")}
        self._swept: set[int] = set()  # directories without older files
        self._linked: set[int] = set()  # older inodes that the archive gave another name
        self._names: dict[int, list[bytes]] | None = None  # by older inode with several names; None: not searched yet

    def is_brought(self, path: bytes) -> bool:
        """Tell whether the archive brought *path*."""
        return hash(path) in self._brought

    def note(self, path: bytes) -> None:
        """Note that the archive brought *path*."""
        while hash(path) not in self._brought:
            self._brought.add(hash(path))
            path = path.rpartition(b"/")[0]

    def sweep(self, path: bytes) -> bool:
        """Note that the directory *path* has no older files; return False if this was known."""
        above = path
        while above and hash(above) not in self._swept:
            above = above.rpartition(b"/")[0]
        if hash(above) in self._swept:
            return False
        self._swept.add(hash(path))
        return True

    def is_older_node(self, path: bytes, inode: int) -> bool:
        """Tell whether the inode of the file *path* is older, even if the archive brought the name."""
        return not self.is_brought(path) or inode in self._linked

    def note_link(self, target: bytes, path: bytes, inode: int) -> None:
        """Note that the archive gave the older inode of *target* the name *path*."""
        self._linked.add(inode)
        if self._names is not None:
            self._names.setdefault(inode, [target]).append(path)

    def make_own(self, root: Root, place: Directory, name: bytes) -> None:
        """Replace the file *name* in *place*, under all its names in the tree of *root*, by a copy with a new inode.

        raises: OSError.
        """
        inode = os.stat(name, dir_fd=place.fd, follow_symlinks=False).st_ino
        if self._names is None:
            self._names = _names_of_inodes(root.top.fd)
        with _keep_time(place.fd):
            unshare(name, place.fd)
        ours = place.child(name)  # its new inode may have the number of the old one, if that had no name left
        for path in self._names.pop(inode, ()):
            if path == ours:
                continue
            parent, _unused, other = path.rpartition(b"/")
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # the archive removed the name meanwhile
                where = root.directory(parent, make=False)
                if os.stat(other, dir_fd=where.fd, follow_symlinks=False).st_ino == inode:
                    with _keep_time(where.fd):
                        os.unlink(other, dir_fd=where.fd)
                        os.link(name, other, src_dir_fd=place.fd, dst_dir_fd=where.fd, follow_symlinks=False)
        self._linked.discard(inode)


def _names_of_inodes(top: int) -> dict[int, list[bytes]]:
    """Return, by inode, the paths of the files that have several names below the directory *top*."""
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
    """Restore the time of a directory after the block: for the user, its content does not change."""
    before = os.fstat(fd)
    yield
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
