# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_layer: layers exist, or don't. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.layers.observe import look, require
from .._driver.layers.plan import check_wanted, plan_absent, plan_present
from .._driver.layers.state import StoreState, Wanted
from .._driver.plan import Plan
from .._driver.state import predictable, reported
from .._store.engine import refusing, store_foreign_error
from .._store.layout import check_home, check_id


class LayersTask:
    """Each layer of *wanted* is ``present``, ``committed`` or ``absent``."""

    layers: t.Sequence[str] = ()
    lengthy = False
    reading = False
    again = False

    def __init__(
        self,
        home: str,
        wanted: t.Sequence[Wanted],
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

    def observe(self) -> StoreState:
        """Read the layers asked about, those they are to stand on, and for a removal those on them."""
        if self._state == "absent":
            return look(self.home, self._ids, above=self._recursive, users=not self._force, removing=True)
        parents = [want.parent for want in self._wanted if want.parent]
        return look(self.home, [*self._ids, *parents], creating=True)

    def plan(self, have: StoreState, predicting: bool) -> Plan:
        """See Task."""
        if self._state == "absent":
            return plan_absent(self._ids, have, recursive=self._recursive, force=self._force)
        warnings = require(self.home, have.exists, predicting)
        with refusing(self.home, have.engine, "make or change layers"):
            plan = plan_present(self._wanted, have, sealed=self._state == "committed")
        if plan.actions and have.engine:
            raise store_foreign_error(self.home, have.engine, plan.actions[0].describe())
        return plan._replace(warnings=warnings)

    def root(self, have: StoreState) -> tuple[int, int]:
        """See Task."""
        return have.root

    def difference(self, before: StoreState, after: StoreState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return what changes: of the layers asked about, and those it takes along."""
        changed = {
            layer_id: (predictable(before.layers.get(layer_id)), predictable(after.layers.get(layer_id)))
            for layer_id in dict.fromkeys([*self._ids, *before.layers, *after.layers])
        }
        both = {layer_id: sides for layer_id, sides in changed.items() if sides[0] != sides[1]}
        return {id: sides[0] for id, sides in both.items()}, {id: sides[1] for id, sides in both.items()}

    def report(self, have: StoreState, after: StoreState, predicting: bool) -> dict[str, t.Any]:
        """Return the layers that are there, in the order asked."""
        found = [reported(self.home, after.layers[layer_id]) for layer_id in self._ids if layer_id in after.layers]
        return {"layers": found, "layer": found[0] if found else None} if self._single else {"layers": found}
