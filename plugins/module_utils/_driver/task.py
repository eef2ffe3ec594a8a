# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task that a module hands to the engine. PRIVATE to the collection."""

from __future__ import annotations

import abc
import contextlib
import typing as t

from .._errors import printable
from .._store.recognition import store_not_found_error
from .plan import Plan
from .store import Store

S = t.TypeVar("S")
Sides = tuple[dict[str, t.Any], dict[str, t.Any]]  # of a diff: before, after


class Outcome(t.Generic[S]):
    """The outcome of an attempt, for the report.

    have:      the state before.
    plan:      the plan of the attempt.
    after:     the state now, as observed; plan.after if nothing was done.
    predicted: check mode: nothing was done.
    told:      the results that the actions found out.
    store:     the store now.
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


class Task(abc.ABC, t.Generic[S]):
    """What the parameters of a module ask for. A task has no memory: the engine may observe and plan again.

    A constructor only checks and keeps parameters. Only survey(), observe(), inspect(), observe_after() and report()
    read; plan() and difference() are pure.

    home:           the path of the store, without symlinks.
    layers:         ids of the layers whose own locks the engine takes before observe() and holds to the end.
                    A missing layer is not an error for the engine.
    plans_unlocked: inspect() takes long, so the engine first releases the lock of the store.
    shares_locks:   the task changes nothing in the store, so other runs may read at the same time.
    """

    home: str = ""
    layers: t.Sequence[str] = ()
    plans_unlocked = False
    shares_locks = False

    def survey(self) -> None:
        """Read what takes long, before the engine takes a lock. observe() reads again what has changed since."""

    def lock_more(self, stack: contextlib.ExitStack, predicting: bool) -> None:
        """Take further locks, behind the store's, for *stack*, which the engine closes before it deletes.

        raises: OSError.
        """

    @abc.abstractmethod
    def observe(self, store: Store, predicting: bool) -> S:
        """Return the observed state that the plan starts from.

        predicting: check mode: also observe what would make an action fail.
        raises:     Overlay2Error, OSError.
        """

    def inspect(self, store: Store, have: S, predicting: bool) -> S:
        """Return *have*, completed with what takes long to read. Raises Overlay2Error, OSError."""
        return have

    @abc.abstractmethod
    def plan(self, have: S, predicting: bool) -> Plan[S]:
        """Return the steps from *have* to the wanted state. Pure. Raises Overlay2Error."""

    def look_again(self, store: Store) -> Store:
        """Return the store after all is done; it may keep of *store*, the store before, what cannot have changed."""
        return Store(store.home)

    def observe_after(self, store: Store, plan: Plan[S]) -> S:
        """Return the state after all actions, as far as the report shows the state. Raises Overlay2Error, OSError."""
        return self.observe(store, False)

    @abc.abstractmethod
    def difference(self, before: S, after: S) -> Sides:
        """Return both sides of the diff. They hold only what changes and can be predicted. Pure."""

    @abc.abstractmethod
    def report(self, outcome: Outcome[S]) -> dict[str, t.Any]:
        """Return the module's own results. Raises Overlay2Error, OSError."""

    def next_round(self, outcome: Outcome[S], result: t.Mapping[str, t.Any]) -> Task[S] | None:
        """Return the task of the next round, None if all is done. result: what report() returned. Raises OSError."""
        return None


def warnings_without_store(home: str, exists: bool, predicting: bool) -> tuple[str, ...]:
    """Return the warnings of a plan without a store; none if the store *exists*. Raises StoreNotFound in a run."""
    if exists:
        return ()
    if not predicting:
        raise store_not_found_error(home)
    return (f"no store exists at {printable(home)}: the plan assumes one that overlay2_init makes by default",)
