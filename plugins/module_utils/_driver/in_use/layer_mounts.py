# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts that show a store's layers, in every mount namespace that has a process. PRIVATE to the collection.

Mounts in a namespace that only a file keeps, and mounts that are detached from every namespace, are not found.
"""

from __future__ import annotations

import functools
import os
import typing as t

from ..._linux import mountinfo
from ..._store.layout import LINKS, MERGED
from . import proc
from .own_mounts import OwnMounts

if t.TYPE_CHECKING:
    from .claims import Claims

_DELETED = " (deleted)"  # the kernel puts it behind the path of a file without a name


class LayerMount(t.NamedTuple):
    """A mount that shows a layer, or a part of the layer; not our own mount on <home>/<id>/merged.

    shows:          "merged": a copy of our overlay, or another overlay with the layer as upper; "lower": an overlay
                    with the layer as a lower; "diff": the layer's directory, or a part of it.
    here:           the mount is in our own mount namespace.
    namespace:      inode of the mount namespace.
    pid, command:   one process in the namespace.
    mount_point:    named from the root of the namespace.
    goes_with_ours: the mount vanishes when our overlay is unmounted.
    """

    shows: str
    here: bool
    namespace: int
    pid: int
    command: str
    mount_point: str
    propagation: tuple[str, ...]
    goes_with_ours: bool


class Hit(t.NamedTuple):
    """A mount that a path may lie on. name: the path, as named in our own namespace if we see the mount."""

    table: proc.MountTable
    mount: mountinfo.Mount
    id: str
    name: str


class LayerMounts:
    """The layers *ids* of the store at *home*, or all, through the mount namespaces of the threads met so far.

    known: our own mounts; None to read them now. Raises OSError if home, or our own mounts, cannot be read.
    """

    def __init__(
        self, home: str, ids: t.Collection[str] | None = None, known: mountinfo.Snapshot | None = None
    ) -> None:
        known = known or mountinfo.Snapshot()
        self.home = os.path.realpath(home)
        self._ids = None if ids is None else frozenset(ids)
        self._overlays: dict[str, tuple[str, ...]] = {}  # by dev: the layers of the overlay
        self._writable: set[str] = set()  # dev of the overlays whose upper is a layer
        self._own = OwnMounts(self.home, known)
        self._dev, self._place = self._own.dev, self._own.place
        self._merged = {
            mount.id: mount.mount_point[len(self.home) + 1 : -len(MERGED) - 1]
            for mount in mountinfo.below(self.home, known).seen
            if mount.fstype == "overlay" and _is_merged(self.home, mount.mount_point)
        }
        self._tables = {self._own.table.namespace: self._own.tables}
        self._spots: dict[int, dict[str, list[tuple[proc.MountTable, mountinfo.Mount]]]] = {}
        self._starts: dict[int, tuple[str, ...]] = {}
        own = self._own.table.by_id
        self._ours = {
            merged: own[mount_id]
            for mount_id, merged in self._merged.items()
            if mount_id in own and merged in self._layers_of_mount(self._own.table, own[mount_id])
        }
        self._learn(self._own.table.namespace)

    @functools.cached_property
    def _claims(self) -> Claims:
        from .claims import Claims  # a host without overlays does not need it, and each import is compiled

        return Claims(self.home, self._place, self._dev, self._own.table)

    def learn(self, thread: proc.Thread) -> bool:
        """Read the mounts of the namespace of *thread*, once; tell whether they are known now."""
        if thread.namespace not in self._tables:
            table = proc.table_of(thread, self._dev)
            if table is None:
                return False
            self._tables[thread.namespace] = [table]
            self._learn(thread.namespace)
        table = self._tables[thread.namespace][0]
        if table.pid == os.getpid():
            table.pid = thread.pid
        return True

    def _learn(self, space: int) -> None:
        """Note the paths at which a namespace shows the layers."""
        spots: dict[str, list[tuple[proc.MountTable, mountinfo.Mount]]] = {}
        if space != self._own.table.namespace:  # a file that was opened in our namespace is named from our root
            spots = {spot: list(there) for spot, there in self._spots[self._own.table.namespace].items()}
        for table in self._tables[space]:
            for mount in table.by_id.values():
                for spot in self._spots_of(table, mount):
                    spots.setdefault(spot, []).append((table, mount))
        self._spots[space] = spots
        self._starts[space] = tuple(spots)

    def _spots_of(self, table: proc.MountTable, mount: mountinfo.Mount) -> t.Iterator[str]:
        """Yield the path at which *mount* shows layers."""
        if mount.dev != self._dev:
            if self._layers_of_mount(table, mount):
                yield mount.mount_point
        elif mountinfo.is_below(self._place or "/", mount.root):
            rest = self._place if mount.root == "/" else self._place[len(mount.root) :]
            yield proc.join(mount.mount_point, rest)
        elif self._layer_in(mount.root):
            yield mount.mount_point

    def starts(self, space: int) -> tuple[str, ...]:
        """Return the paths at which a learned namespace shows layers: only a path that starts with one may hit."""
        return self._starts[space]

    def hits(self, space: int, path: str, link: str) -> list[Hit]:
        """Return the layers that *path* may lie in, by its name alone; proved() checks the mount. Raises OSError.

        space: the mount namespace of the thread that holds *path*. link: the link in /proc that leads to it. A path too
        long to be read is the link itself; then only the mount is known.
        """
        if path == link:
            return list(self._too_long(space, link))
        return self._hits(space, path) if path.startswith(self._starts[space]) else []

    def proved(self, space: int, hits: t.Sequence[Hit], link: str) -> t.Sequence[Hit]:
        """Return the *hits* on the mount that *link* leads to; all of them if no table knows the mount.

        A name alone may mean the wrong mount: a mount that a later mount hides, or a mount of our own namespace.
        Raises OSError.
        """
        try:
            id = proc.mount_id_of(link)
        except PermissionError:
            return hits
        except FileNotFoundError:
            if "/map_files/" in link and os.path.lexists(os.path.dirname(link)):  # the mapping has another size now
                return hits
            raise
        if any(table.has(id) for table in (*self._tables[space], *self._own.tables)):
            return [hit for hit in hits if hit.mount.id == id]
        return hits

    def _hits(self, space: int, path: str) -> list[Hit]:
        spots = self._spots[space]
        above = {one for start in (path, path.removesuffix(_DELETED)) for one in _at_and_above(start)}
        there = [where for spot in above for where in spots.get(spot, ())]
        return [hit for table, mount in there for hit in self._hits_on(table, mount, path)]

    def _hits_on(self, table: proc.MountTable, mount: mountinfo.Mount, path: str) -> t.Iterator[Hit]:
        """Yield the layers that *path* lies in if *path* is on *mount*."""
        inside = proc.inside(mount, path)
        if mount.dev == self._dev:
            layer = self._layer_in(inside.removesuffix(_DELETED))
            if layer is not None:
                yield Hit(table, mount, layer, self.home + inside[len(self._place) :])
            return
        layers = self._layers_of_mount(table, mount)
        ours = [
            self._ours[layer_id]
            for layer_id in layers
            if layer_id in self._ours and self._ours[layer_id].dev == mount.dev
        ]
        for layer_id in layers:
            yield Hit(table, mount, layer_id, proc.join(ours[0].mount_point, inside) if ours else path)

    def _too_long(self, space: int, link: str) -> t.Iterator[Hit]:
        """Yield the layers of a *link* whose path is longer than PATH_MAX: any user can make such a directory.

        The path is then the mount point or, in the store's filesystem, the nearest directory above that has a path. A
        file in the store's filesystem has no such directory. No other filesystem is asked. Raises OSError.
        """
        fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
        try:
            id = mountinfo.mount_id(fd)
            for table in (*self._tables[space], *self._own.tables):
                mount = table.by_id.get(id)
                if mount is not None:
                    path = mount.mount_point if mount.dev != self._dev else proc.path_above(fd)
                    yield from self._hits_on(table, mount, path) if path else ()
                    return
        finally:
            os.close(fd)

    def named(self, path: str) -> list[Hit]:
        """Return the layers that a file the kernel has open may lie in, by its path in the learned namespaces."""
        return [hit for space in self._tables for hit in self._hits(space, path)]

    def elsewhere(self) -> dict[str, list[LayerMount]]:
        """Return by layer the mounts that show the layer in the namespaces learned so far."""
        from .propagation import Propagation  # as above

        found: dict[str, dict[int, LayerMount]] = {}
        propagation = Propagation(self._own.table, list(self._all()))
        for table in self._all():
            command = ""
            for mount in table.by_id.values():
                for layer_id in self._layers_of_mount(table, mount):
                    if self._merged.get(mount.id) != layer_id and mount.id not in found.get(layer_id, ()):
                        command = command or proc.command_of(table.pid)
                        found.setdefault(layer_id, {})[mount.id] = LayerMount(
                            self._shows(mount, layer_id),
                            table is self._own.table,
                            table.namespace,
                            table.pid,
                            command,
                            mount.mount_point,
                            mount.propagation,
                            layer_id in self._ours and propagation.takes_along(self._ours[layer_id], mount, table),
                        )
        return {layer_id: list(mounts.values()) for layer_id, mounts in found.items()}

    def mounted_in(self) -> dict[str, list[tuple[int, str]]]:
        """Return by layer the mounts in the layer's directory, not on merged, in the namespaces learned so far.

        Each is a process that sees the mount, 0 for our own namespace, and the mount point as the process names it.
        """
        found: dict[str, list[tuple[int, str]]] = {}
        for table in self._all():
            for mount in table.by_id.values():
                for point in table.inner.get(mount.id, ()) if mount.dev == self._dev else ():
                    place = proc.inside(mount, point)
                    layer_id = self._layer_in(place)
                    if layer_id is not None and place != f"{self._place}/{layer_id}/{MERGED}":
                        found.setdefault(layer_id, []).append((0 if table is self._own.table else table.pid, point))
        return found

    def _all(self) -> t.Iterator[proc.MountTable]:
        for tables in self._tables.values():
            yield tables[0]

    def _shows(self, mount: mountinfo.Mount, layer_id: str) -> str:
        if mount.dev == self._dev:
            return "diff"
        as_ours = layer_id in self._ours and self._ours[layer_id].dev == mount.dev
        return "merged" if as_ours or mount.dev in self._writable else "lower"

    def _wants(self, layer_id: str) -> bool:
        """Tell whether the layer was asked for. If all layers were, exclude the store's own names."""
        return layer_id in self._ids if self._ids is not None else layer_id != LINKS and not layer_id.startswith(".")

    def _layer_in(self, inside: str) -> str | None:
        """Return the wanted layer that holds a path within the store's filesystem, or None."""
        layer_id = proc.name_in(self._place, inside)
        return layer_id if layer_id and self._wants(layer_id) else None

    def _layers_of_mount(self, table: proc.MountTable, mount: mountinfo.Mount) -> tuple[str, ...]:
        """Return the wanted layers that *mount* shows, whole or in part."""
        if mount.dev == self._dev:
            layer = self._layer_in(mount.root)
            return () if layer is None else (layer,)
        # Names differ between namespaces. For a mount of our own namespace, our own names are enough.
        known = mount.dev if self._own.table.has_dev(mount.dev) else f"{mount.dev} {table.namespace}"
        found = self._overlays.get(mount.dev) or self._overlays.get(known)
        if found is None:
            is_upper, named = self._claims.layers_of(table, mount)
            if is_upper:
                self._writable.add(mount.dev)
            elif not named:  # lost links, or no layers: the mount is still in the place of a layer's mount
                named = [self._merged[mount.id]] if mount.id in self._merged else []
            found = tuple(dict.fromkeys(layer_id for layer_id in named if self._wants(layer_id)))
            self._overlays[mount.dev if found else known] = found
        return found


def _is_merged(home: str, mount_point: str) -> bool:
    layer_id, _unused, rest = mount_point[len(home) + 1 :].partition("/")
    return bool(layer_id) and rest == MERGED


def _at_and_above(path: str) -> t.Iterator[str]:
    """Yield an absolute path and all directories above it."""
    while len(path) > 1:
        yield path
        path = path.rpartition("/")[0]
    yield "/"
