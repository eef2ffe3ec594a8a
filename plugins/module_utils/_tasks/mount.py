# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_mount: mount a layer for a holder, or unmount it. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.mounts.actions import Unmount, users_of_mount
from .._driver.mounts.observe import observe_mount, with_means, with_obstacles
from .._driver.mounts.plan import description, plan_mounted, plan_unmounted
from .._driver.mounts.state import MountState, WantedMount
from .._driver.plan import Plan
from .._driver.state import reported
from .._driver.store import Store
from .._driver.task import Outcome, Sides, Task
from .._errors import Overlay2Error, printable
from .._store.engine import store_foreign_error
from .._store.holders import check_holder
from .._store.layout import DIFF, MERGED, check_home, check_id
from .._store.lock import layer_not_found_error
from .._store.recognition import store_not_found_error


class MountTask(Task[MountState]):
    """Have a layer ``mounted`` as *want* says, or ``unmounted``."""

    def __init__(self, home: str, want: WantedMount, state: str, *, force: bool = False) -> None:
        self.home = check_home(home)
        self.layers = (check_id(want.id),)
        check_holder(want.holder)
        self._want = want
        self._mounting = state == "mounted"
        self._force = force

    def observe(self, store: Store, predicting: bool) -> MountState:
        """Return the state of the layer and its mount, and what prevents the wanted change."""
        have = observe_mount(store, self._want.id, ending=not self._mounting)
        if have.layer is None:
            return have
        if self._mounting:
            have = with_means(store, have, self._want)
        elif have.mount is not None and not self._force:
            have = with_obstacles(store, have)
        return have

    def inspect(self, store: Store, have: MountState, predicting: bool) -> MountState:
        """In check mode, find the users of a mount that the plan ends: a real run meets them only as it unmounts."""
        if not predicting or have.layer is None or have.mount is None:
            return have
        ends = any(isinstance(action, Unmount) for action in self.plan(have, predicting).actions)
        return have._replace(busy=users_of_mount(self.home, have.layer.id, store.all_mounts)) if ends else have

    def plan(self, have: MountState, predicting: bool) -> Plan[MountState]:
        """See Task."""
        if self._mounting and not have.exists:
            raise store_not_found_error(self.home)
        if self._mounting and have.layer is None:
            raise layer_not_found_error(self.home, self._want.id)
        planner = plan_mounted if self._mounting else plan_unmounted
        try:
            plan = planner(self._want, have, force=self._force)
        except Overlay2Error:
            self._check_ours(have)  # in another engine's store, the hint of the first error would not help
            raise
        if plan.actions:
            self._check_ours(have)
        for action in plan.actions:
            if have.busy and isinstance(action, Unmount):
                raise action.busy_error(self.home, have.busy)
        return plan

    def _check_ours(self, have: MountState) -> None:
        """Raise StoreForeign in the store of another engine."""
        if have.engine:
            verb = "mount" if self._mounting else "unmount"
            raise store_foreign_error(self.home, have.engine, f"{verb} layer {self._want.id}")

    def look_again(self, store: Store) -> Store:
        """See Task: the lock of the store was held all the time, and mounting changes no chain."""
        return store.after_mounting()

    def observe_after(self, store: Store, plan: Plan[MountState]) -> MountState:
        """Return the state of the layer and its mount, with the options of the plan."""
        have = observe_mount(store, self._want.id, ending=not self._mounting)
        return have._replace(options=plan.after.options)

    def difference(self, before: MountState, after: MountState) -> Sides:
        """Return the changes of the layer's mount."""
        sides = _predictable(before), _predictable(after)
        return ({}, {}) if sides[0] == sides[1] else ({self._want.id: sides[0]}, {self._want.id: sides[1]})

    def report(self, outcome: Outcome[MountState]) -> dict[str, t.Any]:
        """Return the path of the layer's content, the mount and the layer."""
        after = outcome.after
        layer = after.layer
        path = read_only = None
        if layer and after.mount:
            path, read_only = MERGED, after.mount.read_only
        elif layer and layer.holders and not layer.lowers:
            path, read_only = DIFF, layer.committed
        return {
            "path": f"{self.home}/{self._want.id}/{path}" if path else None,
            "mounted": after.mount is not None,
            "read_only": read_only,
            "holders": list(layer.holders) if layer else [],
            "options": _options(after),
            "layer": reported(self.home, layer) if layer else None,
        }


def _options(after: MountState) -> str | None:
    """Return the mount data that we pass to mount(2); for a mount by another tool, the kernel's view of its options."""
    mount = after.mount
    if mount is None or mount.data is None:
        return None
    is_as_ours = after.options is not None and not mount.astray
    return printable(description(mount, after).data if is_as_ours else mount.data)


def _predictable(have: MountState) -> dict[str, t.Any]:
    mount = have.mount
    return {
        "mounted": mount is not None,
        "read_only": mount.read_only if mount else None,
        "volatile": mount.volatile if mount else None,
        "label": mount.label if mount else None,
        "holders": list(have.layer.holders) if have.layer else [],
    }
