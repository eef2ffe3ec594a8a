# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the tasks of overlay2_diff and overlay2_diff_info. PRIVATE to the collection."""

from __future__ import annotations

from .._driver.content.observe import observe_content
from .._driver.content.state import DiffState
from .._driver.store import Store
from .._driver.task import Task
from .._store.layout import check_home, check_id


class ContentTask(Task[DiffState]):
    """A task about the content of a layer. Reading content takes long, so inspect() runs without the store's lock."""

    plans_unlocked = True
    shares_locks = True

    def __init__(self, home: str, layer_id: str, parent: str | None) -> None:
        self.home = check_home(home)
        self.id = check_id(layer_id)
        self.layers = sorted({layer_id, check_id(parent, "parent") if parent else layer_id})
        self.parent = parent

    def observe(self, store: Store, predicting: bool) -> DiffState:
        """Return the state of the layers, and of all layers that are built on them."""
        return observe_content(store, self.id, self.layers)
