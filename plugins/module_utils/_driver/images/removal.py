# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that a store has no longer an image, and only those of its layers that something needs. Pure.

PRIVATE to the collection.
"""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse, StoreCorrupt
from ..._store.engine import store_foreign_error
from ..layers.actions import ForgetImage
from ..layers.removal import plan_removal
from ..plan import Action, Plan
from ..state import LayerState
from .state import RemovalState


def plan_absent(have: RemovalState) -> Plan[RemovalState]:
    """Plan that the record of an image is gone, and each of its layers that nothing else needs. Pure.

    The layers go from the top down, and the record last: a run that is killed leaves the record, so that the next run
    finds the layers that are left.

    raises: StoreForeign.
    """
    if have.record is None:
        told = f"the image may be one whose record cannot be read: {have.unread}"
        return Plan((), have, warnings=(told,) if have.unread else ())
    actions: list[Action] = []
    going: list[str] = []
    kept: dict[str, str] = {}
    for layer in reversed(have.found):
        reason, steps = _removal(layer, have, going)
        if reason:
            kept[layer.id] = reason
        else:
            going.append(layer.id)
            actions += steps
    actions.append(ForgetImage(have.record.image_id))
    if have.layers and have.layers.engine:
        raise store_foreign_error(have.home, have.layers.engine, actions[0].describe())
    after = RemovalState(have.home, have.exists, kept=kept)
    topmost = list(kept)[:1]  # the layers below stay because of this one
    told = f"no layer of the image is removed, because another image may need it: {have.unread}"
    return Plan(
        actions,
        after,
        warnings=(told,) if have.unread and have.found else (),
        must_be_free=sorted([*going, *topmost]),
    )


def _removal(layer: LayerState, have: RemovalState, going: t.Collection[str]) -> tuple[str, t.Sequence[Action]]:
    """Return why a layer stays, in words, or "" and the actions that remove it. going: the layers that go before."""
    if layer.id in have.others:
        return f"it is the top layer of image {have.others[layer.id]}", ()
    if have.unread:
        return "an image whose record cannot be read may need it", ()
    if have.layers is None or layer.id not in have.layers.layers:
        raise ValueError(f"nobody looked at layer {layer.id}")
    staying = [child for child in have.layers.children.get(layer.id, ()) if child not in going]
    if staying:
        more = f", and {len(staying) - 1} more" if len(staying) > 1 else ""
        return f"layer {staying[0]}, which stays, is built on it{more}", ()
    try:
        return "", plan_removal(have.layers.layers[layer.id], have.layers, going, force=False)
    except (LayerInUse, StoreCorrupt) as error:
        return str(error), ()
