# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the removal of one layer. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse, StoreCorrupt, printable
from ..plan import Action
from ..state import LayerState
from .actions import RemoveLayer
from .state import LayersState
from .unused import check_empty_of_mounts, check_unused


class Ways(t.NamedTuple):
    """Other ways that the module's options allow, for the end of a hint; "" if the module has no such option."""

    force: str = ""
    recursive: str = ""


NO_WAYS = Ways()


def plan_removal(
    layer: LayerState, have: LayersState, going: t.Collection[str], force: bool, ways: Ways = NO_WAYS
) -> list[Action]:
    """Return the actions that remove *layer*. Pure.

    going: ids of all layers that this run removes.
    force: unmount the layer and drop its holders first; remove it even if a damaged layer may be built on it.
    raises: LayerInUse, naming children, holders, mounts, processes; StoreCorrupt, naming a damaged layer.
    """
    check_empty_of_mounts(layer.id, have.inside, "remove")
    staying = [child for child in have.children.get(layer.id, ()) if child not in going]
    if staying:
        raise LayerInUse(
            f"layer {layer.id} has children: {', '.join(staying)}",
            hint="remove its children first" + ways.recursive,
            id=layer.id,
            children=staying,
        )
    if not force:
        check_unused(layer, have, "remove", ways.force)
        check_not_needed(layer, have, going, ways.force)
    actions: list[Action] = []
    if layer.holders or layer.mounted:
        from ..mounts.actions import DetachMount, DropHolders  # most layers that go are neither held nor mounted

    if layer.holders:
        actions.append(DropHolders(layer))
    if layer.mounted:
        actions.append(DetachMount(layer.id))
    return [*actions, RemoveLayer(layer)]


def check_not_needed(layer: LayerState, have: LayersState, going: t.Collection[str], or_else: str = "") -> None:
    """Raise StoreCorrupt if a damaged layer may be built on *layer*, and is not among the ids *going*.

    or_else: as for check_unused.
    """
    for lost, way in have.lost:
        mend = f"repair layer {lost.id} first" + (f": {way}" if way else "")
        if lost.id not in going and lost.may_be_on(layer.id, layer.lowers):
            raise StoreCorrupt(
                f"cannot remove layer {layer.id}: layer {lost.id} may be built on it, and is damaged:"
                f" {lost.damage.message}",
                hint=f"{mend}; or remove both layers in one run{or_else}",
                id=layer.id,
                damaged=lost.id,
                damage=lost.damage.code,
                path=printable(lost.damage.path),
            )
