# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the layers of a store by their chain ids. PRIVATE to the collection."""

from __future__ import annotations

import functools
import typing as t

from ..._errors import StoreCorrupt
from ..layers.images import layer_name
from ..state import LayerState
from ..store import Store


class ChainIndex:
    """Finds the layers of *store* by their chain ids. All layers are looked at only if a name does not tell, and once.

    Each method raises OSError; StoreCorrupt for a record of a newer format.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, chains: t.Sequence[str], top: str | None = None) -> tuple[LayerState, ...]:
        """Return the layers with these chain ids that the store has, base first. There are no gaps.

        A layer with a chain id lies on layers with the chain ids before. So the topmost one that is there is enough.

        top: a name that the topmost of the layers may have.
        """
        if top and self._chain_of(top) == chains[-1]:
            return self._whole(top)
        for place in reversed(range(len(chains))):
            name = layer_name(chains[place])
            if self._chain_of(name) == chains[place]:
                return self._whole(self._higher(chains[place + 1 :]) or name)
        return self._whole(self._higher(chains))

    def _higher(self, chains: t.Sequence[str]) -> str:
        """Return the topmost layer with one of these chain ids, by any name; "" if there is none."""
        return next((self._all[chain] for chain in reversed(chains) if chain in self._all), "") if chains else ""

    def _whole(self, top: str) -> tuple[LayerState, ...]:
        """Return a layer and all below, base first; none for ""."""
        found = self._store.layer(top) if top else None
        if found is None:
            return ()
        lowers = (self._store.layer(lower) for lower in reversed(found.lowers))
        return (*(lower for lower in lowers if lower), found)

    @functools.cached_property
    def _all(self) -> dict[str, str]:
        """The id of a layer, by chain id. Of several, the first by name."""
        found: dict[str, str] = {}
        for layer_id in sorted(self._store.files.ids):
            chain = self._chain_of(layer_id)
            if chain is not None:
                found.setdefault(chain, layer_id)
        return found

    def _chain_of(self, layer_id: str) -> str | None:
        """Return the chain id of a layer; None if there is no such layer, or its content is not known or damaged."""
        try:
            found = self._store.files.layer(layer_id)
            if found is None or found.record.diff_id is None:
                return None
            layer = self._store.layer(layer_id)
        except StoreCorrupt:
            return None
        return layer.chain_id if layer and not layer.lent else None
