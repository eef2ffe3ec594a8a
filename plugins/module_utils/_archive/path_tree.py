# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many paths in little memory: each directory's name is stored once. PRIVATE to the collection.

A path may have 64 KiB, so a list of 4,000 files in one deep directory would take 256 MiB.
"""

from __future__ import annotations

import typing as t


class Node:
    """A path in a PathTree.

    above: the node of its directory; None for the root. below: the nodes in it, by name; None if there are none.
    value: set by the caller.
    """

    __slots__ = ("above", "below", "name", "value")

    def __init__(self, name: bytes, above: Node | None) -> None:
        self.name = name
        self.above = above
        self.below: dict[bytes, Node] | None = None
        self.value: str | None = None

    def child(self, name: bytes) -> Node:
        """Return the node of *name* in this directory, made if it is new."""
        if self.below is None:
            self.below = {}
        node = self.below.get(name)
        if node is None:
            node = self.below[name] = Node(name, self)
        return node

    @property
    def path(self) -> bytes:
        """The path from the root, with slashes between the names."""
        names = []
        node: Node | None = self
        while node is not None and node.above is not None:
            names.append(node.name)
            node = node.above
        return b"/".join(reversed(names))


class PathTree:
    """Paths relative to one root, without leading or trailing slash. Fastest if each path is near the path before."""

    def __init__(self) -> None:
        self.root = Node(b"", None)
        self._directory = b""  # the directory of the last path
        self._way = [self.root]  # the nodes from the root to that directory

    def at(self, path: bytes) -> Node:
        """Return the node of *path*, made if it is new."""
        directory, _slash, name = path.rpartition(b"/")
        if directory != self._directory:
            self._go(directory)
        return self._way[-1].child(name)

    def _go(self, directory: bytes) -> None:
        names = directory.split(b"/") if directory else []
        common = 0
        for node, name in zip(self._way[1:], names):
            if node.name != name:
                break
            common += 1
        del self._way[common + 1 :]
        for name in names[common:]:
            self._way.append(self._way[-1].child(name))
        self._directory = directory

    def __iter__(self) -> t.Iterator[tuple[bytes, Node]]:
        """Yield (path, node) of all paths except the root, sorted by the paths' bytes: ``a-b`` before ``a/b``."""
        levels = [(b"", _in_order(self.root))]
        while levels:
            prefix, rest = levels[-1]
            for key, node in rest:
                if not key.endswith(b"/"):
                    yield prefix + key, node
                else:
                    levels.append((prefix + key, _in_order(node)))
                    break
            else:
                levels.pop()


def _in_order(directory: Node) -> t.Iterator[tuple[bytes, Node]]:
    """Return the nodes in *directory*, sorted by key. A node with content has two keys: name, and name with slash."""
    below = directory.below or {}
    keys = [*below.items(), *((name + b"/", node) for name, node in below.items() if node.below)]
    return iter(sorted(keys, key=lambda item: item[0]))
