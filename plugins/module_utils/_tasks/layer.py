# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_layer: make, seal or remove layers. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.layers.observe import observe_for_change, observe_for_removal, observe_layers
from .._driver.layers.plan import check_wanted, plan_absent, plan_present
from .._driver.layers.state import LayersState, WantedLayer
from .._driver.plan import Plan
from .._driver.state import predictable, reported
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task, warnings_without_store
from .._store.engine import refusing, store_foreign_error
from .._store.layout import check_home, check_id


class LayersTask(Task[LayersState]):
    """Have each layer of *wanted* ``present``, ``committed`` or ``absent``."""

    def __init__(
        self,
        home: str,
        wanted: t.Sequence[WantedLayer],
        state: str,
        *,
        recursive: bool = False,
        force: bool = False,
        single: bool = False,
    ) -> None:
        self.home = check_home(home)
        self._single = single
        self._ids = [want.id for want in wanted]
        self._wanted = wanted
        self._state = state
        self._recursive = recursive
        self._force = force
        if state == "absent":
            for layer_id in self._ids:
                check_id(layer_id)
        else:
            check_wanted(wanted)

    def observe(self, store: Store, predicting: bool) -> LayersState:
        """Return the state of the wanted layers and their parents; for a removal, of the layers built on them."""
        if self._state == "absent":
            return observe_for_removal(store, self._ids, above=self._recursive, users=not self._force)
        parents = [want.parent for want in self._wanted if want.parent]
        return observe_for_change(store, [*self._ids, *parents])

    def plan(self, have: LayersState, predicting: bool) -> Plan[LayersState]:
        """See Task."""
        if self._state == "absent":
            return plan_absent(self._ids, have, recursive=self._recursive, force=self._force)
        warnings = warnings_without_store(self.home, have.exists, predicting)
        with refusing(self.home, have.engine, "make or change layers"):
            plan = plan_present(self._wanted, have, sealed=self._state == "committed")
        if plan.actions and have.engine:
            raise store_foreign_error(self.home, have.engine, plan.actions[0].describe())
        return plan.with_warnings(*warnings)

    def look_again(self, store: Store) -> Store:
        """See Task: the lock of the store was held all the time. A removal needs no second look."""
        return store.after_making()

    def observe_after(self, store: Store, plan: Plan[LayersState]) -> LayersState:
        """Return the state of the wanted layers. After a removal, return the planned state: nothing is left to read."""
        return plan.after if self._state == "absent" else observe_layers(store, self._ids)

    def difference(self, before: LayersState, after: LayersState) -> Sides:
        """Return the changes of the wanted layers, and of the layers that change with them."""
        changed = {
            layer_id: (predictable(before.layers.get(layer_id)), predictable(after.layers.get(layer_id)))
            for layer_id in dict.fromkeys([*self._ids, *before.layers, *after.layers])
        }
        both = {layer_id: sides for layer_id, sides in changed.items() if sides[0] != sides[1]}
        return {id: sides[0] for id, sides in both.items()}, {id: sides[1] for id, sides in both.items()}

    def report(self, outcome: Outcome[LayersState]) -> dict[str, t.Any]:
        """Return the existing layers, in the order of the parameter."""
        layers = outcome.after.layers
        found = [reported(self.home, layers[layer_id]) for layer_id in self._ids if layer_id in layers]
        return {"layers": found, "layer": found[0] if found else None} if self._single else {"layers": found}
