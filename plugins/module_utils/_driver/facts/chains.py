# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the names in l/, link and lower files of a store contradict each other. Only read. PRIVATE."""

from __future__ import annotations

import typing as t

from ..._store.cures import cure
from ..._store.damage import Damage, unresolved
from ..._store.layer import Layer, Store
from ..._store.layout import LINK, LINKS, LOWER
from ..._store.links import misnamed
from ..._store.recognition import has_content
from .finding import Finding, Teller

_MANY = 3  # names in l/; when more are lost, one command for all of them


class Chains(Teller):
    """Tells of layers as they are told by each other. broken: ids of those whose own link or lower is damaged."""

    def __init__(self, store: Store, layers: t.Mapping[str, Layer], broken: t.Container[str]) -> None:
        super().__init__(store)
        self.layers = layers
        self.broken = broken
        self._content: dict[str | None, bool] = {}

    def of_links(self) -> t.Iterator[Finding]:
        """Yield where the layers' names in l/ and their link files contradict each other."""
        owners: dict[str, list[str]] = {}
        for layer in self.layers.values():
            if layer.link:
                owners.setdefault(layer.link, []).append(layer.id)
        astray = [
            (ids[0], found)
            for link, ids in owners.items()
            for found in (misnamed(self.home, ids[0], link, self.store.links.get(link)) if len(ids) == 1 else ())
        ]
        doubled = {link: sorted(ids) for link, ids in owners.items() if len(ids) > 1}
        lost = sum(found.code == "link_missing" for _unused, found in astray)
        for id, found in astray:
            at_once = found.code == "link_missing" and lost > _MANY and not doubled
            yield self.damaged(id, found, self.mending.all_names() if at_once else "")
        for link, ids in doubled.items():
            yield from self._doubled(link, ids)
        for link, target in self.store.links.items():
            if target is not None and target in self.layers and link not in owners and self.layers[target].link:
                yield self._second_name(link, target)

    def _doubled(self, link: str, ids: t.Sequence[str]) -> t.Iterator[Finding]:
        """Yield that several layers have one name: the cure is that of those to which it does not lead."""
        path = f"{LINKS}/{link}"
        message = f"the layers {', '.join(ids)} have the same name {path}"
        damage = {id: Damage("link_doubled", f"{self.home}/{id}/{LINK}", message) for id in ids}
        wrong = [id for id in ids if self.store.links.get(link) != id]
        hints = {id: f"layer {id}: {self.mending.hint(id, damage[id])}" for id in wrong}
        for id in ids:
            hint = hints.get(id) or "; ".join(hints.values())
            yield self.found("link_doubled", id, f"{id}/{LINK}", message, hint)

    def _second_name(self, link: str, target: str) -> Finding:
        path = f"{LINKS}/{link}"
        message = f"{path} leads to layer {target}, whose name it is not"
        needing = [id for id in self.layers if link in self.store.lower(id).names]
        if not needing:
            hint = cure(self.engine, "link_astray", f"rm {self.at(path)}", alone=True)
            return self.found("link_astray", link, path, message, hint)
        hint = f"leave it: it is what layer {min(needing)} knows {target} by, if that is what it is built on"
        return self.found("link_astray", link, path, message, hint)

    def of_lowers(self) -> t.Iterator[Finding]:
        """Yield the chains that lead nowhere, or not on as the parent's does."""
        for layer in self.layers.values():
            ids = [self._lower(layer.id, place, link) for place, link in enumerate(layer.lowers)]
            lost = next((link for link, id in zip(layer.lowers, ids) if id is None), None)
            if lost is not None:
                yield self.damaged(layer.id, unresolved(self.home, lost, self.store.links.get(lost)))
                continue
            parent = self.layers.get(ids[0] or "") if ids else None
            why = ""
            if len({layer.id, *ids}) <= len(ids):
                why = "its lower names a layer twice, or itself"
            elif parent is not None and parent.id not in self.broken and parent.lowers != layer.lowers[1:]:
                why = f"its lower does not go on as that of its parent {parent.id}"
            if why:
                yield self.damaged(layer.id, Damage("lower_malformed", f"{self.home}/{layer.id}/{LOWER}", why))

    def _lower(self, layer_id: str, place: int, link: str) -> str | None:
        """Return the id of a lower, which may be another store's; None where there is no content."""
        if self._leads_to_content(link):
            return self.store.links[link]
        lent = self.store.lenders.lower(layer_id, place, link)
        return lent and lent.id

    def _leads_to_content(self, link: str) -> bool:
        target = self.store.links.get(link)
        if target not in self._content:
            self._content[target] = target is not None and has_content(self.home, target)
        return self._content[target]
