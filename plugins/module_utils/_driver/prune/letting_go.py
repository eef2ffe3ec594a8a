# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which holders of layers a prune lets go, because they hold for too long. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..state import LayerState
from .state import PruneOptions, PruneState


class LettingGo(t.NamedTuple):
    """The holders of a layer that go.

    names:    of the holders.
    before:   the layer as it is.
    after:    the layer without these holders, and without its mount if no holder is left.
    volatile: the layer was mounted volatile in this boot, so that a sync is enough to remove its marker.
    """

    names: tuple[str, ...]
    before: LayerState
    after: LayerState
    volatile: bool = False

    @property
    def unmounts(self) -> bool:
        """Whether the mount goes."""
        return self.before.mounted and not self.after.mounted


def find_letting_go(wanted: PruneOptions, have: PruneState) -> dict[str, LettingGo]:
    """Return, by the id of the layer, which holders go. A layer that a process uses, or another run, loses none."""
    if wanted.drop_holders is None or have.engine or have.unclaimed:
        return {}
    found = {}
    for id, layer in have.found.items():
        ages = {name: layer.held.ages.get(name) for name in layer.layer.holders}
        old = [name for name, age in ages.items() if age is not None and age >= wanted.drop_holders]
        if not old or layer.users or layer.unread or id in have.working:
            continue
        staying = tuple(name for name in layer.layer.holders if name not in old)
        if not staying and layer.held.obstacle:
            continue
        mounted = layer.layer.mounted and bool(staying)
        after = layer.layer._replace(holders=staying, mounted=mounted, writable=layer.layer.writable and mounted)
        found[id] = LettingGo(tuple(sorted(old)), layer.layer, after, layer.held.volatile)
    return found
