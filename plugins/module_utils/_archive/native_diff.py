# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the changes that a layer makes, from its upperdir and the lowers. PRIVATE to the collection.

moby mounts the layer and its parent and compares the two trees. All differences lie in the upperdir, so it is enough
to walk the upperdir and to look its names up in the lowers as overlayfs does: the cost depends on the size of the
upperdir, not of the image. moby's rule decides what counts as a change.
Source: moby/go-archive ChangesDirs; Linux Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .._errors import LayerInUse
from .collected import ADDED, DELETED, MODIFIED, Counted
from .inode_diff import capability, differs
from .unseen import has_marker_file, ignore_rule
from .walk import IS_DIRECTORY, IS_REGULAR, Trail, below, children, get_xattr, list_xattrs, lstat, walk
from .whiteouts import check_self_contained, is_opaque, is_whiteout, opaque_xattr

_OPEN_DIRECTORIES = 512  # the most at any depth; a process may have 1024 open files


def upper_changes(
    upper: str,
    lowers: t.Sequence[str],
    changes: Counted,
    *,
    userxattr: bool = False,
    marker_files: bool = False,
) -> None:
    """Find the changes that the upperdir *upper* makes to the merged *lowers* (nearest first).

    changes:      records the changes, in no order.
    marker_files: see export_layer.
    A directory is ``modified`` also if only its content changed. No file below a deleted directory is recorded.
    raises: NotSupported for redirect, metacopy and whiteouts by xattr; LayerInUse if the upperdir changes meanwhile;
            OSError.
    """
    keep = max(2, _OPEN_DIRECTORIES // (1 + len(lowers)))
    with contextlib.ExitStack() as stack:
        trail = stack.enter_context(Trail(upper, keep))
        below = [stack.enter_context(Trail(lower, keep)) for lower in lowers]
        comparison = _Comparison(trail, below, changes, userxattr, marker_files)
        for path, name, kind in walk(trail, ignored=ignore_rule(False, marker_files)):
            comparison.visit(path, name, kind)


def tree_size(upper: str | bytes, marker_files: bool = False) -> int:
    """Return Docker's DiffSize of the directory *upper*, in bytes.

    The size is the sum of the apparent sizes of all inodes that are not directories; the size of a symlink is the
    length of its target. The layer may be in use: files that vanish meanwhile do not count. Raises OSError.
    Source: moby pkg/directory Size.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    with Trail(upper) as trail:
        for path, name, kind in walk(trail, missing_ok=True, ignored=ignore_rule(False, marker_files)):
            if kind == IS_DIRECTORY:
                continue
            try:
                st = lstat(name, path, trail.fd)
            except LayerInUse:
                continue
            if st.st_nlink > 1:
                if (st.st_dev, st.st_ino) in seen:
                    continue
                seen.add((st.st_dev, st.st_ino))
            total += st.st_size
    return total


class _Level:
    """A directory of the upperdir on the path to the walk's position.

    lowers:   the lowers that make up this directory without the upperdir; each trail is in the directory.
    opaque:   the directory, or one above, hides the lowers.
    recorded: the directory is recorded as a change.
    """

    def __init__(self, path: bytes, lowers: list[Trail], opaque: bool, recorded: bool) -> None:
        self.path = path
        self.lowers = lowers
        self.opaque = opaque
        self.recorded = recorded


class _Found(t.NamedTuple):
    """A name in the merged lowers: its stat, and the lowers from the first one that has the name."""

    st: os.stat_result
    lowers: list[Trail]


class _Comparison:
    def __init__(
        self, trail: Trail, lowers: list[Trail], changes: Counted, userxattr: bool, marker_files: bool
    ) -> None:
        self._changes = changes
        self._trail = trail
        self._userxattr = userxattr
        self._marker_files = marker_files
        self._ignored = ignore_rule(False, marker_files)
        self._opaque = opaque_xattr(userxattr)
        self._levels = [_Level(b"", lowers, False, True)]  # the root is never a change and cannot be opaque

    def visit(self, path: bytes, name: bytes, kind: int) -> None:
        """Compare the walk's current file. To be called for every file, in the walk's order."""
        directory = kind == IS_DIRECTORY
        fd = self._trail.fd
        depth = self._trail.depth + (not directory)
        while len(self._levels) > depth:
            for lower in self._levels.pop().lowers:
                lower.up()
        st = os.fstat(fd) if directory else lstat(name, path, fd)
        old = self._lookup(self._levels[-1].lowers, name, path)
        if is_whiteout(st):
            if old:
                self._record(DELETED, path)
            return
        if directory:
            self._visit_directory(path, name, st, old)
            return
        node = below(fd, name)
        xattrs = list_xattrs(node, some=True)
        if kind == IS_REGULAR:
            check_self_contained(xattrs, path, False, self._userxattr)
        if not old or differs(old.st, st) or capability(node, xattrs) != capability(below(old.lowers[0].fd, name)):
            self._record(MODIFIED if old else ADDED, path)

    def _visit_directory(self, path: bytes, name: bytes, st: os.stat_result, old: _Found | None) -> None:
        fd = self._trail.fd
        xattrs = list_xattrs(fd, some=True)
        check_self_contained(xattrs, path, True, self._userxattr)
        lowers, before = self._enter(old, name, path)
        changed = not old or differs(old.st, st) or capability(fd, xattrs) != before
        if changed:
            self._record(MODIFIED if old else ADDED, path)
        opaque = self._levels[-1].opaque or self._is_opaque(fd, xattrs, path)
        self._levels.append(_Level(path, lowers, opaque, changed))
        if opaque:
            self._record_hidden(path)

    def _lookup(self, lowers: list[Trail], name: bytes, path: bytes) -> _Found | None:
        """Find *name* in the merged lowers; None if no lower has it, or a whiteout deletes it."""
        for index, lower in enumerate(lowers):
            try:
                st = os.stat(name, dir_fd=lower.fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if is_whiteout(st):
                return None
            if st.st_size == 0 and stat.S_ISREG(st.st_mode):  # the file may be a whiteout by xattr
                check_self_contained(list_xattrs(below(lower.fd, name), some=True), path, False, self._userxattr)
            return _Found(st, lowers[index:])
        return None

    def _enter(self, old: _Found | None, name: bytes, path: bytes) -> tuple[list[Trail], bytes]:
        """Enter the directory *name* in every lower whose directory is visible. Return these lowers.

        Also return the file capability of the nearest one.
        """
        merged: list[Trail] = []
        nearest = b""
        for lower in old.lowers if old else []:
            try:
                lower.down(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    break  # a whiteout or a file hides the directories of the lowers below
                raise
            xattrs = list_xattrs(lower.fd, some=True)
            check_self_contained(xattrs, path, True, self._userxattr)
            nearest = nearest if merged else capability(lower.fd, xattrs)
            merged.append(lower)
            if self._is_opaque(lower.fd, xattrs, path):
                break
        return merged, nearest

    def _is_opaque(self, fd: int, xattrs: list[str], path: bytes) -> bool:
        if self._opaque in xattrs and is_opaque(get_xattr(fd, self._opaque), path):
            return True
        return self._marker_files and has_marker_file(fd)

    def _record_hidden(self, path: bytes) -> None:
        """Record as deleted each name that the last level, an opaque directory, hides and does not have itself."""
        lowers = self._levels[-1].lowers
        names = {name for lower in lowers for name, _kind in children(lower.fd, self._ignored)}
        names.difference_update(map(os.fsencode, os.listdir(self._trail.fd)))
        for name in names:
            hidden = path + b"/" + name
            if self._lookup(lowers, name, hidden):
                self._record(DELETED, hidden)

    def _record(self, kind: str, path: bytes) -> None:
        """Record a change, and each directory above as modified."""
        self._changes.record(kind, b"/" + path)
        for level in reversed(self._levels):
            if level.recorded:
                break
            level.recorded = True
            self._changes.record(MODIFIED, b"/" + level.path)
