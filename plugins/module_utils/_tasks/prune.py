# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_prune: remove the layers that the options select, and litter. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.plan import Plan
from .._driver.prune.observe import observe_to_prune, pending_bytes
from .._driver.prune.orphan_bytes import orphan_bytes
from .._driver.prune.plan import plan_prune
from .._driver.prune.rounds import Rounds, first_round, settles
from .._driver.prune.sizes import Sizes
from .._driver.prune.state import Decision, FoundLayer, PruneOptions, PruneState, Pruning
from .._driver.state import predictable
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task, warnings_without_store
from .._errors import InvalidInput, printable
from .._store.engine import CONTAINERD, find_engine
from .._store.layout import check_home


def prune_task(home: str, wanted: PruneOptions) -> Task[t.Any]:
    """Return the task for the store at *home*. Raises InvalidInput, StoreForeign, OSError."""
    home = check_home(home)
    engine = find_engine(home)
    if engine is None or engine.name != CONTAINERD:
        return PruneTask(home, wanted)
    from .prune_snapshots import SnapshotsTask  # most stores are not containerd's

    return SnapshotsTask(engine.root, check_wanted(wanted))


class PruneTask(Task[PruneState]):
    """Have only the layers that *wanted* keeps in the store at *home*. before: the earlier rounds of this run."""

    def __init__(self, home: str, wanted: PruneOptions, before: Rounds | None = None) -> None:
        self.home = check_home(home)
        self._all = check_wanted(wanted)
        self._before = before or first_round(wanted)
        self._wanted = self._before.left(wanted)
        self._sizes = Sizes(self.home)

    def survey(self) -> None:
        """Measure the layers and leftovers, without any lock."""
        self._sizes.measure()

    def observe(self, store: Store, predicting: bool) -> PruneState:
        """Return the state of the whole store."""
        return observe_to_prune(store, self._sizes, shared=predicting, drop_after=self._wanted.drop_holders)

    def plan(self, have: PruneState, predicting: bool) -> Plan[PruneState]:
        """See Task."""
        warnings = warnings_without_store(self.home, have.exists, predicting)
        plan = plan_prune(self._wanted, have)
        if self._before.too_many(len(have.found), len(going(plan.after.pruning))):
            warnings += ("until_free is not reached: max_remove lets no more layers go",)
            return Plan((), have, warnings=(*warnings, *plan.warnings))
        return plan.with_warnings(*warnings)

    def observe_after(self, store: Store, plan: Plan[PruneState]) -> PruneState:
        """Return the planned state: report() itself reads what is still to be deleted."""
        return plan.after

    def difference(self, before: PruneState, after: PruneState) -> Sides:
        """Return the layers and the images that change, and the numbers of pieces of litter that change, by code."""
        sides = _view(before), _view(after)
        changed = [key for key in sides[0] if sides[0][key] != sides[1].get(key)]
        return self._before.difference(
            {key: sides[0][key] for key in changed}, {key: sides[1].get(key) for key in changed}
        )

    def report(self, outcome: Outcome[PruneState]) -> dict[str, t.Any]:
        """Return the decisions, the litter, and how many bytes are still to be deleted."""
        have, pruning = outcome.have, outcome.after.pruning
        pending: int | None = 0
        if outcome.plan.actions and outcome.predicted:
            pending = None if self._wanted.max_seconds is not None else 0
        elif not outcome.predicted and have.exists:
            pending = pending_bytes(self.home)
        total = self._before.total(
            {
                "layers": [_as_result(decision, have) for decision in pruning.decisions],
                "remove_bytes": pruning.bytes,
                "pending_bytes": pending,
                "litter": [
                    {
                        "code": found.code,
                        "subject": printable(found.subject),
                        "path": printable(os.path.join(self.home, found.path) if found.path else self.home),
                        "bytes": found.bytes,
                    }
                    for found in pruning.litter
                ],
            },
        )
        gone = sum(layer["bytes_exclusive"] for layer in total["layers"] if layer["decision"] == "remove")
        removes = have.engine and self._wanted.remove_foreign
        return {**total, "orphan_bytes": gone if removes else orphan_bytes(self._all, have)}

    def next_round(self, outcome: Outcome[PruneState], result: t.Mapping[str, t.Any]) -> PruneTask | None:
        """Return another round if too little is free and layers are left that may be removed; None otherwise."""
        have, pruning = outcome.have, outcome.after.pruning
        if not (outcome.plan.actions and pruning.spared):
            return None
        if result["pending_bytes"] and self._wanted.max_seconds is not None:
            return None
        if settles(self.home, self._wanted.until_free.of(have.size) if self._wanted.until_free else 0):
            return None
        return PruneTask(self.home, self._all, self._before.then(len(have.found), result))


def _as_result(decision: Decision, have: PruneState) -> dict[str, t.Any]:
    """Return a decision as results show it."""
    found = have.found[decision.id]
    return {
        "id": decision.id,
        "parent": found.layer.parent,
        "decision": "remove" if decision.goes else "keep",
        "reason": decision.reason,
        "bytes_exclusive": decision.exclusive,
        "bytes_shared": decision.shared,
        **_facts(found, have.now),
    }


def going(pruning: Pruning) -> list[str]:
    """Return the ids of the layers to remove."""
    return [decision.id for decision in pruning.decisions if decision.goes]


def check_wanted(wanted: PruneOptions) -> PruneOptions:
    """Check the options and return them. Raises InvalidInput."""
    for option in ("keep_last", "max_seconds"):
        number = getattr(wanted, option)
        if number is not None and number < 0:
            raise InvalidInput(f"invalid {option} {number}: it is negative", hint="use 0 for none", option=option)
    for option in ("keep", "match", "keep_images"):
        if "" in (getattr(wanted, option) or ()):
            hint = 'use names, or globs such as "job-*"'
            raise InvalidInput(f"{option} holds an empty name", hint=hint, option=option)
    return wanted


def _facts(found: FoundLayer, now: float) -> dict[str, int | None]:
    """Return the properties of a layer as results show them."""
    return {
        "inodes": None if found.unread else found.tree.inodes,
        "age_seconds": max(0, int(now - found.times.there)),
        "unused_seconds": max(0, int(now - found.times.used)),
        "depth": len(found.layer.lowers),
    }


def _view(have: PruneState) -> dict[str, t.Any]:
    """Return the properties of a store that a diff shows."""
    litter: dict[str, int] = {}
    for found in have.litter:
        litter[found.code] = litter.get(found.code, 0) + 1
    return {
        **{f"layer {id}": predictable(found.layer) for id, found in sorted(have.found.items())},
        **{f"image {record.image_id}": [*map(printable, record.names)] for record in have.images.records},
        **{f"litter {code}": count for code, count in sorted(litter.items())},
    }
