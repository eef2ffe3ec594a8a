# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copies of a mount go when it is unmounted. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._linux.mountinfo import Mount
from . import proc


class Propagation:
    """What umount(2) of mounts in the table *own* does to their copies in *tables*, which are all that are known."""

    def __init__(self, own: proc.MountTable, tables: t.Sequence[proc.MountTable]) -> None:
        self._own = own
        self._tables = tables
        self._receivers: dict[int, set[str]] = {}  # by the id of the mount that ours lies on

    def takes_along(self, ours: Mount, mount: Mount, table: proc.MountTable) -> bool:
        """Tell whether umount(2) of *ours* takes *mount*, in *table*, along.

        It does so to whatever lies on the same directory of each mount that receives from the one ours lies on. So
        the propagation of the two parents counts, not that of *mount* itself. A mount with others below it stays; one
        that covers it whole does not count.
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
        """Return the peer groups that what happens on *mount* reaches: its own, and their slaves' slaves."""
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
    """Return the numbers of the peer groups that *mount* has one of these relations to."""
    return {group for kind, _unused, group in (field.partition(":") for field in mount.propagation) if kind in kinds}
