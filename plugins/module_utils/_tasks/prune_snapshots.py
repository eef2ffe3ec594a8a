# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_prune in the store of containerd's overlayfs snapshotter. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._driver.plan import Plan
from .._driver.prune.observe import pending_bytes
from .._driver.prune.sizes import Sizes
from .._driver.prune.state import Decision, PruneOptions
from .._driver.snapshots.interlock import hold_databases
from .._driver.snapshots.observe import FirstLook, first_look, observe_snapshots
from .._driver.snapshots.plan import check_selection, orphan_bytes, plan_orphans
from .._driver.snapshots.state import SNAPSHOTS, SnapshotsState
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task
from .._errors import printable


class SnapshotsTask(Task[SnapshotsState]):
    """Have no orphan in the snapshotter's directory *home*. wanted: orphans_only, and how the removal is limited."""

    def __init__(self, home: str, wanted: PruneOptions) -> None:
        self.home = home
        self._wanted = check_selection(home, wanted)
        self._sizes = Sizes(home)
        self._first = FirstLook()
        self._locked = False  # in this attempt

    def survey(self) -> None:
        """Look once, and measure what seems to be orphans, without any lock."""
        self._first = first_look(self.home)
        for name in self._first.names:
            with contextlib.suppress(OSError):  # it is measured again, and told, by observe()
                self._sizes.of_directory(f"{self.home}/{SNAPSHOTS}/{name}")

    def lock_more(self, stack: contextlib.ExitStack, predicting: bool) -> None:
        """Keep a containerd that starts waiting until the orphans are out of sight."""
        self._locked = False
        if self._wanted.remove_foreign and not predicting:
            self._locked = hold_databases(self.home, stack)

    def observe(self, store: Store, predicting: bool) -> SnapshotsState:
        """Return the state of the snapshotter's store."""
        return observe_snapshots(self.home, self._sizes, self._first, locked=self._locked)

    def plan(self, have: SnapshotsState, predicting: bool) -> Plan[SnapshotsState]:
        """See Task."""
        return plan_orphans(self._wanted, have)

    def observe_after(self, store: Store, plan: Plan[SnapshotsState]) -> SnapshotsState:
        """Return the planned state: report() itself reads what is still to be deleted."""
        return plan.after

    def difference(self, before: SnapshotsState, after: SnapshotsState) -> Sides:
        """Return the directories that go, and the number of pieces of litter if it changes."""
        sides = _view(before), _view(after)
        changed = [key for key in sides[0] if sides[0][key] != sides[1].get(key)]
        return {key: sides[0][key] for key in changed}, {key: sides[1][key] for key in changed if key in sides[1]}

    def report(self, outcome: Outcome[SnapshotsState]) -> dict[str, t.Any]:
        """Return the decisions, the litter, and how many bytes are still to be deleted."""
        have, pruning = outcome.have, outcome.after.pruning
        pending: int | None = pending_bytes(self.home)
        if outcome.predicted and outcome.plan.actions:
            pending = None if self._wanted.max_seconds is not None else 0
        return {
            "layers": [_as_result(decision, have) for decision in pruning.decisions],
            "remove_bytes": pruning.bytes,
            "orphan_bytes": orphan_bytes(have),
            "pending_bytes": pending,
            "litter": [
                {
                    "code": found.code,
                    "subject": printable(found.subject),
                    "path": printable(os.path.join(self.home, found.path)),
                    "bytes": found.bytes,
                }
                for found in pruning.litter
            ],
        }


def _as_result(decision: Decision, have: SnapshotsState) -> dict[str, t.Any]:
    """Return a decision as results show it. containerd does not record when a snapshot was last used."""
    result: dict[str, t.Any] = {
        "id": printable(decision.id),
        "parent": "",
        "decision": "remove" if decision.goes else "keep",
        "reason": decision.reason,
        "bytes_exclusive": decision.exclusive,
        "bytes_shared": decision.shared,
    }
    orphan = have.orphans.get(decision.id)
    if orphan:
        inodes = None if orphan.tree.unread else orphan.tree.inodes
        return {**result, "inodes": inodes, **_ages(orphan.made, have.now), "depth": 0}
    needed = have.needed[decision.id]
    return {
        **result,
        "parent": needed.parent,
        "inodes": needed.inodes,
        **_ages(needed.made, have.now),
        "depth": needed.depth,
    }


def _ages(made: float | None, now: float) -> dict[str, int | None]:
    return {"age_seconds": None if made is None else max(0, int(now - made)), "unused_seconds": None}


def _view(have: SnapshotsState) -> dict[str, t.Any]:
    """Return the properties of the store that a diff shows."""
    litter = {"litter staging_leftover": len(have.litter)} if have.litter else {}
    return {**{f"{SNAPSHOTS}/{printable(name)}": {"orphan": True} for name in sorted(have.orphans)}, **litter}
