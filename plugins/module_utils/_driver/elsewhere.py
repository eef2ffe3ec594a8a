# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a store's layers are seen, in every mount namespace that has a process. PRIVATE to the collection.

Not found are mounts in a namespace that only a file keeps, and mounts detached from every namespace.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import re
import typing as t

from .._linux import mountinfo
from .._store.layout import MERGED
from . import namespaces

_LINK = re.compile(r"(?:(?:.*/)?l/)?([A-Z2-7]{26})", re.DOTALL)
_DIFF = re.compile(r"(?:.*/)?([^/]+)/diff", re.DOTALL)
_MERGED = re.compile(r"([^/]+)/merged\Z")


class LayerMount(t.NamedTuple):
    """A mount that shows a layer or a part of it; not the one on <home>/<id>/merged in our own namespace.

    shows:          "merged": the overlay itself, that one's or another with the layer as upper; "lower": an overlay
                    that has it as a lower; "diff": the layer's own directory, or something in it.
    namespace:      inode of its mount namespace.
    pid, command:   one process in there.
    mount_point:    named from the root of that namespace.
    goes_with_ours: it vanishes when ours is unmounted.
    """

    shows: str
    namespace: int
    pid: int
    command: str
    mount_point: str
    propagation: tuple[str, ...]
    goes_with_ours: bool


