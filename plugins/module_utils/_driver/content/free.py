# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that nothing uses the content of a layer. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse
from ..layers.observe import observe_for_removal
from ..layers.unused import check_empty_of_mounts, check_unused
from ..state import LayerState
from ..store import Store

_WHAT = "put back the content of"


def check_unmounted(store: Store, layer_id: str) -> None:
    """Raise LayerInUse if a layer, damaged or not, is in use, or a layer that is built on it. Raises OSError."""
    have = observe_for_removal(store, [layer_id], above=True, users=True)
    if layer_id not in have.layers:  # the layer was just removed, and the caller finds out
        return
    check_empty_of_mounts(layer_id, have.inside, _WHAT)
    check_unused(have.layers[layer_id], have, _WHAT)
    check_not_below_mounts(layer_id, have.layers)
    for other in have.users or {}:
        check_unused(have.layers[other], have, f"put back the content of layer {layer_id}, because of")


def check_not_below_mounts(layer_id: str, layers: t.Mapping[str, LayerState]) -> None:
    """Raise LayerInUse if one of *layers* that is built on a layer is mounted."""
    above = [other.id for other in layers.values() if layer_id in other.lowers and other.mounted]
    if above:
        raise LayerInUse(
            f"layer {layer_id} is a lower of mounted layers: {', '.join(sorted(above))}",
            hint="unmount them first",
            id=layer_id,
            mounted=sorted(above),
        )
