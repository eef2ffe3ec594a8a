# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies of a mount that vanish when the mount is unmounted. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._linux.mountinfo import Mount
from . import proc


class Propagation:
    """The effect of umount(2) of mounts in the table *own* on their copies in *tables*, which are all known tables."""

    def __init__(self, own: proc.MountTable, tables: t.Sequence[proc.MountTable]) -> None:
        self._own = own
        self._tables = tables
        self._receivers: dict[int, set[str]] = {}  # by the id of the mount below ours

    def takes_along(self, ours: Mount, mount: Mount, table: proc.MountTable) -> bool:
        """Tell whether umount(2) of *ours* also unmounts *mount*, which is in *table*.

        The kernel unmounts what lies on the same directory of each mount that receives events from the parent of
        *ours*. So the propagation of the two parents counts, not the propagation of *mount*. A mount with other mounts
        below it stays; a mount that covers it whole does not count as below.
        source: mount_namespaces(7), propagate_umount() in fs/pnode.c; tried on Linux 6.18
        """
        if any(point != mount.mount_point for point in table.inner.get(mount.id, ())):
            return False
        parent, our_parent = table.by_id.get(mount.parent_id), self._own.by_id.get(ours.parent_id)
        if parent is None or our_parent is None or parent.dev != our_parent.dev:
            return False
        if proc.inside(parent, mount.mount_point) != proc.inside(our_parent, ours.mount_point):
            return False
        if our_parent.id not in self._receivers:
            self._receivers[our_parent.id] = self._reached_from(our_parent)
        return bool(_groups(parent, "shared", "master", "propagate_from") & self._receivers[our_parent.id])

    def _reached_from(self, mount: Mount) -> set[str]:
        """Return the peer groups that receive the events of *mount*: its own group, its slaves, and their slaves."""
        groups = _groups(mount, "shared")
        related = [one for table in self._tables for one in table.by_id.values() if one.dev == mount.dev]
        known = -1
        while known != len(groups):
            known = len(groups)
            for one in related:
                if _groups(one, "master", "propagate_from") & groups:
                    groups |= _groups(one, "shared")
        return groups


def _groups(mount: Mount, *kinds: str) -> set[str]:
    """Return the numbers of the peer groups to which *mount* has one of the relations *kinds*."""
    return {group for kind, _unused, group in (field.partition(":") for field in mount.propagation) if kind in kinds}
