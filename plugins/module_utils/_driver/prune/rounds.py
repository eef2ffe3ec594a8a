# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A prune in several rounds, until as much is free as was asked for. PRIVATE to the collection.

What a layer frees is estimated: blocks that files share by reflinks are counted as often as they are named. So the run
looks at the filesystem after it removed what was planned, and plans again if that was not enough.
"""

from __future__ import annotations

import os
import time
import typing as t

from ..._linux.sync import sync_filesystem
from ..._store.lock import Deadline
from .state import Amount, PruneOptions

_PAUSE = 0.1  # seconds
_QUIET = 10  # pauses in which nothing more was freed: XFS and btrfs free in the background
_PATIENCE = 30  # seconds


class Rounds(t.NamedTuple):
    """What the earlier rounds of a run have done.

    at_first:   how many layers there were before the first round; 0: there was no round yet.
    layers, litter: as results tell them: the layers that went, and the litter.
    sides:      of the diff.
    deadline:   until when layers are deleted, None for no limit.
    max_remove: how many layers may go in all rounds.
    """

    at_first: int = 0
    layers: tuple[dict[str, t.Any], ...] = ()
    litter: tuple[dict[str, t.Any], ...] = ()
    bytes: int = 0
    sides: tuple[dict[str, t.Any], dict[str, t.Any]] = ({}, {})
    deadline: Deadline | None = None
    max_remove: Amount | None = None

    def left(self, wanted: PruneOptions) -> PruneOptions:
        """Return what is still asked for: a later round has the time that is left, and max_remove is for all rounds."""
        if not self.at_first:
            return wanted
        seconds = None if self.deadline is None else self.deadline.left
        return wanted._replace(max_seconds=seconds, max_remove=None)

    def too_many(self, layers: int, count: int) -> bool:
        """Tell whether *count* more, of the *layers* that are left, are more than may go in this run."""
        if not self.at_first or self.max_remove is None or not count:
            return False
        return len(self.layers) + count > self.max_remove.of(self.at_first)

    def difference(
        self, before: dict[str, t.Any], after: dict[str, t.Any]
    ) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return both sides of the diff of all rounds, with those of this round."""
        return {**before, **self.sides[0]}, {**self.sides[1], **after}

    def told(self, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what all rounds tell, with *result*, which this round tells."""
        kept = [layer for layer in result["layers"] if layer["decision"] == "keep"]
        return {
            **result,
            "layers": [*self.layers, *_gone(result["layers"]), *kept],
            "litter": [*self.litter, *result["litter"]],
            "remove_bytes": self.bytes + result["remove_bytes"],
        }

    def then(self, layers: int, result: t.Mapping[str, t.Any]) -> Rounds:
        """Return the rounds with this one. layers: how many there were before it; result: of all rounds so far."""
        return self._replace(
            at_first=self.at_first or layers,
            layers=tuple(_gone(result["layers"])),
            litter=tuple(result["litter"]),
            bytes=result["remove_bytes"],
            sides=(result["diff"]["before"], result["diff"]["after"]),
        )


def first_round(wanted: PruneOptions) -> Rounds:
    """Return the rounds of a run that begins now."""
    deadline = None if wanted.max_seconds is None else Deadline(wanted.max_seconds)
    return Rounds(deadline=deadline, max_remove=wanted.max_remove)


def _gone(layers: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [layer for layer in layers if layer["decision"] == "remove"]


def settles(home: str, target: float) -> bool:
    """Tell whether *target* bytes of the filesystem are free, once no more are getting free. Raises OSError."""
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
