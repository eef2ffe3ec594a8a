# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_image with state absent: have an image no longer. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.images.choice import ImageChoice, check_choice
from .._driver.images.observe import observe_removal
from .._driver.images.removal import plan_absent
from .._driver.images.state import RemovalState, WantedImage, reported
from .._driver.plan import Plan
from .._driver.state import predictable
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task
from .._errors import printable
from .._store.layout import check_home


class AbsentImageTask(Task[RemovalState]):
    """Have no record of an image, and only those of its layers that something else needs."""

    def __init__(self, home: str, choice: ImageChoice) -> None:
        self.home = check_home(home)
        self._choice = check_choice(choice)

    def observe(self, store: Store, predicting: bool) -> RemovalState:
        """Return the image, and what needs its layers."""
        return observe_removal(store, self._choice)

    def plan(self, have: RemovalState, predicting: bool) -> Plan[RemovalState]:
        """See Task."""
        return plan_absent(have)

    def observe_after(self, store: Store, plan: Plan[RemovalState]) -> RemovalState:
        """Return the planned state: nothing is left to read."""
        return plan.after

    def difference(self, before: RemovalState, after: RemovalState) -> Sides:
        """Return the layers that go, and the names of the image."""
        if before.record is None:
            return {}, {}
        gone: dict[str, t.Any] = {layer.id: predictable(layer) for layer in before.found if layer.id not in after.kept}
        gone[before.record.image_id] = [printable(name) for name in before.record.names]
        return gone, dict.fromkeys(gone)

    def report(self, outcome: Outcome[RemovalState]) -> dict[str, t.Any]:
        """Return the image that was there, and which of its layers stay, and why."""
        have, kept = outcome.have, outcome.plan.after.kept
        if have.record is None:
            unknown = dict.fromkeys(("image_id", "manifest_digest", "chain_id", "top", "platform", "config"))
            return {**unknown, "names": [], "chain_ids": [], "layers": []}
        result = reported(WantedImage(have.record, None), have.found)
        for layer in result["layers"]:
            layer["present"] = layer["id"] in kept
            layer["reason"] = kept.get(layer["id"], "")
        return {**result, "top": None}
