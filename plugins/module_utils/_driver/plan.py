# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: its actions, and the state that they lead to. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .run import Run

S = t.TypeVar("S")


class Overtaken(Exception):
    """Restart: another run was faster, or is still at work. The engine observes and plans again.

    layer: the directory in home whose lock the other run holds, a layer or a staging directory; the engine waits for
           the lock. "" for no wait.
    """

    def __init__(self, layer: str = "") -> None:
        super().__init__(layer)
        self.layer = layer


class Action:
    """One step of a plan.

    The engine prepares all actions before it commits the first: an action that can fail fails before any change.

    writes: the action changes something on the filesystem of the store.
    """

    writes = True

    def describe(self) -> str:
        """Return what the action does, in words that hold only what can be predicted."""
        return type(self).__name__

    def reserve(self, run: Run) -> None:
        """Do what prepare() needs the store's lock for, quickly, in staging. May raise Overtaken."""

    def prepare(self, run: Run) -> None:
        """Do what takes long or may fail, in staging: a killed run leaves only litter. May raise Overtaken."""

    def commit(self, run: Run) -> None:
        """Make the change."""

    def told(self) -> dict[str, t.Any]:
        """Return the results for the report that only the action itself could find out."""
        return {}


class Plan(t.Generic[S]):
    """The steps from the state that was observed to *after*.

    after:             the state once the steps are done.
    warnings:          warnings for the user.
    must_be_free:      ids of the layers on which no other run may work at the same time.
    prepares_unlocked: preparing takes long, so the engine first releases the lock of the store, and keeps the lock of
                       the layer.
    commits_locked:    after such a preparation, the engine takes the lock of the store again. The first commit checks
                       that the store is still as it was observed, and raises Overtaken otherwise. If much is prepared,
                       the engine commits this group of actions before it prepares the next one.
    """

    def __init__(
        self,
        actions: t.Sequence[Action],
        after: S,
        *,
        warnings: t.Sequence[str] = (),
        must_be_free: t.Sequence[str] = (),
        prepares_unlocked: bool = False,
        commits_locked: bool = False,
    ) -> None:
        self.actions = tuple(actions)
        self.after = after
        self.warnings = tuple(warnings)
        self.must_be_free = tuple(must_be_free)
        self.prepares_unlocked = prepares_unlocked
        self.commits_locked = commits_locked

    @property
    def writes(self) -> bool:
        """Whether an action changes something on the filesystem of the store."""
        return any(action.writes for action in self.actions)

    def with_warnings(self, *warnings: str) -> Plan[S]:
        """Return the plan with *warnings* before its own warnings."""
        return Plan(
            self.actions,
            self.after,
            warnings=(*warnings, *self.warnings),
            must_be_free=self.must_be_free,
            prepares_unlocked=self.prepares_unlocked,
            commits_locked=self.commits_locked,
        )
