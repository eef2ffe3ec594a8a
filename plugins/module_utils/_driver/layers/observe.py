# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of the layers that a plan is about. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import Overlay2Error
from ..._linux.mountinfo import Snapshot
from ..state import LayerState
from ..store import Store
from .state import LayersState, LostLayer


def observe_for_change(store: Store, ids: t.Iterable[str]) -> LayersState:
    """Return the state of the layers *ids* to make or change, and what prevents the change.

    raises: what is_store() raises for a home that is not a store, StoreCorrupt, OSError.
    """
    from ..probe import features  # a run that removes layers does not need the features

    have = observe_layers(store, ids)
    layers = {layer_id: _with_writers_elsewhere(store, layer) for layer_id, layer in have.layers.items()}
    return have._replace(
        layers=layers,
        refusal=features.not_supported_error(store.features),
        quota=features.quota_not_supported_error(store.features),
        block=store.block if store.exists else have.block,
    )


def observe_for_removal(store: Store, ids: t.Iterable[str], *, above: bool, users: bool) -> LayersState:
    """Return the state of the layers *ids* to remove, damaged or not, and what needs or uses them.

    above:  also the state of all layers built on them.
    users:  look for processes that use them; costs a scan of /proc.
    raises: as observe_for_change.
    """
    asked = list(dict.fromkeys(ids))
    layers, children = _read(store, asked, store.salvage, above=above, by_any_name=True)
    have = _state(store, asked, layers)._replace(children=children)
    if not layers:
        return have
    return have._replace(
        users=_users_of(store, layers) if users else None,
        inside=mounted_in(store.home, layers, store.all_mounts),
        needed=_needed(store, layers) if store.owner else {},
        lost=() if store.owner else _lost(store),  # another engine records which layers it needs
    )


def observe_layers(store: Store, ids: t.Iterable[str], *, above: bool = False) -> LayersState:
    """Return the state of the layers *ids*; above: also of all layers built on them. Raises as observe_for_change."""
    asked = list(dict.fromkeys(ids))
    layers, children = _read(store, asked, store.layer, above=above)
    return _state(store, asked, layers)._replace(children=children)


def _read(
    store: Store,
    ids: t.Sequence[str],
    read: t.Callable[[str], LayerState | None],
    *,
    above: bool,
    by_any_name: bool = False,
) -> tuple[dict[str, LayerState], dict[str, tuple[str, ...]]]:
    """Return the layers that exist, by id, and the ids of their children where a plan needs them."""
    layers: dict[str, LayerState] = {}
    children: dict[str, tuple[str, ...]] = {}
    if not store.exists:
        return layers, children
    todo = list(ids)
    store.files.read_ahead(todo)
    for layer_id in todo:
        layer = read(layer_id) if layer_id not in layers else None
        if layer is None:
            continue
        layers[layer_id] = layer
        if above or by_any_name:
            children[layer_id] = store.children(layer_id, by_any_name=by_any_name)
        if above:
            todo += children[layer_id]
    return layers, children


def _state(store: Store, ids: t.Sequence[str], layers: dict[str, LayerState]) -> LayersState:
    settings = store.settings if store.exists else None
    return LayersState(
        home=store.home,
        exists=store.exists,
        layers=layers,
        children={},
        defaults=(settings.size, settings.inodes) if settings else (0, 0),
        engine=store.owner,
        strangers=frozenset(name for name in ids if name not in layers and os.path.lexists(f"{store.home}/{name}")),
    )


def _lost(store: Store) -> tuple[LostLayer, ...]:
    """Return the damaged layers that may be built on any other layer, each with how overlay2_repair repairs it."""
    from ..._store.lost import find_lost  # most stores have no damage, and each import is compiled on every host

    return tuple(LostLayer(one, store.files.mending.by_repair(one.damage)) for one in find_lost(store.files))


def _users_of(store: Store, layers: t.Collection[str]) -> dict[str, str]:
    from .users import users_of  # most runs do not need it, and each import is compiled on every host

    return users_of(store, layers)


def mounted_in(home: str, layers: t.Collection[str], known: Snapshot | None = None) -> dict[str, str]:
    """Return what is mounted in the directories of layers, but not on merged, in words, by id. Raises OSError.

    known: our own mounts; None to read them now.
    """
    from ..in_use import elsewhere  # as above

    return elsewhere.mounted_in(home, layers, known)


def _with_writers_elsewhere(store: Store, layer: LayerState) -> LayerState:
    """Return *layer*, marked writable if another mount namespace has an overlay with the layer as upper.

    Only held layers are checked: a program that mounts a layer without a holder of ours is responsible for its mount.
    Raises OSError.
    """
    if not layer.holders or layer.mounted or layer.marked or not layer.lowers:
        return layer
    from ..in_use.elsewhere import independent_mounts  # as above

    return layer._replace(writable=True) if independent_mounts(store.home, layer.id, store.all_mounts) else layer


def _needed(store: Store, layers: t.Mapping[str, LayerState]) -> dict[str, Overlay2Error]:
    from ..in_use.engine import removal_errors  # as above

    return removal_errors(store.files, store.owner or "", layers, store.all_mounts)
