# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_mount: a layer is mounted for a holder, or isn't. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._driver.layers.read import Observer
from .._driver.mounts.actions import Unmount
from .._driver.mounts.description import drift as differences
from .._driver.mounts.plan import description, drift, plan_mounted, plan_unmounted
from .._driver.mounts.state import Mounted, MountState, Wanted
from .._driver.plan import Plan
from .._driver.probe import features as probe
from .._driver.state import LayerState, reported
from .._errors import NotSupported, Overlay2Error, printable
from .._linux import mountinfo
from .._linux.overlayfs import overlay_options
from .._store.damage import missing_directory
from .._store.engine import store_foreign
from .._store.holders import check_holder
from .._store.layout import DIFF, MERGED, VOLATILE_MARKER, WORK, check_home, check_id
from .._store.lock import layer_not_found
from .._store.owner import owner
from .._store.recognition import is_directory, is_store, require_store
from .._store.settings import read_settings


class MountTask:
    """A layer is ``mounted`` as *want* says, or ``unmounted``."""

    lengthy = False
    reading = False
    again = False

    def __init__(self, home: str, want: Wanted, state: str, *, force: bool = False) -> None:
        self.home = check_home(home)
        self.layers: t.Sequence[str] = (check_id(want.id),)
        check_holder(want.holder)
        self._want = want
        self._mounting = state == "mounted"
        self._force = force

    def observe(self) -> MountState:
        """Read the layer, its mount, and what may stand against making or ending that."""
        have = MountState(self.home, exists=is_store(self.home))
        observer = Observer(self.home)
        layer = observer.layer(self._want.id) if have.exists else None
        if layer is None:
            return have
        found = observer.store.layer(layer.id)
        links = found.lowers if found else ()
        mount = observer.mount(layer.id)
        have = have._replace(
            layer=layer,
            mount=_mounted(self.home, layer.id, links, layer.committed, mount) if mount else None,
            links=links,
            marker=os.path.lexists(os.path.join(self.home, layer.id, VOLATILE_MARKER)),
            root=read_settings(self.home).root,
        )
        if self._mounting:
            return self._with_means(have, layer) if layer.lowers else have
        if have.mount is None or self._force:
            return have
        return _with_obstacles(have, layer.id)

    def _with_means(self, have: MountState, layer: LayerState) -> MountState:
        """Add what a mount needs. Raises StoreCorrupt for a layer that cannot be mounted, OSError."""
        layer_id = layer.id
        features = probe.probe(self.home)
        refusal = probe.refusal(features) or _label_refusal(self._want.label)
        have = have._replace(options=probe.mount_options(features), refusal=refusal)
        if have.mount is not None and not drift(self._want, have):
            return have
        for name in (DIFF,) if layer.committed else (DIFF, WORK):
            path = os.path.join(self.home, layer_id, name)
            if not is_directory(path):
                from .._store.mending import Mending  # not needed by most runs, and each import is compiled

                raise Mending(self.home).error(missing_directory(layer_id, path, name))
        return _with_obstacles(have, layer_id)

    def plan(self, have: MountState, predicting: bool) -> Plan:
        """See Task."""
        if self._mounting:
            require_store(self.home)
            if have.layer is None:
                raise layer_not_found(self.home, self._want.id)
        planner = plan_mounted if self._mounting else plan_unmounted
        try:
            plan = planner(self._want, have, force=self._force)
        except Overlay2Error:
            self._check_ours()  # what else would help is refused in another engine's store
            raise
        if plan.actions:
            self._check_ours()
        if predicting:
            for action in plan.actions:
                if isinstance(action, Unmount):
                    action.check(self.home)
        return plan

    def _check_ours(self) -> None:
        engine = owner(self.home)
        if engine:
            raise store_foreign(self.home, engine, f"{'' if self._mounting else 'un'}mount layer {self._want.id}")

    def root(self, have: MountState) -> tuple[int, int]:
        """See Task."""
        return have.root

    def difference(self, before: MountState, after: MountState) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return what changes of the layer's mount."""
        sides = _predictable(before), _predictable(after)
        return ({}, {}) if sides[0] == sides[1] else ({self._want.id: sides[0]}, {self._want.id: sides[1]})

    def report(self, have: MountState, after: MountState, predicting: bool) -> dict[str, t.Any]:
        """Return where the layer's content is to be seen, and how it is mounted."""
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


def _mounted(home: str, layer_id: str, links: t.Sequence[str], committed: bool, found: mountinfo.Mount) -> Mounted:
    told = overlay_options(found)
    differs = differences(home, layer_id, links, found, read_only=committed)
    return Mounted(
        read_only="ro" in found.options.split(",") or "ro" in told.others,
        volatile=told.volatile,
        label=told.others.get("context", ""),
        astray=tuple(word for word in differs if word in ("lowers", "upper")),
        data=found.super_options,
    )


def _with_obstacles(have: MountState, layer_id: str) -> MountState:
    """Add what can be in the way of unmounting, and of mounting read-write. Raises OSError."""
    from .._driver.in_use import users  # costs a look at the mounts of every process, and most runs change nothing

    merged = os.path.join(have.home, layer_id, MERGED)
    below = [
        mount.mount_point
        for mount in mountinfo.below(os.path.join(have.home, layer_id)).seen
        if mountinfo.is_below(mount.mount_point, merged)
        and not (mount.mount_point == merged and mount.fstype == "overlay")
    ]
    copies = [
        f"on {printable(mount.mount_point)}"
        + ("" if mount.here else f", seen by pid {mount.pid} ({printable(mount.command)})")
        for mount in users.independent_mounts(have.home, layer_id)
    ]
    return have._replace(below=tuple(below), copies=tuple(copies))


def _label_refusal(label: str | None) -> Overlay2Error | None:
    """Return the error for a mount label where SELinux is off; the kernel would only call it an invalid argument."""
    if not label:
        return None
    with open("/proc/filesystems", encoding="ascii") as file:
        if any(line.split()[-1:] == ["selinuxfs"] for line in file):
            return None
    return NotSupported("SELinux is off here, so no mount can have a label", hint="leave mount_label out")


def _options(after: MountState) -> str | None:
    """Return the mount data as given to the kernel: of a mount that is not as we make it, as the kernel shows it."""
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
