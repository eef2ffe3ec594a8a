# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the subsets of overlay2_facts about layers share: the layers, and what could not be read. PRIVATE."""

from __future__ import annotations

import functools
import typing as t

from ..._errors import StoreCorrupt
from ..._store.layout import VANISHED
from ..probe.problems import Problem, damaged_layers, unread_layer
from ..state import LayerState
from ..store import Store

if t.TYPE_CHECKING:
    from ..layers.disk_usage import Tree


class Details:
    """The layers of a store, as facts tell them.

    features: the facts of the subset status. only: the ids of the layers to tell; None for all.
    problems: what gathering found. trees: what usage_of() measured, by layer; None without it.
    """

    def __init__(self, store: Store, features: t.Mapping[str, t.Any], only: t.Sequence[str] | None) -> None:
        self.home = store.home
        self.store = store
        self.features = features
        self.only = only
        self.trees: dict[str, Tree] | None = None
        self.problems: list[Problem] = []

    def all_layers(self) -> tuple[list[str], list[LayerState]]:
        """Return the ids of all layers, and those layers that can be read. A container needs layers beside *only*."""
        details = self if self.only is None else Details(self.store, self.features, None)
        return details.ids, details.layers

    def tells(self, id: str) -> bool:
        """Tell whether the facts are about a layer."""
        return self.only is None or id in self.only

    def miss(self, id: str, error: OSError) -> None:
        """Note *error* as the problem of a layer."""
        from ..layers.disk_usage import why_unread  # few layers cannot be read, and each import is compiled

        self.unread(id, why_unread(error, f"{self.home}/{id}"))

    def unread(self, id: str, why: str) -> None:
        """Note that a layer cannot be read. Several subsets may find the same problem: keep it once."""
        problem = unread_layer(id, why)
        if problem not in self.problems:
            self.problems.append(problem)

    @functools.cached_property
    def layers(self) -> list[LayerState]:
        """The layers. A damaged layer is left out, and becomes a problem."""
        found = []
        damaged = []
        self.store.files.read_ahead(self.ids)
        for id in self.ids:
            try:
                layer = self.store.layer(id)
            except StoreCorrupt:
                damaged.append(id)
                continue
            except VANISHED:
                continue
            except OSError as error:
                self.miss(id, error)
                continue
            if layer is not None:
                found.append(layer)
        self.problems += damaged_layers(damaged)
        return found

    @functools.cached_property
    def ids(self) -> list[str]:
        """The ids of the layers, sorted; those of *only* in its order."""
        if not self.features["exists"]:
            return []
        try:
            there = self.store.files.ids
        except VANISHED:
            return []
        return sorted(there) if self.only is None else [id for id in dict.fromkeys(self.only) if id in there]
