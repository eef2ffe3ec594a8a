# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a layer and of its mount. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import NotSupported, Overlay2Error, StoreCorrupt, printable
from ..._linux import mountinfo
from ..._linux.overlayfs import is_read_only, overlay_options
from ..._store.layout import DIFF, MERGED, WORK
from ..._store.recognition import has_volatile_marker, is_directory
from ..state import LayerState
from ..store import Store
from .description import overlay_differs
from .state import Mounted, MountState, WantedMount, mount_differs


def observe_mount(store: Store, layer_id: str, *, ending: bool = False) -> MountState:
    """Return the state of a layer and of its mount. Raises StoreCorrupt, what is_store() raises, OSError.

    ending: the mount is to end, so the layer may be damaged: overlay2_repair repairs no layer that is mounted.
    """
    have = MountState(store.home, exists=store.exists)
    layer = _read_layer(store, layer_id, ending) if have.exists else None
    if layer is None:
        return have
    store.settings  # noqa: B018 - raises if the own file is damaged: such a store is not mounted from
    links = _links(store, layer_id, ending)
    mount = store.mount(layer_id)
    return have._replace(
        layer=layer,
        mount=_read_overlay(store.home, layer_id, links, layer.committed, mount) if mount else None,
        links=links,
        marker=has_volatile_marker(store.home, layer_id),
        engine=store.owner,
    )


def _read_layer(store: Store, layer_id: str, ending: bool) -> LayerState | None:
    if not ending:
        return store.layer(layer_id)
    layer = store.salvage(layer_id)
    return layer and layer._replace(lowers=tuple(lower for lower in layer.lowers if lower in store.files.ids))


def _links(store: Store, layer_id: str, ending: bool) -> tuple[str, ...]:
    try:
        found = store.files.layer(layer_id)
    except StoreCorrupt:
        if ending:
            return ()
        raise
    return found.lowers if found else ()


def with_means(store: Store, have: MountState, want: WantedMount) -> MountState:
    """Return *have* with what a mount needs. Raises StoreCorrupt for a layer that lacks a directory, OSError."""
    layer = have.layer
    if layer is None:
        return have
    if not layer.lowers:
        _check_directories(store, layer.id, (DIFF,))
        return have
    from ..probe import features  # a run that unmounts does not need the features

    refusal = features.not_supported_error(store.features) or _label_refusal(want.label)
    have = have._replace(options=features.mount_options(store.features), refusal=refusal)
    if have.mount is not None and not mount_differs(want, have):
        return have
    _check_directories(store, layer.id, (DIFF,) if layer.committed else (DIFF, WORK))
    merged = store.path(layer.id, MERGED)
    if os.path.lexists(merged) and not is_directory(merged):  # mount(2) follows a symlink out of the store
        from ..._store.unusable import blocked_merged  # as above

        raise blocked_merged(store.home, layer.id)
    return with_obstacles(store, have)


def _check_directories(store: Store, layer_id: str, names: t.Iterable[str]) -> None:
    """Raise StoreCorrupt if a layer lacks one of its directories *names*. Raises OSError."""
    for name in names:
        path = store.path(layer_id, name)
        if not is_directory(path):
            from ..._store.unusable import missing_directory  # few layers are damaged

            raise store.files.mending.error(missing_directory(layer_id, path, name))


def with_obstacles(store: Store, have: MountState) -> MountState:
    """Return *have* with what can prevent an unmount, and a read-write mount. Raises OSError."""
    from ..in_use.elsewhere import independent_mounts  # most runs change nothing

    if have.layer is None:
        return have
    merged = store.path(have.layer.id, MERGED)
    below = [
        mount.mount_point
        for mount in store.mount_table.seen
        if mountinfo.is_below(mount.mount_point, merged)
        and not (mount.mount_point == merged and mount.fstype == "overlay")
    ]
    copies = [
        f"on {printable(mount.mount_point)}"
        + ("" if mount.here else f", seen by pid {mount.pid} ({printable(mount.command)})")
        for mount in independent_mounts(store.home, have.layer.id, store.all_mounts)
    ]
    return have._replace(below=tuple(below), copies=tuple(copies))


def _read_overlay(home: str, layer_id: str, links: t.Sequence[str], committed: bool, found: mountinfo.Mount) -> Mounted:
    """Return the state of the overlay *found* on the layer's merged."""
    told = overlay_options(found)
    differs = overlay_differs(home, layer_id, links, found, read_only=committed)
    return Mounted(
        read_only=is_read_only(found),
        volatile=told.volatile,
        label=told.others.get("context", ""),
        astray=tuple(word for word in differs if word in ("lowers", "upper")),
        data=found.super_options,
    )


def _label_refusal(label: str | None) -> Overlay2Error | None:
    """Return the error for a mount label if SELinux is off; the kernel only says "invalid argument"."""
    if not label:
        return None
    with open("/proc/filesystems", encoding="ascii") as file:
        if any(line.split()[-1:] == ["selinuxfs"] for line in file):
            return None
    return NotSupported("SELinux is off here, so no mount can have a label", hint="leave mount_label out")
