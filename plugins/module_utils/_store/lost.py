# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds damaged layers that may be built on any layer, so that no layer may be removed. Only read. PRIVATE."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import StoreCorrupt
from .damage import Damage
from .links import read_link
from .lower import recorded_parent

if t.TYPE_CHECKING:
    from .layer import LayerFiles
    from .lower import Lower


class Lost(t.NamedTuple):
    """A damaged layer. damage: what the layer has lost. on: ids of layers that it may be built on; None for any."""

    id: str
    damage: Damage
    on: frozenset[str] | None = None

    def may_be_on(self, layer_id: str, lowers: t.Collection[str]) -> bool:
        """Tell whether the damaged layer may be built on *layer_id*, which is built on *lowers*."""
        return self.id != layer_id and self.id not in lowers and (self.on is None or layer_id in self.on)


def find_lost(store: LayerFiles) -> t.Iterator[Lost]:
    """Yield the lost layers of a store, sorted by id. Raises OSError."""
    nowhere, nameless = _names_of_nobody(store)
    firsts = (lower.names[0] for lower in map(store.lower, store.ids) if len(lower.names) > 1)
    going_on = {store.links.get(link) for link in firsts}
    for id in sorted(store.ids):
        lower = store.lower(id)
        if lower.lost and lower.damage:
            yield Lost(id, lower.damage)
            continue
        denied = _denied(store, id, lower) if lower.whole and lower.names else None
        if denied:  # overlay2_repair believes the record
            yield Lost(id, denied, frozenset((denied.target, *store.chains.remaining(denied.target))))
        if id in going_on and not lower.names and not lower.damage:
            with contextlib.suppress(StoreCorrupt, FileNotFoundError, NotADirectoryError):
                layer = store.load(id)
                damage = store.lost_lower(layer) if layer else None
                if damage:
                    yield Lost(id, damage)
        for link in lower.names if nameless else ():
            if link in nowhere:
                from .unusable import unresolved  # few files are damaged, and each import is compiled on every host

                yield Lost(id, unresolved(store.home, id, link, None), nameless)
                break


def _denied(store: LayerFiles, layer_id: str, lower: Lower) -> Damage | None:
    """Return that our record of a layer names another parent than its lower file, None if it does not."""
    parent = recorded_parent(store.home, layer_id)
    if not parent or parent not in store.ids or store.links.get(lower.names[0]) == parent:
        return None
    with contextlib.suppress(StoreCorrupt, FileNotFoundError, NotADirectoryError):
        layer, _damage = store.examine(layer_id)
        return store.chains.denied(layer) if layer else None
    return None


def _names_of_nobody(store: LayerFiles) -> tuple[set[str], frozenset[str]]:
    """Return the names in lower files that no layer has, and the layers without a name: a name may belong to one."""
    nowhere = {link for id in store.ids for link in store.lower(id).names if store.links.get(link) is None}
    if not nowhere:
        return nowhere, frozenset()
    held = {id: read_link(store.home, id).name for id in store.ids}
    nowhere -= set(held.values())
    return nowhere, frozenset(id for id, link in held.items() if not link and not store.names_of(id))
