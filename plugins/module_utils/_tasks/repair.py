# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_repair: repair what is certain, and what the user accepts. PRIVATE to the collection."""

from __future__ import annotations

import collections
import typing as t

from .._driver.plan import Plan
from .._driver.repair.observe import observe_repair
from .._driver.repair.plan import plan_repair
from .._driver.repair.state import Asked, RepairState
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task, warnings_without_store
from .._store.layout import check_home, check_id


class RepairTask(Task[RepairState]):
    """Have the store at *home* without damage that *asked* lets the run repair."""

    def __init__(self, home: str, asked: Asked) -> None:
        self.home = check_home(home)
        for layer_id in asked.ids or ():
            check_id(layer_id)
        for layer_id, parent in asked.parents.items():
            check_id(layer_id)
            if parent:
                check_id(parent, f"parent of layer {layer_id}:")
        self._asked = asked

    def observe(self, store: Store, predicting: bool) -> RepairState:
        """Return what is wrong with the store, and what is certain."""
        return observe_repair(store, self._asked)

    def plan(self, have: RepairState, predicting: bool) -> Plan[RepairState]:
        """See Task."""
        warnings = warnings_without_store(self.home, have.exists, predicting)
        return plan_repair(self._asked, have).with_warnings(*warnings)

    def difference(self, before: RepairState, after: RepairState) -> Sides:
        """Return how many findings of each code there are before and after, where the number changes."""
        counts = [collections.Counter(finding.code for finding in state.found) for state in (before, after)]
        codes = sorted(code for code in {**counts[0], **counts[1]} if counts[0][code] != counts[1][code])
        return {code: counts[0][code] for code in codes}, {code: counts[1][code] for code in codes}

    def report(self, outcome: Outcome[RepairState]) -> dict[str, t.Any]:
        """Return the findings, each with its repair, and those that are left."""
        have = outcome.have
        found = [
            {**finding._asdict(), "evidence": list(fix.evidence) if fix else []}
            for finding, fix in zip(have.found, have.fixes)
        ]
        return {"findings": found, "left": [finding._asdict() for finding in outcome.after.found]}
