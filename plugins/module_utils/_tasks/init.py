# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_init: make, unmount or remove a store. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.facts import status
from .._driver.plan import Plan
from .._driver.store import Store
from .._driver.stores.observe import observe_absent, observe_present, observe_unmounted
from .._driver.stores.plan import plan_absent, plan_present, plan_unmounted
from .._driver.stores.state import StoreState, WantedStore
from .._driver.task import Outcome, Sides, Task
from .._errors import InvalidInput
from .._store.layout import check_home

_NO_ADOPT = "leave adopt out, or take the store over first, with state: present"


class InitTask(Task[StoreState]):
    """Have the store at *home* ``present`` as *wanted*, ``unmounted`` or ``absent``."""

    def __init__(self, home: str, wanted: WantedStore, state: str, *, force: bool = False) -> None:
        self.home = check_home(home)
        self._given = os.path.normpath(home)
        if wanted.adopt and state != "present":
            raise InvalidInput(f"adopt: true needs state present, not {state}", hint=_NO_ADOPT)
        self._wanted = wanted
        self._state = state
        self._force = force

    def observe(self, store: Store, predicting: bool) -> StoreState:
        """Return the state of the store, as far as the wanted *state* needs it."""
        if self._state == "present":
            return observe_present(store, self._given)
        if self._state == "unmounted":
            return observe_unmounted(store, users=not self._force)
        return observe_absent(store, users=not self._force)

    def plan(self, have: StoreState, predicting: bool) -> Plan[StoreState]:
        """See Task."""
        if self._state == "present":
            return plan_present(self._wanted, have)
        if self._state == "unmounted":
            return plan_unmounted(have, self._force)
        return plan_absent(have, self._force)

    def observe_after(self, store: Store, plan: Plan[StoreState]) -> StoreState:
        """Return the planned state: report() reads the other facts itself."""
        return plan.after

    def difference(self, before: StoreState, after: StoreState) -> Sides:
        """Return the properties of the store that change."""
        sides = _view(before), _view(after)
        changed = [key for key in {**sides[0], **sides[1]} if sides[0].get(key) != sides[1].get(key)]
        left, right = ({key: side[key] for key in changed if key in side} for side in sides)
        return left, right

    def report(self, outcome: Outcome[StoreState]) -> dict[str, t.Any]:
        """Return the features of the store, as overlay2_facts does."""
        after = outcome.after
        # If no store existed and the run makes none, home may hold other files: status.features() reports them.
        exists = after.exists if outcome.have.exists or after.exists else None
        features = status.features(outcome.store, exists=exists)
        if outcome.predicted:
            features["layer_count"] = len(after.layers)
            if self._state != "present":
                features["mount_count"] = sum(layer.mounted for layer in after.layers.values())
        return {"status": features["status"], "features": features}


def _view(store: StoreState) -> dict[str, t.Any]:
    """Return the properties of a store that a diff shows."""
    shown: dict[str, t.Any] = {"state": "present" if store.exists else "absent"}
    if store.exists:
        shown.update(store.settings._asdict())
        for key in ("uid_map", "gid_map"):
            shown[key] = [item._asdict() for item in shown[key]]
        shown["ours"] = store.engine is None
        shown["layers"] = sorted(store.layers)
        shown["mounted"] = sorted(layer.id for layer in store.layers.values() if layer.mounted)
        shown["holders"] = {id: list(layer.holders) for id, layer in store.layers.items() if layer.holders}
    for name, access in store.access.items():
        shown[f"mode of {name or 'home'}"] = f"{access.mode:04o} {access.uid}:{access.gid}"
    return shown
