# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts in a store that a later mount hides. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import printable
from ..._linux import mountinfo


class Hidden(t.NamedTuple):
    """A mount that no path leads to. name: what lies in home and has it, a layer mostly; path: from home."""

    name: str
    path: str
    message: str
    hint: str


def hidden_mounts(home: str) -> list[Hidden]:
    """Return the mounts with a mount point in *home* that lie on what another mount hides. Raises OSError.

    That comes about when a store was used before the filesystem for it was mounted at home. What they show belongs to
    the store below, and stays in use.
    """
    below = mountinfo.below(home)
    return [_told(home, mount, _cover(home, mount, below.seen)) for mount in below.hidden]


def _cover(home: str, mount: mountinfo.Mount, seen: t.Iterable[mountinfo.Mount]) -> str:
    """Return the mount point of what hides *mount*: the nearest one above it that is seen."""
    above = [one.mount_point for one in seen if one.mount_point != mount.mount_point]
    points = [point for point in above if mountinfo.is_below(mount.mount_point, point)]
    if points:
        return max(points, key=len)
    fd = os.open(home, os.O_PATH | os.O_CLOEXEC)
    try:
        found = mountinfo.mount_of_fd(fd, mountinfo.read())
    finally:
        os.close(fd)
    return found.mount_point if found else home


def _told(home: str, mount: mountinfo.Mount, cover: str) -> Hidden:
    path = os.path.relpath(mount.mount_point, home)
    point, over = printable(mount.mount_point), printable(cover)
    return Hidden(
        path.partition("/")[0],
        path,
        f"{mount.fstype} is mounted on {point}, and what was mounted on {over} later hides it: it is not this store's",
        f"end what uses {over} and unmount it; then run umount {point}, and mount {over} again",
    )
