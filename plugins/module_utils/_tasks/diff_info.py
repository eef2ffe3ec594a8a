# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_diff_info: list the changes of a layer. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.content.observe import difference_of
from .._driver.content.state import DiffState, reported
from .._driver.plan import Plan
from .._driver.task import Outcome, Sides
from .._errors import InvalidInput
from .content import ContentTask


class InspectTask(ContentTask):
    """List the changes between a layer and another layer. Changes nothing."""

    def __init__(self, home: str, layer_id: str, parent: str | None, max_changes: int) -> None:
        """See ContentTask. max_changes: the most changes to list. Raises InvalidInput for a negative number."""
        super().__init__(home, layer_id, parent)
        if max_changes < 0:
            message = f"invalid max_changes {max_changes}: it is negative"
            raise InvalidInput(message, hint="use 0 for no list", option="max_changes")
        self._max_changes = max_changes

    def plan(self, have: DiffState, predicting: bool) -> Plan[DiffState]:
        """See Task."""
        return Plan((), have)

    def difference(self, before: DiffState, after: DiffState) -> Sides:
        """Return empty sides: nothing changes."""
        return {}, {}

    def report(self, outcome: Outcome[DiffState]) -> dict[str, t.Any]:
        """See Task."""
        have = outcome.have
        found = difference_of(outcome.store, have, self.parent, listed=self._max_changes)
        listed, truncated = found.listed()
        return {**reported(found, have.diff_id, have.digest), "changes": listed, "truncated": truncated}
