# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many layers in few words: one line a lineage, for the largest. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..layers.disk_usage import Linked, Tree
from ..state import LayerState

SHOWN = 8  # lineages; with ids as Docker makes them, status and summary are less than 4 KB of JSON


def summarize(layers: t.Iterable[LayerState], trees: t.Mapping[str, Tree] | None) -> dict[str, t.Any]:
    """Return the largest lineages, by bytes where these are known, or by layers; and what the others sum up to.

    A lineage is a layer without parent with all that is built on it.
    trees: what the layers' own files take, by id; None where nobody has looked.
    """
    found: dict[str, _Lineage] = {}
    for layer in layers:
        base = layer.lowers[-1] if layer.lowers else layer.id
        found.setdefault(base, _Lineage()).add(layer, trees)
    rows = {base: lineage.told(trees is not None) for base, lineage in found.items()}
    order = sorted(rows, key=lambda base: (-(rows[base]["bytes"] or 0), -rows[base]["layers"], base))
    others = _Lineage()
    for base in order[SHOWN:]:
        others.take(found[base])
    return {
        "lineages": [{"base": base, **rows[base]} for base in order[:SHOWN]],
        "others": {"lineages": len(order[SHOWN:]), **others.told(trees is not None)},
    }


class _Lineage:
    """The sums of a lineage. Files with several names are kept by inode number, until it is known who has the names."""

    def __init__(self) -> None:
        self._layers = self._depth = self._mounted = self._held = self._bytes = 0
        self._linked: dict[int, Linked] = {}

    def add(self, layer: LayerState, trees: t.Mapping[str, Tree] | None) -> None:
        """Count a layer."""
        self._layers += 1
        self._depth = max(self._depth, len(layer.lowers))
        self._mounted += layer.mounted
        self._held += bool(layer.holders)
        tree = (trees or {}).get(layer.id)
        if tree is not None:
            self._bytes += tree.bytes
            self._link(tree.linked)

    def take(self, other: _Lineage) -> None:
        """Count all of another lineage."""
        self._layers += other._layers
        self._depth = max(self._depth, other._depth)
        self._mounted += other._mounted
        self._held += other._held
        self._bytes += other._bytes
        self._link(other._linked)

    def told(self, measured: bool) -> dict[str, t.Any]:
        """Return the sums: bytes in all, each file once, and those that no file elsewhere shares."""
        alone = sum(file.bytes for file in self._linked.values() if file.names >= file.links)
        everything = sum(file.bytes for file in self._linked.values())
        return {
            "layers": self._layers,
            "depth": self._depth,
            "mounted": self._mounted,
            "held": self._held,
            "bytes": self._bytes + everything if measured else None,
            "bytes_exclusive": self._bytes + alone if measured else None,
        }

    def _link(self, linked: t.Mapping[int, Linked]) -> None:
        for inode, file in linked.items():
            known = self._linked.get(inode)
            self._linked[inode] = file._replace(names=file.names + known.names) if known else file
