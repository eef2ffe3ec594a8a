# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads all layers of a store, and yields all their damage as data. Only read. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import StoreCorrupt
from .damage import Damage
from .layout import COMMITTED, DIFF, LINK, LINK_NAME, LINKS, WORK
from .links import misnamed
from .recognition import has_content, is_directory
from .unusable import missing_directory

if t.TYPE_CHECKING:
    from .layer import Layer, LayerFiles


class Survey(t.NamedTuple):
    """layers: those that can be read, by id. unread: why our record of a layer cannot be read, by id."""

    layers: dict[str, Layer]
    unread: dict[str, StoreCorrupt]
    damage: list[Damage]


def survey(store: LayerFiles) -> Survey:
    """Return all layers of a store and all their damage, with several faults of one layer. Raises OSError."""
    found = Survey({}, {}, [])
    found.damage.extend(_of_files(store, found))
    broken = {damage.layer for damage in found.damage if damage.code not in ("diff_missing", "work_missing")}
    for layer in found.layers.values():
        lost = store.lost_lower(layer) if layer.id not in broken else None
        if lost:
            found.damage.append(lost)
    found.damage.extend(_of_names(store, found.layers))
    found.damage.extend(_of_records(store, found.layers))
    for layer in found.layers.values():
        below = store.chains.below(layer)
        if below.damage:
            found.damage.append(below.damage)
    return found


def _of_files(store: LayerFiles, found: Survey) -> t.Iterator[Damage]:
    """Read the layers into *found*, and yield what is damaged in each by itself."""
    for id in store.ids:
        try:
            layer, damage = store.examine(id)
        except StoreCorrupt as error:
            found.unread[id] = error
            continue
        if layer is None:
            continue
        found.layers[id] = layer
        yield from damage
        if not has_content(store.home, id):
            yield missing_directory(id, store.path(id, DIFF), DIFF)
        if layer.lowers and not is_directory(store.path(id, WORK)):
            yield missing_directory(id, store.path(id, WORK), WORK)


def _of_records(store: LayerFiles, layers: t.Mapping[str, Layer]) -> t.Iterator[Damage]:
    """Yield what our records deny, where the files of a layer look sound; Chains has what they deny of chains."""
    links = {layer.link for layer in layers.values()}
    for layer in layers.values():
        name = layer.record.link
        if layer.record.committed and not layer.marked and layer.link not in store.children:
            yield Damage("committed_missing", layer.id, store.path(layer.id, COMMITTED), "recorded_sealed")
        if not name or not layer.link or name == layer.link or not LINK_NAME.fullmatch(name):
            continue
        if store.links.get(layer.link) == layer.id and (name in links or _is_missed(store, name)):
            path = store.path(layer.id, LINK)
            yield Damage("link_astray", layer.id, path, "recorded_name", layer.link, detail=name)


def _is_missed(store: LayerFiles, name: str) -> bool:
    """Tell whether a lower file holds a name that leads to no layer."""
    return store.links.get(name) not in store.ids and any(name in store.lower(id).names for id in store.ids)


def _of_names(store: LayerFiles, layers: t.Mapping[str, Layer]) -> t.Iterator[Damage]:
    """Yield where the names in l/ and the link files of the layers contradict each other."""
    owners: dict[str, list[str]] = {}
    for layer in layers.values():
        if layer.link:
            owners.setdefault(layer.link, []).append(layer.id)
    for link, ids in owners.items():
        target = store.links.get(link)
        if len(ids) == 1:
            damage = misnamed(store.home, ids[0], link, target, store.link_of)
            if damage:
                yield damage
            continue
        for id in ids:
            yield Damage(
                "link_doubled", id, store.path(id, LINK), "same_name", link, target or "", others=tuple(sorted(ids))
            )
    for link, target in store.links.items():
        if target is not None and target in layers and link not in owners and layers[target].link:
            needing = tuple(id for id in layers if link in store.lower(id).names)
            path = store.path(LINKS, link)
            yield Damage("link_astray", target, path, "second_name", link, target, others=needing)
