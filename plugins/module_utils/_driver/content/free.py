# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that nothing uses the content of a layer. PRIVATE to the collection."""

from __future__ import annotations

from ..._errors import LayerInUse
from ..layers.observe import mounted_in
from ..layers.removal import check_empty_of_mounts, check_unused
from ..store import Store
from .observe import observe_content
from .state import DiffState

_WHAT = "put back the content of"


def check_unmounted(store: Store, layer_id: str) -> None:
    """Raise LayerInUse if a layer is in use, or a layer that is built on it is mounted. Raises as observe_content."""
    have = observe_content(store, layer_id, [layer_id])
    check_empty_of_mounts(layer_id, mounted_in(store.home, [layer_id]), _WHAT)
    check_unused(have.layer, have.layers, _WHAT)
    check_not_below_mounts(have)


def check_not_below_mounts(have: DiffState) -> None:
    """Raise LayerInUse if a layer that is built on the layer is mounted."""
    layer_id = have.layer.id
    above = [other.id for other in have.layers.layers.values() if layer_id in other.lowers and other.mounted]
    if above:
        raise LayerInUse(
            f"layer {layer_id} is a lower of mounted layers: {', '.join(sorted(above))}",
            hint="unmount them first",
            id=layer_id,
            mounted=sorted(above),
        )
