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
from .state import Room, Wanted

_PAUSE = 0.1  # seconds
_QUIET = 10  # pauses in which nothing more was freed: XFS and btrfs free in the background
_PATIENCE = 30  # seconds


class Rounds:
    """What the rounds of one run have done so far."""

    def __init__(self) -> None:
        self._deadline: Deadline | None = None
        self._max_remove: Room | None = None
        self._layers: list[dict[str, t.Any]] = []  # that went
        self._litter: list[dict[str, t.Any]] = []
        self._bytes = 0
        self._at_first = 0  # layers
        self._sides: tuple[dict[str, t.Any], dict[str, t.Any]] = ({}, {})

    def left(self, wanted: Wanted) -> Wanted:
        """Return what is still asked for: the next round has what time is left, and counts the layers that went."""
        if not self._at_first:
            self._deadline = None if wanted.max_seconds is None else Deadline(wanted.max_seconds)
            self._max_remove = wanted.max_remove
            return wanted
        seconds = None if self._deadline is None else self._deadline.left
        return wanted._replace(max_seconds=seconds, max_remove=None)

    def too_many(self, layers: int, count: int) -> bool:
        """Tell whether *count* more, of the *layers* that are left, are more than may go in this run."""
        if not self._at_first or self._max_remove is None or not count:
            return False
        return len(self._layers) + count > self._max_remove.of(self._at_first)

    def difference(
        self, before: dict[str, t.Any], after: dict[str, t.Any]
    ) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return both sides of the diff of all rounds, with those of this one."""
        self._sides = ({**before, **self._sides[0]}, {**self._sides[1], **after})
        return self._sides

    def told(self, layers: int, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what all rounds tell, with *result*, what this one does. layers: how many there were before it."""
        self._at_first = self._at_first or layers
        kept = [layer for layer in result["layers"] if layer["decision"] == "keep"]
        self._layers += [layer for layer in result["layers"] if layer["decision"] == "remove"]
        self._litter += result["litter"]
        self._bytes += result["remove_bytes"]
        return {**result, "layers": [*self._layers, *kept], "litter": self._litter, "remove_bytes": self._bytes}


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
