# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a layer and of its content. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.engine import CONTAINERS_STORAGE
from ..._store.layout import DIFF
from ..._store.lock import layer_not_found_error
from ..._store.recognition import has_content, store_not_found_error
from ..layers.observe import observe_layers
from ..probe import features
from ..state import LayerState
from ..store import Store
from .diff import Difference
from .state import DiffState

if t.TYPE_CHECKING:
    from ..probe.features import Features


def observe_content(store: Store, layer_id: str, asked: t.Sequence[str]) -> DiffState:
    """Return the state of a layer, of the layers *asked* about, and of all layers that are built on them.

    raises: StoreNotFound, LayerNotFound, StoreCorrupt, OSError.
    """
    if not store.exists:
        raise store_not_found_error(store.home)
    layers = observe_layers(store, asked, above=True)
    for one in asked:
        if one not in layers.layers:
            raise layer_not_found_error(store.home, one)
        if not has_content(store.home, one):  # the content of a symlink is not that of the layer
            from ..._store.unusable import missing_directory  # few layers are damaged

            raise store.files.mending.error(missing_directory(one, store.path(one, DIFF), DIFF))
    layer = layers.layers[layer_id]
    return DiffState(layers, layer, store.settings, store.features, diff_id=layer.diff_id, digest=layer.digest)


def difference_of(store: Store, have: DiffState, parent: str | None, **how: t.Any) -> Difference:
    """Return the diff between the layer and another layer.

    parent: the id of the other layer; "" for an empty tree; None for the layer's own parent.
    how:    keyword arguments of Difference.
    raises: NotSupported if the comparison needs a mount that is not supported here.
    """
    layer = have.layer
    parent = layer.parent if parent is None else parent
    own = parent == layer.parent and have.features.native_overlay_diff is not False
    other = None
    if parent and parent == layer.parent:  # a parent is sealed, so its own mounts do not matter
        other = LayerState(parent, None, layer.lowers[1:])
    elif parent:
        other = have.layers.layers[parent]
    marker_files = have.layers.engine == CONTAINERS_STORAGE
    return compare(store.home, layer, other, have.features, own=own, marker_files=marker_files, **how)


def compare(
    home: str, layer: LayerState, other: LayerState | None, found: Features, *, own: bool, **how: t.Any
) -> Difference:
    """Return the diff between a layer and another one, None for an empty tree. Nothing of the layers is read yet.

    own:    the changes are those of the layer's upper directory alone. how: further keyword arguments of Difference.
    raises: NotSupported if the comparison needs a mount that is not supported here.
    """
    if (layer.lowers or other) and not own and (refusal := features.not_supported_error(found)):
        raise refusal
    options = features.mount_options(found)
    return Difference(home, layer, other, own=own, options=options, userxattr=bool(found.userxattr), **how)
