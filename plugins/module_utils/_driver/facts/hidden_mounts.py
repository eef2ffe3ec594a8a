# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds mounts in a store that a later mount hides. PRIVATE to the collection."""

from __future__ import annotations

import os

from ..._linux import mountinfo
from ..store import Store
from .finding import Finding


def hidden_mounts(store: Store) -> list[Finding]:
    """Return the mounts with a mount point in the store's home that another mount hides. Raises OSError.

    Such mounts exist if a store was used before the filesystem for it was mounted at home. They show the store below,
    and stay in use. The subject is the name in home, mostly a layer's.
    """
    return [_finding(store.home, mount, _cover(store, mount)) for mount in store.mount_table.hidden]


def _cover(store: Store, mount: mountinfo.Mount) -> str:
    """Return the mount point of the mount that hides *mount*: the nearest visible one above it."""
    above = [one.mount_point for one in store.mount_table.seen if one.mount_point != mount.mount_point]
    points = [point for point in above if mountinfo.is_below(mount.mount_point, point)]
    if points:
        return max(points, key=len)
    fd = os.open(store.home, os.O_PATH | os.O_CLOEXEC)
    try:
        found = mountinfo.mount_of_fd(fd, store.all_mounts.mounts)
    finally:
        os.close(fd)
    return found.mount_point if found else store.home


def _finding(home: str, mount: mountinfo.Mount, cover: str) -> Finding:
    name = os.path.relpath(mount.mount_point, home).partition("/")[0]
    return Finding("hidden_mount", name, mount.mount_point, found=mount.fstype, target=cover)
