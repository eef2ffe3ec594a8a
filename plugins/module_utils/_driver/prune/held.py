# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads how layers are held: for how long, and what prevents that their mounts end. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store import holders
from ..state import LayerState
from ..store import Store
from .state import Held


def read_held(store: Store, layers: t.Iterable[LayerState], drop_after: int | None) -> dict[str, Held]:
    """Return how layers are held, by id; only of held layers. Raises OSError.

    drop_after: holders of this age, in seconds, may go; None for no holder.
    """
    if drop_after is None:
        return {}
    return {layer.id: _read_held(store, layer, drop_after) for layer in layers if layer.holders}


def _read_held(store: Store, layer: LayerState, drop_after: int) -> Held:
    ages = holders.ages(store.home, layer.id)
    if not all(age is not None and age >= drop_after for age in ages.values()):
        return Held(ages)
    from ..mounts.observe import observe_mount, with_obstacles  # few layers are held for so long

    have = with_obstacles(store, observe_mount(store, layer.id))
    obstacle = ""
    if have.below:
        obstacle = "there are mounts on it"
    elif have.copies:
        obstacle = "it is also mounted elsewhere"
    return Held(ages, obstacle, have.marker)
