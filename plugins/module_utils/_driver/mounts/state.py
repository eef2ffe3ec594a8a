# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount of a layer: as observed, and as wanted. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..state import LayerState


class WantedMount(t.NamedTuple):
    """The mount that the user asks for.

    holder:   the name under which the user needs the mount, or needs the mount no longer.
    label:    SELinux context; "" for none; None: keep the label of an existing mount, and give a new mount none.
    volatile: skip syncs; without effect on a read-only mount.
    """

    id: str
    holder: str
    label: str | None = None
    volatile: bool = False


class Mounted(t.NamedTuple):
    """An overlay on a layer's merged.

    label:  "" for none.
    astray: which of "lowers" and "upper" differ from those of the layer.
    data:   the mount data as the kernel shows it; None for a mount that is only planned.
    """

    read_only: bool
    volatile: bool = False
    label: str = ""
    astray: tuple[str, ...] = ()
    data: str | None = None


class MountState(t.NamedTuple):
    """A layer and its mount, as observed, or as they are after a plan.

    exists:  there is a store at home.
    layer:   None if there is no such layer. mount: None if the layer is not mounted.
    links:   the names in l/ of the lowers, nearest first.
    marker:  the workdir has the mark of overlayfs that a mount skips, or skipped, syncs.
    below:   the mount points on the mount; looked for only if a plan may need them.
    copies:  overlays of the layer, in words, that stay when our mount goes; looked for only if a plan may need them.
    busy:    the processes that use the mount, in words; looked for only if unmounting is predicted.
    options: the options that all our mounts have; None if the layer is not to be mounted.
    refusal: why the layer cannot be mounted here; None if it can, or is not to be mounted.
    engine:  the owner of the store, as owner() returns it; None if the store is ours.
    """

    home: str
    exists: bool = False
    layer: LayerState | None = None
    mount: Mounted | None = None
    links: tuple[str, ...] = ()
    marker: bool = False
    below: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    busy: str = ""
    options: tuple[str, ...] | None = None
    refusal: Overlay2Error | None = None
    engine: str | None = None


def mount_differs(want: WantedMount, have: MountState) -> tuple[str, ...]:
    """Return the properties in which the mount differs from the wanted one, sorted; none without a mount."""
    if have.mount is None or have.layer is None or not have.layer.lowers:
        return ()
    wanted = wanted_mount(want, have)
    differs = {
        "label": have.mount.label != wanted.label,
        "read_only": have.mount.read_only is not wanted.read_only,
        "volatile": have.mount.volatile is not wanted.volatile,
    }
    return tuple(sorted([*have.mount.astray, *(word for word in differs if differs[word])]))


def wanted_mount(want: WantedMount, have: MountState) -> Mounted:
    """Return the mount that the user asks for, of a layer that exists."""
    read_only = have.layer is not None and have.layer.committed
    kept = have.mount.label if have.mount else ""
    return Mounted(read_only, want.volatile and not read_only, kept if want.label is None else want.label)
