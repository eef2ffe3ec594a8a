# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount of a layer as it is, and as it is wanted. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..._linux import mountinfo
from ..._store.layout import MERGED
from ..state import LayerState


class WantedMount(t.NamedTuple):
    """A mount as it is asked for.

    holder:   who needs it, or no longer does.
    label:    SELinux context; "" for none; None: leave it as it is, on a new mount none.
    volatile: skip syncs; means nothing where nothing is written.
    """

    id: str
    holder: str
    label: str | None = None
    volatile: bool = False


class Mounted(t.NamedTuple):
    """An overlay on a layer's merged.

    label:  "" for none.
    astray: which of "lowers" and "upper" are not the layer's.
    data:   as the kernel shows it; None for one that is only planned.
    """

    read_only: bool
    volatile: bool = False
    label: str = ""
    astray: tuple[str, ...] = ()
    data: str | None = None


class MountState(t.NamedTuple):
    """A layer and its mount, as they are or as a plan says they will be.

    exists:  there is a store at home; layer, mount: None where there is none.
    links:   the names in l/ of the lowers, nearest first.
    marker:  overlayfs has noted in its workdir that a mount skips, or skipped, syncs.
    below:   mount points on the mount. copies: overlays of the layer, in words, that stay when our mount goes. Both are
             looked for only where a plan may need them.
    busy:    the processes that use the mount, in words; looked for only where unmounting is predicted.
    options: what every mount of ours gets; refusal: why nothing can be mounted here, None if it can. Known only where
             the layer is to be mounted.
    engine:  whose the store is, if not ours, as owner() says.
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


def mounted_layer(home: str, mount: mountinfo.Mount) -> str:
    """Return the id of the layer on whose merged *mount* is an overlay; "" if it is something else."""
    if mount.fstype != "overlay" or not mount.mount_point.startswith(home + "/"):
        return ""
    layer_id, _slash, rest = mount.mount_point[len(home) + 1 :].partition("/")
    return layer_id if rest == MERGED else ""


def mount_differs(want: WantedMount, have: MountState) -> tuple[str, ...]:
    """Return the properties in which the mount differs from what is asked for, sorted; none without a mount."""
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
    """Return the mount that is asked for, of a layer that exists."""
    read_only = have.layer is not None and have.layer.committed
    kept = have.mount.label if have.mount else ""
    return Mounted(read_only, want.volatile and not read_only, kept if want.label is None else want.label)