class View:
    """The layers *ids* of the store at *home*, or all, through the mount namespaces of the tasks met so far.

    Raises OSError where home or our own mounts cannot be read.
    """

    def __init__(self, home: str, ids: t.Collection[str] | None = None) -> None:
        self.home = os.path.realpath(home)
        self._ids = None if ids is None else frozenset(ids)
        self._overlays: dict[str, tuple[str, ...]] = {}  # their layers, by dev
        self._writable: set[str] = set()  # dev of those whose upper is a layer
        backing = self._backing()
        self._dev = backing.dev
        self._place = namespaces.inside(backing, self.home).rstrip("/")  # of home, within its filesystem
        task = namespaces.task_at(os.getpid(), "/proc/self")
        self._own = namespaces.Table(task, self._dev)
        if not self._dev:
            self._own.points["/"] = [backing]
        self._tables = {(task.namespace, task.root): self._own}
        self._ours = {
            id: mount
            for mount in self._own.by_id.values()
            for id in self._layers_of_mount(self._own, mount)
            if self._is_ours(self._own, mount, id)
        }

    def _backing(self) -> mountinfo.Mount:
        """Return the mount that home lies on."""
        fd = os.open(self.home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = mountinfo.mount_of_fd(fd, mountinfo.read())
        finally:
            os.close(fd)
        # Below a root directory that is no mount point, it is not listed: then only our own names are understood.
        return found or mountinfo.Mount(0, 0, "", "/", "/", "", (), "", "", "")

    def table(self, task: namespaces.Task) -> namespaces.Table | None:
        """Return the mounts that *task* can name, read once for all that see the same; None if it is gone."""
        key = task.namespace, task.root
        table = self._tables.get(key) or namespaces.table_of(task, self._dev)
        if table is not None:
            self._tables[key] = table
            if table.pid == os.getpid():
                table.pid = task.pid
        return table

    def named(self, table: namespaces.Table, link: str) -> tuple[namespaces.Table, str]:
        """Return the path that *link*, in /proc, of a task that sees *table* leads to, and the table it is named in.

        The kernel tells no path longer than PATH_MAX, and any user can have one. For an overlay it is the mount's then,
        otherwise that of the nearest directory above that has one, and "" for a file, whose directory nobody tells, or
        on a filesystem that is of no interest, which is not asked. Raises OSError.
        """
        try:
            return table, os.readlink(link)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
        fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
        try:
            id = mountinfo.mount_id(fd)
            for known in (table, self._own):  # who has such a root sees no mount that it lies on
                mount = known.by_id.get(id)
                if mount is not None:
                    return known, mount.mount_point if mount.fstype == "overlay" else namespaces.path_above(fd)
            return table, ""
        finally:
            os.close(fd)

    def layers_at(self, table: namespaces.Table, path: str) -> t.Iterator[tuple[str, str]]:
        """Yield the layers that *path*, as named in *table*, lies in, each with the path's name.

        That is the one in our own namespace, or *path* itself if we do not see what it lies on.
        """
        for mount in table.mounts_at(path):
            inside = namespaces.inside(mount, path)
            if mount.dev == self._dev:
                layer = self._layer_in(inside)
                if layer is not None:
                    yield layer, self.home + inside[len(self._place) :]
                continue
            layers = self._layers_of_mount(table, mount)
            ours = [self._ours[id] for id in layers if id in self._ours and self._ours[id].dev == mount.dev]
            for id in layers:
                yield id, namespaces.join(ours[0].mount_point, inside) if ours else path

    def elsewhere(self) -> dict[str, list[LayerMount]]:
        """Return, by layer, the mounts that show it in all the tables read so far."""
        found: dict[str, dict[int, LayerMount]] = {}
        receivers: dict[int, set[str]] = {}
        for table in self._tables.values():
            command = ""
            for mount in table.by_id.values():
                for id in self._layers_of_mount(table, mount):
                    if not self._is_ours(table, mount, id) and mount.id not in found.get(id, ()):
                        command = command or namespaces.command_of(table.pid)
                        found.setdefault(id, {})[mount.id] = LayerMount(
                            self._shows(mount, id),
                            table.namespace,
                            table.pid,
                            command,
                            mount.mount_point,
                            mount.propagation,
                            self._goes_with_ours(table, mount, id, receivers),
                        )
        return {id: list(mounts.values()) for id, mounts in found.items()}

    def mounted_in(self) -> dict[str, list[tuple[int, str]]]:
        """Return, by layer, what is mounted in its own directory, not on merged, in all the tables read so far.

        Each with a process that sees it, and its mount point as that names it.
        """
        found: dict[str, list[tuple[int, str]]] = {}
        for table in self._tables.values():
            for mount in table.by_id.values():
                for point in table.inner.get(mount.id, ()) if mount.dev == self._dev else ():
                    place = namespaces.inside(mount, point)
                    id = self._layer_in(place)
                    if id is not None and place != f"{self._place}/{id}/{MERGED}":
                        found.setdefault(id, []).append((table.pid, point))
        return found

    def _shows(self, mount: mountinfo.Mount, id: str) -> str:
        if mount.dev == self._dev:
            return "diff"
        as_ours = id in self._ours and self._ours[id].dev == mount.dev
        return "merged" if as_ours or mount.dev in self._writable else "lower"

    def _is_ours(self, table: namespaces.Table, mount: mountinfo.Mount, id: str) -> bool:
        """Tell whether *mount* is the overlay, or one of those on one another, where layer *id* is to be mounted."""
        here = table.namespace == self._own.namespace and mount.mount_point == f"{self.home}/{id}/merged"
        return here and mount.dev != self._dev

    def _goes_with_ours(
        self, table: namespaces.Table, mount: mountinfo.Mount, id: str, receivers: dict[int, set[str]]
    ) -> bool:
        """Tell whether umount(2) of our mount of layer *id* takes *mount* along.

        It does so to whatever lies on the same directory of each mount that receives from the one ours lies on. So
        the propagation of the two parents counts, not that of *mount* itself. A mount with others below it stays; one
        that covers it whole does not count. *receivers* keeps what was found, by the id of our parent.
        source: mount_namespaces(7), propagate_umount() in fs/pnode.c; tried on Linux 6.18
        """
        ours = self._ours.get(id)
        if ours is None or any(point != mount.mount_point for point in table.inner.get(mount.id, ())):
            return False
        parent, our_parent = table.by_id.get(mount.parent_id), self._own.by_id.get(ours.parent_id)
        if parent is None or our_parent is None or parent.dev != our_parent.dev:
            return False
        if namespaces.inside(parent, mount.mount_point) != namespaces.inside(our_parent, ours.mount_point):
            return False
        if our_parent.id not in receivers:
            receivers[our_parent.id] = self._receivers(our_parent)
        return bool(_groups(parent, "shared", "master", "propagate_from") & receivers[our_parent.id])

    def _receivers(self, mount: mountinfo.Mount) -> set[str]:
        """Return the peer groups that what happens on *mount* reaches: its own, and their slaves' slaves."""
        groups = _groups(mount, "shared")
        related = [one for table in self._tables.values() for one in table.by_id.values() if one.dev == mount.dev]
        known = -1
        while known != len(groups):
            known = len(groups)
            for one in related:
                if _groups(one, "master", "propagate_from") & groups:
                    groups |= _groups(one, "shared")
        return groups

    def _wants(self, id: str) -> bool:
        """Tell whether this is a layer asked for; where all are, it must not be a name of the store's own."""
        return id in self._ids if self._ids is not None else id != "l" and not id.startswith(".")

    def _layer_in(self, inside: str) -> str | None:
        """Return the wanted layer that a path within the store's filesystem lies in."""
        if not inside.startswith(self._place + "/"):
            return None
        id = inside[len(self._place) + 1 :].partition("/")[0]
        return id if id and self._wants(id) else None

    def _layers_of_mount(self, table: namespaces.Table, mount: mountinfo.Mount) -> tuple[str, ...]:
        """Return the wanted layers that *mount* shows, or shows a part of, and nothing else."""
        if mount.dev == self._dev:
            layer = self._layer_in(mount.root)
            return () if layer is None else (layer,)
        if mount.dev not in self._overlays:
            upper, lowers = self._layers_named(table, mountinfo.overlay_options(mount))
            if upper:
                self._writable.add(mount.dev)
            elif not lowers:  # lost links, or no layers at all: it is in the place of a layer's mount all the same
                lowers = [id for id in _MERGED.findall(mount.mount_point) if self._is_ours(table, mount, id)]
            named = [upper] if upper else lowers
            self._overlays[mount.dev] = tuple(dict.fromkeys(id for id in named if self._wants(id)))
        return self._overlays[mount.dev]

    def _layers_named(self, table: namespaces.Table, options: mountinfo.OverlayOptions) -> tuple[str | None, list[str]]:
        """Return the layer whose diff is the upper, or without one those that are lowers.

        Of a chain of our links only the nearest: it is the child of the others, and stands for them.

        A path there is one of the mounter's namespace, or relative to a directory nobody knows. But link names are
        random: one that is ours proves that the store is. Without any, a path is taken at its word, by our own names
        and by those of *table*; with those of another store, by those of *table* alone, where the path is absolute.
        """
        ours = any(self._behind(path) for path in options.lowers)
        if ours:
            name = self._named
        elif any(_LINK.fullmatch(path) for path in options.lowers):
            name = functools.partial(self._at_path, (table,), "")
        else:
            name = functools.partial(self._at_path, (self._own, table), self.home)
        upper = name(options.upper) if options.upper else None
        lowers = () if upper else (id for id in map(name, options.lowers) if id)
        return upper, list(itertools.islice(lowers, 1 if ours else None))

    def _behind(self, path: str) -> str | None:
        """Return the layer that *path*, from the data of an overlay, leads to if it is one of our links."""
        match = _LINK.fullmatch(path)
        if match is None:
            return None
        try:
            target = _DIFF.fullmatch(os.readlink(f"{self.home}/l/{match.group(1)}"))
        except OSError:
            return None
        return target and target.group(1)

    def _named(self, path: str) -> str | None:
        """Return the layer of a path of our store, wherever the one who mounted it saw the store."""
        match = _DIFF.fullmatch(path)
        if match is not None and os.path.isdir(f"{self.home}/{match.group(1)}"):
            return match.group(1)
        return self._behind(path)

    def _at_path(self, tables: t.Sequence[namespaces.Table], directory: str, path: str) -> str | None:
        """Return the layer of a path as named in one of *tables*; a relative one starts at *directory*."""
        path = os.path.normpath(os.path.join(directory, path))
        for table in tables:
            for mount in table.mounts_at(path):
                layer = self._layer_in(namespaces.inside(mount, path)) if mount.dev == self._dev else None
                if layer is not None:
                    return layer
        return None


def _groups(mount: mountinfo.Mount, *kinds: str) -> set[str]:
    """Return the numbers of the peer groups that *mount* has one of these relations to."""
    return {group for kind, _unused, group in (field.partition(":") for field in mount.propagation) if kind in kinds}
