# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collectors of changes, which are found in no order: a count, the first ones, or all. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import printable
from .path_tree import PathTree

ADDED = "added"
MODIFIED = "modified"
DELETED = "deleted"

MAX_LISTED = 16 << 20  # bytes of the printable paths in a list of changes


class Change(t.NamedTuple):
    """One change. kind: ``added``, ``modified`` or ``deleted``; path: from the layer's root, ``b"/etc/passwd"``."""

    kind: str
    path: bytes


class Counted:
    """Counts changes. summary: the number of each kind."""

    def __init__(self) -> None:
        self.summary = {ADDED: 0, MODIFIED: 0, DELETED: 0}

    def record(self, kind: str, path: bytes) -> None:
        """Add a change; *path* is from the root, with a leading slash. The caller records each path once."""
        self.summary[kind] += 1


class First(Counted):
    """Keeps the first changes by the paths' bytes: at most *count*, and MAX_LISTED bytes of paths."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._found: list[tuple[bytes, str]] = []
        self._size = 0  # bytes of their paths
        self._end: bytes | None = None  # the first path that is left out; None if none is

    def record(self, kind: str, path: bytes) -> None:
        """See Counted."""
        self.summary[kind] += 1
        if self._end is not None and path >= self._end:
            return
        self._found.append((path, kind))
        self._size += len(path)
        if len(self._found) > 2 * self._count or self._size > 2 * MAX_LISTED:
            self._cut()

    def listed(self) -> list[dict[str, str]]:
        """Return the changes as results show them: kind, and the path as text."""
        self._cut()
        return [{"kind": kind, "path": printable(path)} for path, kind in self._found]

    @property
    def truncated(self) -> bool:
        """Whether changes were left out; correct after listed()."""
        return self._end is not None

    def _cut(self) -> None:
        """Drop the changes beyond the limits. record() calls this at twice a limit, so that sorting is rare."""
        self._found.sort()
        self._size = size = kept = 0
        for path, _kind in self._found[: self._count]:
            size += len(printable(path).encode())
            if size > MAX_LISTED:
                break
            self._size += len(path)
            kept += 1
        if kept < len(self._found):
            self._end = self._found[kept][0]
            del self._found[kept:]


class Ordered(Counted):
    """Keeps all changes, and yields them sorted by the paths' bytes. Memory holds each name once, not each path."""

    def __init__(self) -> None:
        super().__init__()
        self._tree = PathTree()

    def record(self, kind: str, path: bytes) -> None:
        """See Counted."""
        self.summary[kind] += 1
        self._tree.at(path[1:]).value = kind

    def __iter__(self) -> t.Iterator[Change]:
        """Yield the changes in order."""
        for path, node in self._tree:
            if node.value is not None:
                yield Change(node.value, b"/" + path)
