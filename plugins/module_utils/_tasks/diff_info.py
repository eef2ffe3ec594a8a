# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_diff_info: a layer's content is looked at. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.content.state import DiffState, DiffTask, reported
from .._driver.plan import Plan
from .._errors import InvalidInput


class InspectTask(DiffTask):
    """What a layer has other than another one, and nothing else."""

    def __init__(self, home: str, layer_id: str, parent: str | None, max_changes: int) -> None:
        """See DiffTask. max_changes: how many are listed at most. Raises InvalidInput for a negative number."""
        super().__init__(home, layer_id, parent)
        if max_changes < 0:
            message = f"invalid max_changes {max_changes}: it is negative"
            raise InvalidInput(message, hint="use 0 for no list", option="max_changes")
        self._max_changes = max_changes

    def plan(self, have: DiffState, predicting: bool) -> Plan:
        """See Task."""
        return Plan((), have)

    def difference(self, before: DiffState, after: DiffState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Nothing changes."""
        return {}, {}

    def report(self, have: DiffState, after: DiffState, predicting: bool) -> dict[str, t.Any]:
        """See Task."""
        found = self.difference_of(have, listed=self._max_changes)
        listed, truncated = found.listed()
        return {**reported(found, have.diff_id, have.digest), "changes": listed, "truncated": truncated}
