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
from .._errors import InvalidInput
from .._store.layout import check_home, check_id, check_path
from .._store.verified import note_look

if t.TYPE_CHECKING:
    from .._driver.content.check import Contents


class RepairTask(Task[RepairState]):
    """Have the store at *home* without damage that *asked* lets the run repair."""

    def __init__(self, home: str, asked: Asked, before: RepairState | None = None) -> None:
        """Check the parameters. before: the state before the first round, if this is the second."""
        self.home = check_home(home)
        for layer_id in asked.ids or ():
            check_id(layer_id)
        for layer_id, parent in asked.parents.items():
            check_id(layer_id)
            if parent:
                check_id(parent, f"parent of layer {layer_id}:")
        if asked.max_seconds is not None and asked.max_seconds < 0:
            message = f"invalid max_seconds {asked.max_seconds}: it is negative"
            raise InvalidInput(message, hint="leave it out for no limit", option="max_seconds")
        for layer_id, path in asked.src.items():
            check_path(path, f"src of layer {check_id(layer_id)}:")
        self.layers = sorted(asked.src)
        self._asked = asked
        self._before = before
        self._contents = before.contents if before else None

    def survey(self) -> None:
        """Compare contents, which takes long. What is found stays true: nothing but this task mends content."""
        if self._contents is None and (self._asked.contents or self._asked.src):
            from .._driver.repair.contents import read_contents  # it needs all that reads tars

            self._contents = read_contents(self.home, self._asked)

    def observe(self, store: Store, predicting: bool) -> RepairState:
        """Return what is wrong with the store, and what is certain."""
        have = observe_repair(store, self._asked)
        if self._contents is None:
            return have
        from .._driver.repair.contents import with_contents  # as above

        return with_contents(store, have, self._contents, self._asked)

    def plan(self, have: RepairState, predicting: bool) -> Plan[RepairState]:
        """See Task."""
        warnings = warnings_without_store(self.home, have.exists, predicting)
        return plan_repair(self._asked, have, predicting).with_warnings(*warnings)

    def observe_after(self, store: Store, plan: Plan[RepairState]) -> RepairState:
        """Return what is wrong now. Content that was put back is as recorded: its tar has the recorded diff id."""
        if self._contents and plan.prepares_unlocked:
            checked = (one for one in self._contents.checked if one.layer not in self._asked.src)
            self._contents = self._contents._replace(checked=tuple(checked))
        return self.observe(store, False)

    def difference(self, before: RepairState, after: RepairState) -> Sides:
        """Return how many findings of each code there are before and after, where the number changes."""
        before = self._before or before
        counts = [collections.Counter(finding.code for finding in state.found) for state in (before, after)]
        codes = sorted(code for code in {**counts[0], **counts[1]} if counts[0][code] != counts[1][code])
        return {code: counts[0][code] for code in codes}, {code: counts[1][code] for code in codes}

    def report(self, outcome: Outcome[RepairState]) -> dict[str, t.Any]:
        """Return the findings, each with its repair, and those that are left."""
        have = self._before or outcome.have
        if have.contents and not outcome.predicted:
            for one in have.contents.checked:
                if one.look:
                    note_look(self.home, one.layer, one.look)
        found = [
            {**finding._asdict(), "evidence": list(fix.evidence) if fix else []}
            for finding, fix in zip(have.found, have.fixes)
        ]
        left = [finding._asdict() for finding in outcome.after.found]
        return {"findings": found, "left": left, "verified": _verified(have.contents)}

    def next_round(self, outcome: Outcome[RepairState], result: t.Mapping[str, t.Any]) -> RepairTask | None:
        """Return the round that puts content back, if this round repaired something else."""
        if outcome.plan.prepares_unlocked or not outcome.plan.actions or not outcome.have.back:
            return None
        return RepairTask(self.home, self._asked, outcome.have)


def _verified(contents: Contents | None) -> dict[str, int] | None:
    """Return what of the contents was compared, as results show it."""
    if contents is None:
        return None
    return {
        "layers": contents.layers,
        "files": contents.files,
        "bytes": contents.size,
        "pending_layers": contents.pending,
        "oldest_seconds": contents.oldest,
    }
