# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of chains: what is wrong with a layer, judged by its name in l/, its lowers and its children. PRIVATE.

The only reader of these rules: the store's errors, health, prune and absent use the same damage. Nothing is changed.
"""

from __future__ import annotations

import typing as t

from .._errors import StoreCorrupt
from .damage import Damage
from .layout import DIFF, LINKS, LOWER
from .links import link_target, misnamed
from .lower import valid_parent
from .recognition import has_content, is_directory

if t.TYPE_CHECKING:
    from .layer import Layer, LayerFiles


class Below(t.NamedTuple):
    """The layers below a layer. ids: nearest first; empty if a name leads nowhere. damage: what is wrong with them."""

    ids: tuple[str, ...]
    damage: Damage | None = None


class Chains:
    """Follows the names in the link and lower files of *store*, each name once."""

    def __init__(self, store: LayerFiles) -> None:
        self._store = store
        self._targets: dict[str, str | None] = {}
        self._content: dict[str, bool] = {}
        self._followed: dict[tuple[str, ...], tuple[str, ...]] = {}  # by names in l/: the ids, all in this store

    def leads_to(self, link: str) -> str | None:
        """Return where l/*link* leads, as link_target says."""
        if link not in self._targets:
            listed = vars(self._store).get("links")  # read already, or not needed for one name
            self._targets[link] = link_target(self._store.home, link) if listed is None else listed.get(link)
        return self._targets[link]

    def misnamed(self, layer: Layer) -> Damage | None:
        """Return what is wrong with the name of *layer* in l/, None if all is right. Raises OSError."""
        target = self.leads_to(layer.link)
        if target == layer.id:
            return None
        return misnamed(self._store.home, layer.id, layer.link, target, self._store.link_of)

    def lost_lower(self, layer: Layer) -> Damage | None:
        """Return that a layer has lost its lower, if only its children know: all of them name layers below it.

        raises: OSError.
        """
        if layer.lowers or layer.record.parent is not None:
            return None
        children = self._store.children.get(layer.link, ())
        if not children or any(len(self._store.lower(child).names) < 2 for child in children):
            return None
        path = self._store.path(layer.id, LOWER)
        return Damage("lower_missing", layer.id, path, "children_go_on", target=children[0])

    def below(self, layer: Layer) -> Below:
        """Return the layers below *layer*. Raises OSError.

        A lower is damage if its name leads to no content, if a layer is in the chain twice, or if the chain does not go
        on as the parent's: the kernel would mount such a chain.
        """
        rest = self._followed.get(layer.lowers[1:], ())  # the same names as those of the parent, which was read before
        ids: list[str] = []
        for place, link in enumerate(layer.lowers[:1] if rest else layer.lowers):
            found = self._lower(layer.id, place, link)
            if found is None:
                from .unusable import unresolved  # few files are damaged, and each import is compiled on every host

                return Below((), unresolved(self._store.home, layer.id, link, self.leads_to(link)))
            ids.append(found)
        ids += rest
        found_ids = tuple(ids)
        # Which layer another store lends depends on the place.
        if not self._store.lent or self._store.lent.keys().isdisjoint(ids):
            self._followed[layer.lowers] = found_ids
        damage = None
        if len({layer.id, *ids}) <= len(ids):
            damage = Damage("lower_malformed", layer.id, self._store.path(layer.id, LOWER), "lower_twice")
        elif ids and self._is_cut(layer, ids[0]):
            path = self._store.path(layer.id, LOWER)
            damage = Damage("lower_malformed", layer.id, path, "lower_cut", target=ids[0])
        return Below(found_ids, damage or self.denied(layer))

    def remaining(self, layer_id: str) -> tuple[str, ...]:
        """Return what a damaged layer is built on, as far as known: ids, and "l/<name>" for a name that leads nowhere.

        The names in its lower file count, or the parent in our record. Raises OSError.
        """
        lower = self._store.lower(layer_id)
        if not lower.parent:
            found = [self.leads_to(name) or f"{LINKS}/{name}" for name in lower.names]
        else:
            found = [lower.parent, *self._of_parent(lower.parent)]
        return tuple(id for id in dict.fromkeys(found) if id != layer_id)

    def _of_parent(self, parent_id: str) -> tuple[str, ...]:
        """Return the layers below a parent; none if the parent is damaged or cannot be read."""
        try:
            parent = self._store.sound(parent_id)
            below = self.below(parent) if parent else Below(())
        except (StoreCorrupt, OSError):
            return ()
        return () if below.damage else below.ids

    def _lower(self, layer_id: str, place: int, link: str) -> str | None:
        """Return the id of a lower, which another store may have; None if l/*link* leads to no content."""
        found = self.leads_to(link)
        if found is not None and self._has_content(found):
            return found
        lent = self._store.lenders.lower(layer_id, place, link)
        if lent is None:
            return None
        self._store.lent[lent.id] = lent.path
        return lent.id

    def _has_content(self, layer_id: str) -> bool:
        if layer_id not in self._content:
            store = self._store
            known = store.is_known(layer_id)
            found = is_directory(store.path(layer_id, DIFF)) if known else has_content(store.home, layer_id)
            self._content[layer_id] = found
        return self._content[layer_id]

    def denied(self, layer: Layer) -> Damage | None:
        """Return that our record of a layer denies its lower file, None if it does not. Raises OSError.

        A record tells nothing if it names a layer that does not exist: a person has renamed the parent's directory. Nor
        does the record of another layer.
        """
        parent = valid_parent(layer.record.parent)
        if not layer.lowers or parent is None or parent == self.leads_to(layer.lowers[0]):
            return None
        if layer.record.link not in (None, layer.link) and self.leads_to(layer.link) == layer.id:
            return None
        path = self._store.path(layer.id, LOWER)
        if not parent:
            return Damage("lower_malformed", layer.id, path, "recorded_none")
        try:
            found, _damage = self._store.examine(parent)
        except StoreCorrupt:
            return None
        if found is None or found.link == layer.lowers[0]:
            return None  # its name in l/ leads elsewhere, and that is damage of the parent
        return Damage("lower_malformed", layer.id, path, "recorded_other", target=parent)

    def _is_cut(self, layer: Layer, parent_id: str) -> bool:
        """Tell whether a lower differs from its parent's. A damaged parent is not the fault of the layers above."""
        try:
            parent = self._store.sound(parent_id)
        except StoreCorrupt:
            return False
        return parent is not None and parent.lowers != layer.lowers[1:]
