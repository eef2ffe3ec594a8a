# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rounds of a prune: a run plans again until enough space is free. PRIVATE to the collection.

A plan only estimates the freed bytes: blocks that files share by reflinks count once for each file. So the run looks at
the filesystem after the planned removals, and plans again if too little is free.
"""

from __future__ import annotations

import os
import time
import typing as t

from ..._linux.sync import sync_filesystem
from ..._store.lock import Deadline
from .state import Amount, PruneOptions

_PAUSE = 0.1  # seconds
_QUIET = 10  # pauses without newly freed space, to end the wait: XFS and btrfs free in the background
_PATIENCE = 30  # seconds


class Rounds(t.NamedTuple):
    """What the earlier rounds of a run have done.

    at_first:   the number of layers before the first round; 0 before the first round has run.
    layers:     the removed layers, as results show them.
    litter:     the litter, as results show it.
    bytes:      the freed bytes.
    sides:      both sides of the diff.
    deadline:   the time at which the run stops deleting; None for no limit.
    max_remove: how many layers all rounds together may remove.
    """

    at_first: int = 0
    layers: tuple[dict[str, t.Any], ...] = ()
    litter: tuple[dict[str, t.Any], ...] = ()
    bytes: int = 0
    sides: tuple[dict[str, t.Any], dict[str, t.Any]] = ({}, {})
    deadline: Deadline | None = None
    max_remove: Amount | None = None

    def left(self, wanted: PruneOptions) -> PruneOptions:
        """Return the options of the next round: the time that is left, and no max_remove: too_many() checks it."""
        if not self.at_first:
            return wanted
        seconds = None if self.deadline is None else self.deadline.left
        return wanted._replace(max_seconds=seconds, max_remove=None)

    def too_many(self, layers: int, count: int) -> bool:
        """Tell whether the removal of *count* more layers would exceed max_remove; False in the first round."""
        if not self.at_first or self.max_remove is None or not count:
            return False
        return len(self.layers) + count > self.max_remove.of(self.at_first)

    def difference(
        self, before: dict[str, t.Any], after: dict[str, t.Any]
    ) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return both sides of the diff of all rounds. before, after: the sides of this round."""
        return {**before, **self.sides[0]}, {**self.sides[1], **after}

    def total(self, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result of all rounds. result: that of this round."""
        kept = [layer for layer in result["layers"] if layer["decision"] == "keep"]
        return {
            **result,
            "layers": [*self.layers, *_removed(result["layers"]), *kept],
            "litter": [*self.litter, *result["litter"]],
            "remove_bytes": self.bytes + result["remove_bytes"],
        }

    def then(self, layers: int, result: t.Mapping[str, t.Any]) -> Rounds:
        """Return the rounds, this one included. layers: the number before this round; result: see total()."""
        return self._replace(
            at_first=self.at_first or layers,
            layers=tuple(_removed(result["layers"])),
            litter=tuple(result["litter"]),
            bytes=result["remove_bytes"],
            sides=(result["diff"]["before"], result["diff"]["after"]),
        )


def first_round(wanted: PruneOptions) -> Rounds:
    """Return the rounds of a run that starts now: none has run."""
    deadline = None if wanted.max_seconds is None else Deadline(wanted.max_seconds)
    return Rounds(deadline=deadline, max_remove=wanted.max_remove)


def _removed(layers: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [layer for layer in layers if layer["decision"] == "remove"]


def settles(home: str, target: float) -> bool:
    """Wait until *target* bytes of the filesystem are free, or free space stops growing. Raises OSError.

    Return whether *target* bytes are free.
    """
    sync_filesystem(home)
    most, quiet, end = -1, 0, Deadline(_PATIENCE)
    while quiet < _QUIET and not end.passed:
        space = os.statvfs(home)
        free = space.f_bavail * space.f_frsize
        if free >= target:
            return True
        quiet = quiet + 1 if free <= most else 0
        most = max(most, free)
        time.sleep(_PAUSE)
    return False
