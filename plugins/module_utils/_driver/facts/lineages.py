# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of many layers by lineage. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..layers.disk_usage import Linked, Tree
from ..state import LayerState

SHOWN = 8  # lineages; with Docker's ids, status and summary then take less than 4 KB of JSON


def summarize(layers: t.Iterable[LayerState], trees: t.Mapping[str, Tree] | None) -> dict[str, t.Any]:
    """Return the largest lineages, and the sums of all others. Sizes decide if known, else numbers of layers.

    A lineage is a layer without parent, and all layers built on it.
    trees: the sizes of the layers' own files, by id; None if not measured.
    """
    found: dict[str, _Lineage] = {}
    for layer in layers:
        base = layer.lowers[-1] if layer.lowers else layer.id
        found.setdefault(base, _Lineage()).add(layer, trees)
    rows = {base: lineage.as_dict(trees is not None) for base, lineage in found.items()}
    order = sorted(rows, key=lambda base: (-(rows[base]["bytes"] or 0), -rows[base]["layers"], base))
    others = _Lineage()
    for base in order[SHOWN:]:
        others.merge(found[base])
    return {
        "lineages": [{"base": base, **rows[base]} for base in order[:SHOWN]],
        "others": {"lineages": len(order[SHOWN:]), **others.as_dict(trees is not None)},
    }


class _Lineage:
    """The sums of a lineage. Hard-linked files are kept by inode number: their other names may lie in other layers."""

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

    def merge(self, other: _Lineage) -> None:
        """Count all layers of another lineage."""
        self._layers += other._layers
        self._depth = max(self._depth, other._depth)
        self._mounted += other._mounted
        self._held += other._held
        self._bytes += other._bytes
        self._link(other._linked)

    def as_dict(self, measured: bool) -> dict[str, t.Any]:
        """Return the sums. bytes: each file once; bytes_exclusive: without files that have names elsewhere."""
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
