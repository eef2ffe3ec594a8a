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


class Wanted(t.NamedTuple):
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
    links:   names in l/ of its lowers, nearest first.
    marker:  overlayfs has noted in its workdir that a mount skips, or skipped, syncs.
    below:   mount points on the mount. copies: overlays of the layer, in words, that stay when ours goes. Both are
             looked for only where a plan may need them.
    options: what every mount of ours gets; refusal: why nothing can be mounted here, None if it can. Known only where
             the layer is to be mounted.
    root:    uid and gid of the remapped root.
    """

    home: str
    exists: bool = False
    layer: LayerState | None = None
    mount: Mounted | None = None
    links: tuple[str, ...] = ()
    marker: bool = False
    below: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    options: tuple[str, ...] | None = None
    refusal: Overlay2Error | None = None
    root: tuple[int, int] = (0, 0)


def mounted_layer(home: str, mount: mountinfo.Mount) -> str:
    """Return the id of the layer on whose merged *mount* is an overlay; "" if it is something else."""
    if mount.fstype != "overlay" or not mount.mount_point.startswith(home + "/"):
        return ""
    id, _unused, rest = mount.mount_point[len(home) + 1 :].partition("/")
    return id if rest == MERGED else ""
