# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two directory trees by moby's rules: the changes of the naive diff. PRIVATE to the collection.

Source: moby/go-archive ChangesDirs, ChangesSize. moby takes a block device or a socket for a directory; this does not.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .collected import ADDED, DELETED, MODIFIED, Counted
from .inode_diff import capability, differs
from .unseen import ignore_rule
from .walk import Ignored, Trail, children, enter, lstat

_BATCH = 1024  # names compared together: few enough for little memory, enough to change the working directory seldom


def tree_changes(new: str | int, old: str | int | None, changes: Counted, *, marker_files: bool = False) -> int:
    """Find the changes from the tree *old* to the tree *new*: the naive diff. Return the bytes of its files.

    new, old: a directory, by path or fd, as a mount shows it: whiteouts of overlayfs are ordinary files here. old=None
              means an empty directory.
    changes:  records the changes, in no order.
    marker_files: see export_layer.
    The bytes are those of added and modified files, as in Docker's ChangesSize.
    A directory is ``modified`` also if only its content changed. All files below an added directory are recorded, none
    below a deleted one. The roots themselves are not compared.
    raises: LayerInUse if a tree changes meanwhile; OSError.
    The working directory changes during the call: a name in it costs half as much as a path through /proc.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_keep_working_directory())
        ours = stack.enter_context(Trail(new))
        theirs = None if old is None else stack.enter_context(Trail(old))
        comparison = _Comparison(ours, theirs, changes, ignore_rule(True, marker_files))
        comparison.run()
    return comparison.size


@contextlib.contextmanager
def _keep_working_directory() -> t.Iterator[None]:
    """Restore the working directory at the end of the block."""
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _capabilities(directory: int, names: t.Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the file capabilities of *names* in *directory*, by name. Raises OSError.

    The directory becomes the working directory.
    """
    os.fchdir(directory)
    return {name: found for name in names if (found := capability(name))}


def _stats(directory: int, names: t.Iterable[bytes]) -> dict[bytes, os.stat_result]:
    """Return the stat of each of *names* that exists in *directory*. Raises OSError."""
    found = {}
    for name in names:
        try:
            st = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        found[name] = st
    return found


def _is_one_inode(old: os.stat_result, new: os.stat_result) -> bool:
    """Tell whether both are one unchanged inode of a layer. Each mount shows it under a device number of its own.

    Every change of an inode changes its ctime, which no program can set.
    """
    return old.st_ino == new.st_ino and old.st_ctime_ns == new.st_ctime_ns


class _Level:
    """A directory that both trails are in, or only the new tree's trail if the old tree lacks the directory.

    has_old:  the old tree has the directory too.
    rest:     the directories in it that are still to be entered, in any order: name, whether the old tree has the
              directory, whether the directory is recorded as a change.
    recorded: the directory is recorded as a change.
    """

    def __init__(self, path: bytes, has_old: bool, recorded: bool) -> None:
        self.path = path
        self.has_old = has_old
        self.rest: list[tuple[bytes, bool, bool]] = []
        self.recorded = recorded


class _Comparison:
    def __init__(self, new: Trail, old: Trail | None, changes: Counted, ignored: Ignored | None) -> None:
        self.size = 0
        self._changes = changes
        self._ignored = ignored
        self._new = new
        self._old = old
        self._linked: set[tuple[int, int]] = set()
        self._levels: list[_Level] = []

    def run(self) -> None:
        """Compare the trees. A loop, not a recursion: trees may be deeper than Python's stack."""
        self._compare(b"", self._old, True)
        while self._levels:
            level = self._levels[-1]
            if level.rest:
                self._enter(level, *level.rest.pop())
                continue
            self._levels.pop()
            if self._levels:
                self._new.up()
                if level.has_old and self._old:
                    self._old.up()

    def _enter(self, level: _Level, name: bytes, has_old: bool, recorded: bool) -> None:
        path = level.path + b"/" + name
        enter(self._new, name, path)
        old = self._old if has_old else None
        if old:
            enter(old, name, path)
        self._compare(path, old, recorded)

    def _compare(self, path: bytes, old: Trail | None, recorded: bool) -> None:
        """Compare the content of the trails' directory. path: its path; b"" for the root."""
        level = _Level(path, old is not None, recorded)
        self._levels.append(level)
        names = [name for name, _kind in children(self._new.fd, self._ignored)]
        if old:
            there = set(names)
            for name, _kind in children(old.fd, self._ignored):
                if name not in there:
                    self._record(DELETED, path + b"/" + name)
        for start in range(0, len(names), _BATCH):
            self._compare_some(level, names[start : start + _BATCH], old)

    def _compare_some(self, level: _Level, names: list[bytes], old: Trail | None) -> None:
        """Compare these *names* of the directory *level*."""
        found = {name: lstat(name, level.path + b"/" + name, self._new.fd) for name in names}
        before = _stats(old.fd, names) if old else {}
        changed = {name for name, st in found.items() if name not in before or differs(before[name], st)}
        if old:
            same = [name for name in names if name not in changed and not _is_one_inode(before[name], found[name])]
            ours, theirs = _capabilities(self._new.fd, same), _capabilities(old.fd, same)
            changed.update(name for name in same if ours.get(name) != theirs.get(name))
        for name, st in found.items():
            if name in changed:
                self._record(MODIFIED if name in before else ADDED, level.path + b"/" + name, st)
            if stat.S_ISDIR(st.st_mode):
                has_old = name in before and stat.S_ISDIR(before[name].st_mode)
                level.rest.append((name, has_old, name in changed))

    def _record(self, kind: str, path: bytes, st: os.stat_result | None = None) -> None:
        """Record a change, and each directory above as modified."""
        self._changes.record(kind, path)
        for level in reversed(self._levels):
            if level.recorded:
                break
            level.recorded = True
            self._changes.record(MODIFIED, level.path)
        if st is None or stat.S_ISDIR(st.st_mode):
            return
        if st.st_nlink > 1:
            if (st.st_dev, st.st_ino) in self._linked:
                return
            self._linked.add((st.st_dev, st.st_ino))
        self.size += st.st_size
