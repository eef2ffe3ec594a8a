# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two directory trees compared as moby compares them: the rules, and the naive diff's list of changes. PRIVATE.

Source: moby/go-archive ChangesDirs, ChangesSize. Unlike there a block device or a socket is no directory.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .walk import IS_DIRECTORY, Trail, children, entered, get_xattr, list_xattrs, lstat
from .xattr_ids import CAPABILITY

ADDED = "added"
MODIFIED = "modified"
DELETED = "deleted"

_CAPABILITY = os.fsdecode(CAPABILITY)


class Change(t.NamedTuple):
    """kind: ``added``, ``modified`` or ``deleted``; path: from the layer's root, ``b"/etc/passwd"``."""

    kind: str
    path: bytes


class TreeChanges(t.NamedTuple):
    """changes: sorted by the paths' bytes; size: bytes of what was added or modified, as Docker's ChangesSize."""

    changes: list[Change]
    size: int


def differs(old: os.stat_result, new: os.stat_result) -> bool:
    """Tell by moby's rule whether two inodes differ; of a directory, size and time mean nothing."""
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (new.st_mode, new.st_uid, new.st_gid, new.st_rdev):
        return True
    if stat.S_ISDIR(old.st_mode):
        return False
    return old.st_size != new.st_size or not _same_time(old.st_mtime_ns, new.st_mtime_ns)


def _same_time(old: int, new: int) -> bool:
    """Compare times in nanoseconds; one without a fraction may have lost it in a tar."""
    if old == new:
        return True
    return old // 10**9 == new // 10**9 and (old % 10**9 == 0 or new % 10**9 == 0)


def capability(node: int | bytes) -> bytes:
    """Return the file capability of an fd or a path, symlinks not followed; b"" for none. Raises OSError."""
    try:
        return get_xattr(node, _CAPABILITY)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return b""
        raise


def tree_changes(new: str | int, old: str | int | None) -> TreeChanges:
    """Return what the tree *new* has other than the tree *old*: the naive diff.

    new, old: a directory, by path or fd, as a mount shows it: overlayfs' own marks are ordinary files here. old=None
              is an empty one.
    A directory is ``modified`` also when only something in it changed. Below an added directory everything is listed,
    below a deleted one nothing. The roots themselves are not compared.
    raises: LayerInUse when a tree changes meanwhile; OSError.
    The working directory is another while this runs: a name in it costs half of a path through /proc.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_own_directory_kept())
        ours = stack.enter_context(Trail(new))
        comparison = _Comparison(ours, None if old is None else stack.enter_context(Trail(old)))
        comparison.run()
    comparison.changes.sort(key=lambda change: change.path)
    return TreeChanges(comparison.changes, comparison.size)


@contextlib.contextmanager
def _own_directory_kept() -> t.Iterator[None]:
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _capability_in(directory: int, name: bytes) -> bytes:
    """Return the file capability of *name* in *directory*, which becomes the working directory. Raises OSError."""
    os.fchdir(directory)
    return capability(name) if _CAPABILITY in list_xattrs(name) else b""  # most have none, and an exception costs more


class _Level:
    """A directory that both trails are in, or only ours if the old tree has none of that name.

    rest:     what lies in it and is still to be compared, in no order that matters.
    recorded: it is in the list of changes.
    """

    def __init__(self, path: bytes, has_old: bool, rest: list[tuple[bytes, int]], recorded: bool) -> None:
        self.path = path
        self.has_old = has_old
        self.rest = rest
        self.recorded = recorded


class _Comparison:
    def __init__(self, new: Trail, old: Trail | None) -> None:
        self.changes: list[Change] = []
        self.size = 0
        self._new = new
        self._old = old
        self._linked: set[tuple[int, int]] = set()
        self._levels: list[_Level] = []

    def run(self) -> None:
        """Compare all. A loop, not a recursion: trees may be deeper than Python's stack."""
        self._enter(b"", self._old is not None, True)
        while self._levels:
            level = self._levels[-1]
            if level.rest:
                name, kind = level.rest.pop()
                self._visit(level, name, kind)
                continue
            self._levels.pop()
            if self._levels:
                self._new.up()
                if level.has_old and self._old:
                    self._old.up()

    def _enter(self, path: bytes, has_old: bool, recorded: bool) -> None:
        """Begin with the directory the trails are in; what only the old one has is deleted."""
        found = children(self._new.fd)
        self._levels.append(_Level(path, has_old, found, recorded))
        if has_old and self._old:
            names = {name for name, _kind in found}
            for name, _kind in children(self._old.fd):
                if name not in names:
                    self._record(DELETED, path + b"/" + name)

    def _visit(self, level: _Level, name: bytes, kind: int) -> None:
        path = level.path + b"/" + name
        fd = self._new.fd
        st = lstat(name, path, fd)
        before = self._before(level, name)
        changed = before is None or differs(before, st) or self._capability_differs(name)
        if changed:
            self._record(MODIFIED if before else ADDED, path, st)
        if kind == IS_DIRECTORY:
            entered(self._new, name, path)
            if old := self._old if before and stat.S_ISDIR(before.st_mode) else None:
                entered(old, name, path)
            self._enter(path, old is not None, changed)

    def _before(self, level: _Level, name: bytes) -> os.stat_result | None:
        if not level.has_old or self._old is None:
            return None
        try:
            return os.stat(name, dir_fd=self._old.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _capability_differs(self, name: bytes) -> bool:
        return self._old is not None and _capability_in(self._new.fd, name) != _capability_in(self._old.fd, name)

    def _record(self, kind: str, path: bytes, st: os.stat_result | None = None) -> None:
        """Add a change; with it the directories it lies in have changed."""
        self.changes.append(Change(kind, path))
        for level in reversed(self._levels):
            if level.recorded:
                break
            level.recorded = True
            self.changes.append(Change(MODIFIED, level.path))
        if st is None or stat.S_ISDIR(st.st_mode):
            return
        if st.st_nlink > 1:
            if (st.st_dev, st.st_ino) in self._linked:
                return
            self._linked.add((st.st_dev, st.st_ino))
        self.size += st.st_size
