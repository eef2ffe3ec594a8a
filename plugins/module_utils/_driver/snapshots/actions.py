# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes a directory that no record of containerd names. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..plan import Action
from .state import SNAPSHOTS

if t.TYPE_CHECKING:
    from ..run import Run


class RemoveOrphan(Action):
    """Move the directory *name* out of sight, for the run to delete. seconds: how long to delete; None for no limit.

    The engine holds the locks of containerd's databases until all directories are out of sight.
    """

    def __init__(self, name: str, seconds: int | None) -> None:
        self.name = name
        self.seconds = seconds

    def describe(self) -> str:
        return f"remove {SNAPSHOTS}/{self.name}, which no record of containerd names"

    def commit(self, run: Run) -> None:
        run.limit_deletion(self.seconds)
        run.hide_directory(f"{SNAPSHOTS}/{self.name}")
