# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's layers as a tree of bounded size. Pure. PRIVATE to the collection.

{"reasons": ["mounted", ...],
 "nodes": [[id, index of the parent or -1, goes (0 or 1), index of the reason, bytes, unused seconds,
            layers built on it and left out, their bytes, how many of them go], ...],
 "hidden": [layers left out that have no node below them, their bytes, how many of them go]}

Each node comes after its parent.
"""

from __future__ import annotations

import heapq
import typing as t

from ._values import count, mapping, text

ID = 255  # characters
REASON = 160
MOST = 2000  # greatest number of nodes, so that a record is never longer than _records.LONGEST


class Node(t.NamedTuple):
    """A layer. hidden: about the layers built on it and left out: their number, their bytes, how many of them go."""

    id: str
    parent: str
    goes: bool
    reason: str
    bytes: int
    unused: int
    hidden: tuple[int, int, int] = (0, 0, 0)


def nodes_of(layers: t.Iterable[t.Any]) -> list[Node]:
    """Return the layers in a result of overlay2_prune as nodes, each id once."""
    found = {}
    for layer in map(mapping, layers):
        node = Node(
            text(layer.get("id"), ID),
            text(layer.get("parent"), ID),
            layer.get("decision") == "remove",
            text(layer.get("reason"), REASON),
            count(layer.get("bytes_exclusive")) + count(layer.get("bytes_shared")),
            count(layer.get("unused_seconds")),
        )
        if node.id:
            found[node.id] = node
    return list(found.values())


def bound(nodes: t.Sequence[Node], limit: int, hidden: t.Sequence[int] = (0, 0, 0)) -> dict[str, t.Any]:
    """Return the tree with at most *limit* nodes: those with the most bytes in them and above, with their parents.

    hidden: the numbers of layers that an earlier call left out.
    """
    children: dict[str, list[Node]] = {}
    order = _parents_first(nodes, children)
    sums = {node.id: (1 + node.hidden[0], node.bytes + node.hidden[1], node.goes + node.hidden[2]) for node in nodes}
    for node in reversed(order):
        if node.parent in sums and node.parent != node.id:
            sums[node.parent] = _add(sums[node.parent], sums[node.id])
    waiting = [(-sums[node.id][1], node.id, node) for node in children.get("", ())]
    heapq.heapify(waiting)
    shown: list[Node] = []
    while waiting and len(shown) < limit:
        node = heapq.heappop(waiting)[2]
        shown.append(node)
        for child in children.get(node.id, ()):
            heapq.heappush(waiting, (-sums[child.id][1], child.id, child))
    left: dict[str, tuple[int, int, int]] = {}
    for _unused, id, node in waiting:
        left[node.parent] = _add(left.get(node.parent, (0, 0, 0)), sums[id])
    return _told(shown, left, hidden)


def trim(tree: t.Mapping[str, t.Any], limit: int) -> dict[str, t.Any]:
    """Return *tree*, a result of bound, cut to at most *limit* nodes."""
    ids = [row[0] for row in tree["nodes"]]
    nodes = [
        Node(
            row[0],
            ids[row[1]] if row[1] >= 0 else "",
            bool(row[2]),
            tree["reasons"][row[3]],
            row[4],
            row[5],
            (row[6], row[7], row[8]),
        )
        for row in tree["nodes"]
    ]
    return bound(nodes, limit, tree["hidden"])


def _parents_first(nodes: t.Sequence[Node], children: dict[str, list[Node]]) -> list[Node]:
    """Return the nodes, parents first, and fill *children* by the parent's id, "" for nodes without a known parent.

    A host can report parents that form a circle. Nodes of a circle count as nodes without parent.
    """
    known = {node.id for node in nodes}
    for node in nodes:
        children.setdefault(node.parent if node.parent in known else "", []).append(node)
    order = list(children.get("", ()))
    seen = {node.id for node in order}
    for node in order:
        for child in children.get(node.id, ()):
            if child.id not in seen:
                seen.add(child.id)
                order.append(child)
    for node in nodes:
        if node.id not in seen:
            children[node.parent].remove(node)
            alone = node._replace(parent="")
            children.setdefault("", []).append(alone)
            order.append(alone)
    return order


def _told(
    shown: t.Sequence[Node], left: t.Mapping[str, tuple[int, int, int]], hidden: t.Sequence[int]
) -> dict[str, t.Any]:
    places = {node.id: place for place, node in enumerate(shown)}
    reasons = {reason: place for place, reason in enumerate(dict.fromkeys(node.reason for node in shown))}
    rows = []
    for node in shown:
        more = _add(node.hidden, left.get(node.id, (0, 0, 0)))
        parent = places.get(node.parent, -1)
        rows.append([node.id, parent, int(node.goes), reasons[node.reason], node.bytes, node.unused, *more])
    top = [sums for parent, sums in left.items() if parent not in places]
    return {"reasons": list(reasons), "nodes": rows, "hidden": [sum(part) for part in zip(hidden, *top)]}


def _add(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
