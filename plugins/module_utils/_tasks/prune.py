# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_prune: what may go is gone. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.layers.observe import require
from .._driver.plan import Plan
from .._driver.prune.observe import look_to_prune, pending_bytes
from .._driver.prune.plan import Pruning, plan_prune
from .._driver.prune.rounds import Rounds, settles
from .._driver.prune.sizes import Sizes
from .._driver.prune.state import Found, PruneState, Wanted
from .._driver.state import predictable
from .._errors import InvalidInput, printable
from .._store.layout import check_home
from .._store.lock import is_free


class PruneTask:
    """Of the store at *home* is left what *wanted* keeps."""

    layers: t.Sequence[str] = ()
    lengthy = False
    reading = False
    again = False

    def __init__(self, home: str, wanted: Wanted, before: Rounds | None = None) -> None:
        self.home = check_home(home)
        self._before = before or Rounds()
        self._wanted = self._before.left(check_wanted(wanted))
        self._pruning: Pruning | None = None
        self._sizes = Sizes(self.home)
        self._sizes.measure()  # now, since the engine has locked nothing yet

    def observe(self) -> PruneState:
        """Read the whole store."""
        return look_to_prune(self.home, self._sizes)

    def plan(self, have: PruneState, predicting: bool) -> Plan:
        """See Task."""
        warnings = require(self.home, have.exists, predicting)
        working = [id for id in have.found if not self._is_free(id, shared=predicting)]
        self._pruning = plan_prune(self._wanted, have, working)
        if self._before.too_many(len(have.found), len(going(self._pruning))):
            self._pruning = self._pruning._replace(plan=Plan((), have), decisions=(), litter=(), bytes=0, spared=False)
            warnings += ("until_free is not reached: max_remove lets no more layers go",)
        plan = self._pruning.plan
        return plan._replace(warnings=(*warnings, *plan.warnings))

    def _is_free(self, id: str, *, shared: bool) -> bool:
        try:
            return is_free(os.path.join(self.home, id), shared=shared)
        except OSError:  # it cannot be read, so it stays in any case
            return True

    def root(self, have: PruneState) -> tuple[int, int]:
        """See Task."""
        return 0, 0

    def difference(self, before: PruneState, after: PruneState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return which layers, and how much litter of a kind, there are of what changes."""
        sides = _view(before), _view(after)
        changed = [key for key in sides[0] if sides[0][key] != sides[1].get(key)]
        return self._before.difference(
            {key: sides[0][key] for key in changed}, {key: sides[1].get(key) for key in changed}
        )

    def report(self, have: PruneState, after: PruneState, predicting: bool) -> dict[str, t.Any]:
        """Return the plan, and what of it is still to be done."""
        pruning = self._pruning
        if pruning is None:
            raise AssertionError("there is no plan")
        pending: int | None = 0
        if pruning.plan.actions and predicting:
            pending = None if self._wanted.max_seconds is not None else 0
        elif not predicting and have.exists:
            pending = pending_bytes(self.home)
            target = self._wanted.until_free.of(have.size) if self._wanted.until_free else 0
            if pruning.plan.actions and pruning.spared and not (pending and self._wanted.max_seconds is not None):
                self.again = not settles(self.home, target)
        return self._before.told(
            len(have.found),
            {
                "layers": [
                    {
                        "id": decision.id,
                        "parent": have.found[decision.id].layer.parent,
                        "decision": "remove" if decision.goes else "keep",
                        "reason": decision.reason,
                        "bytes_exclusive": decision.exclusive,
                        "bytes_shared": decision.shared,
                        **_facts(have.found[decision.id], have.now),
                    }
                    for decision in pruning.decisions
                ],
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


def going(pruning: Pruning) -> list[str]:
    """Return the ids of the layers that go."""
    return [decision.id for decision in pruning.decisions if decision.goes]


def check_wanted(wanted: Wanted) -> Wanted:
    """Return *wanted* if it can be meant. Raises InvalidInput."""
    for option in ("keep_last", "max_seconds"):
        number = getattr(wanted, option)
        if number is not None and number < 0:
            raise InvalidInput(f"invalid {option} {number}: it is negative", hint="use 0 for none", option=option)
    for option in ("keep", "match"):
        if "" in (getattr(wanted, option) or ()):
            hint = 'use ids, or globs such as "job-*"'
            raise InvalidInput(f"{option} holds an empty name", hint=hint, option=option)
    return wanted


def _facts(found: Found, now: float) -> dict[str, int | None]:
    return {
        "inodes": None if found.unread else found.tree.inodes,
        "age_seconds": max(0, int(now - found.times.there)),
        "unused_seconds": max(0, int(now - found.times.used)),
        "depth": len(found.layer.lowers),
    }


def _view(have: PruneState) -> dict[str, t.Any]:
    litter: dict[str, int] = {}
    for found in have.litter:
        litter[found.code] = litter.get(found.code, 0) + 1
    return {
        **{f"layer {id}": predictable(found.layer) for id, found in sorted(have.found.items())},
        **{f"litter {code}": count for code, count in sorted(litter.items())},
    }
