# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module hands to the engine. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import printable
from .._store.recognition import store_not_found_error
from .plan import Plan
from .store import Store

S = t.TypeVar("S")
Sides = tuple[dict[str, t.Any], dict[str, t.Any]]  # of a diff: before, after


class Outcome(t.Generic[S]):
    """What an attempt came to, for the report.

    have:      the state before.
    plan:      what was to be done.
    after:     the state now, as observed; plan.after where nothing was done.
    predicted: check mode: nothing was done.
    told:      what the actions found out while they were done.
    store:     the store as it is now.
    """

    def __init__(
        self, have: S, plan: Plan[S], after: S, store: Store, *, predicted: bool, told: t.Mapping[str, t.Any]
    ) -> None:
        self.have = have
        self.plan = plan
        self.after = after
        self.store = store
        self.predicted = predicted
        self.told = told


class Task(t.Generic[S]):
    """The parameters of a module, made a wanted state. A task has no memory: the engine may observe and plan again.

    A constructor only checks and keeps parameters. Only survey(), observe(), inspect(), observe_after() and report()
    read; plan() and difference() are pure.

    home:           the path of the store, without symlinks.
    layers:         ids of the layers whose own locks the engine holds from before observe() to the end; a missing
                    layer is not an error here.
    plans_unlocked: inspect() takes long: the engine gives the lock of the store back before.
    shares_locks:   nothing in the store changes, so other runs may read at the same time.
    """

    home: str = ""
    layers: t.Sequence[str] = ()
    plans_unlocked = False
    shares_locks = False

    def survey(self) -> None:
        """Read what takes long, before the engine locks anything. observe() reads again what changed since."""

    def observe(self, store: Store, predicting: bool) -> S:
        """Return the state of what the plan is about.

        predicting: nothing will be done, so this also looks for what only doing would show.
        raises:     Overlay2Error, OSError.
        """
        raise NotImplementedError

    def inspect(self, store: Store, have: S, predicting: bool) -> S:
        """Return *have* with what takes long to read. Raises Overlay2Error, OSError."""
        return have

    def plan(self, have: S, predicting: bool) -> Plan[S]:
        """Return the steps from *have* to what is wanted. Pure. Raises Overlay2Error."""
        raise NotImplementedError

    def observe_after(self, store: Store, plan: Plan[S]) -> S:
        """Return the state after all is done, as far as the report shows it. Raises Overlay2Error, OSError."""
        return self.observe(store, False)

    def difference(self, before: S, after: S) -> Sides:
        """Return both sides of the diff: what changes, and of that only what can be predicted. Pure."""
        raise NotImplementedError

    def report(self, outcome: Outcome[S]) -> dict[str, t.Any]:
        """Return the module's own results. Raises Overlay2Error, OSError."""
        raise NotImplementedError

    def next_round(self, outcome: Outcome[S], result: t.Mapping[str, t.Any]) -> Task[S] | None:
        """Return the task of another round, None if all is done. result: of report(). Raises OSError."""
        return None


def warnings_without_store(home: str, exists: bool, predicting: bool) -> tuple[str, ...]:
    """Return the warnings of a plan where there is no store; none where there is one. Raises StoreNotFound in a run."""
    if exists:
        return ()
    if not predicting:
        raise store_not_found_error(home)
    return (f"no store exists at {printable(home)}: the plan assumes one that overlay2_init makes by default",)
