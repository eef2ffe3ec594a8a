# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds mounts in a store that a later mount hides. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._linux import mountinfo
from .finding import Finding


def hidden_mounts(home: str) -> list[Finding]:
    """Return the mounts with a mount point in *home* that another mount hides. Raises OSError.

    Such mounts exist if a store was used before the filesystem for it was mounted at home. They show the store below,
    and stay in use. The subject is the name in home, mostly a layer's.
    """
    below = mountinfo.below(home)
    return [_finding(home, mount, _cover(home, mount, below.seen)) for mount in below.hidden]


def _cover(home: str, mount: mountinfo.Mount, seen: t.Iterable[mountinfo.Mount]) -> str:
    """Return the mount point of the mount that hides *mount*: the nearest visible one above it."""
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


def _finding(home: str, mount: mountinfo.Mount, cover: str) -> Finding:
    name = os.path.relpath(mount.mount_point, home).partition("/")[0]
    return Finding("hidden_mount", name, mount.mount_point, found=mount.fstype, target=cover)
