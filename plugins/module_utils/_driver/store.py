# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One store, read once per attempt. PRIVATE to the collection.

A task gets a Store for each attempt and hands it down: no function reads from the disk again what the Store has read.
The id alone names a layer, since an attempt has one Store.
"""

from __future__ import annotations

import functools
import typing as t

from .._chain_ids import chain_id
from .._errors import StoreCorrupt
from .._linux import mountinfo
from .._store.engine import SOMEBODY, managed_by
from .._store.layout import MERGED
from .._store.recognition import is_store, is_unclaimed, layer_ids
from .._store.settings import Settings, read_settings
from .state import LayerState

if t.TYPE_CHECKING:
    from .._store.layer import Layer, LayerFiles
    from .probe.features import Features
    from .quota.projects import Use


# What a run cannot change by a change of layers and mounts, while it holds the lock of the store.
_UNCHANGED = ("exists", "managed_by", "owner", "settings", "features", "has_quota", "home_project", "block")


class Store:
    """Reads a store. Each attribute is read once, when it is first used: make a new Store to see changes.

    home: the path of the store, without symlinks. There may be no store at home.

    Each attribute raises OSError, and its docstring names its other errors. An attribute imports its modules when it is
    first used: each import is compiled on every host, and most runs use a few attributes.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._chains: dict[str, str | None] = {}

    def after_mounting(self) -> Store:
        """Return the store after a change of mounts or holders, for a caller that has held the lock: same chains."""
        again = self._kept(*_UNCHANGED)
        again.files = self.files.read_again()
        return again

    def after_making(self) -> Store:
        """Return the store once layers were made, limited or sealed, for a caller that has held the lock."""
        again = self._kept(*_UNCHANGED, "all_mounts", "mount_table", "mounts")
        again.files = self.files.with_new()
        return again

    def _kept(self, *names: str) -> Store:
        """Return the store with what was read under *names*."""
        again = Store(self.home)
        vars(again).update({name: value for name, value in vars(self).items() if name in names})
        return again

    @functools.cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all layer directories."""
        return frozenset(layer_ids(self.home))

    @functools.cached_property
    def files(self) -> LayerFiles:
        """The files of the layers."""
        from .._store.layer import LayerFiles

        files = LayerFiles(self.home, lambda: self.managed_by or (SOMEBODY if self.is_unclaimed else None))
        if "ids" in vars(self):  # otherwise many runs do not need them
            files.ids = self.ids
        return files

    @functools.cached_property
    def exists(self) -> bool:
        """Whether there is a store at home. Raises what is_store() raises for something else at home."""
        return is_store(self.home)

    @functools.cached_property
    def managed_by(self) -> str | None:
        """The engine that manages the store, None for none."""
        return managed_by(self.home, self.all_mounts)

    @functools.cached_property
    def owner(self) -> str | None:
        """The owner of the store, as owner() returns it: an engine, SOMEBODY, or None if the store is ours."""
        return self.managed_by or (SOMEBODY if self.exists and self.is_unclaimed else None)

    @functools.cached_property
    def is_unclaimed(self) -> bool:
        """Whether nothing says whose layers at home are; see is_unclaimed()."""
        return is_unclaimed(self.home)

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings in the store's own file. Raises StoreCorrupt."""
        return read_settings(self.home)

    @functools.cached_property
    def features(self) -> Features:
        """What the kernel and the filesystem at home support."""
        from .probe.features import probe

        return probe(self.home, known=self.all_mounts)

    @functools.cached_property
    def all_mounts(self) -> mountinfo.Snapshot:
        """All mounts that this process sees. Each reader of this attempt gets them from here."""
        return mountinfo.Snapshot()

    @functools.cached_property
    def mount_table(self) -> mountinfo.Below:
        """The mounts below home."""
        return mountinfo.below(self.home, self.all_mounts)

    @functools.cached_property
    def mounts(self) -> dict[str, mountinfo.Mount]:
        """The visible overlays below home, by mount point; of several on one mount point, the topmost.

        An overlay that a later mount hides (a filesystem mounted at home, for one) is left out: its mount point has the
        name of a layer of this store, but the overlay belongs to another store.
        """
        return {mount.mount_point: mount for mount in self.mount_table.seen if mount.fstype == "overlay"}

    @functools.cached_property
    def has_quota(self) -> bool:
        """Whether layers can have limits: project quota is on."""
        from .quota.support import project_quota_is_on

        return project_quota_is_on(self.home, self.all_mounts)

    @functools.cached_property
    def home_project(self) -> int:
        """The project id of home, 0 for none."""
        from .quota.project_id import project_of

        return project_of(self.home)

    @functools.cached_property
    def block(self) -> int:
        """The unit in which the filesystem counts the limits of layers, in bytes."""
        from .quota.support import block_size

        return block_size(self.home)

    def path(self, *parts: str) -> str:
        """Return the path of something below home."""
        return "/".join((self.home, *parts))

    def mount(self, layer_id: str) -> mountinfo.Mount | None:
        """Return the overlay on the merged directory of a layer, None if there is none."""
        return self.mounts.get(self.path(layer_id, MERGED))

    def quota(self, layer_id: str) -> Use | None:
        """Return the limits and the use of a layer; None if project quota is off, or the layer is not a project."""
        if not self.has_quota:
            return None
        from .quota.projects import use_of

        return use_of(self.path(layer_id), self.home_project, self.all_mounts)

    def layer(self, layer_id: str) -> LayerState | None:
        """Return the state of a layer, None if there is no such layer. Raises StoreCorrupt, OSError."""
        found = self.files.layer(layer_id)
        if found is None:
            return None
        lowers = self.files.lowers(found)
        lent = self.files.lent
        mount = self.mount(layer_id)
        use = self.quota(layer_id) if found.record.read_write is not False else None
        return LayerState(
            id=layer_id,
            link=found.link,
            lowers=lowers,
            committed=found.marked or bool(self.children(layer_id)),
            read_write=found.record.read_write,
            mounted=mount is not None,
            writable=mount is not None and _has_upper(mount),
            holders=self._read_holders(self.home, layer_id),
            size_limit=use.size_limit if use else 0,
            inodes_limit=use.inodes_limit if use else 0,
            project_id=use.project_id if use else None,
            diff_id=found.record.diff_id,
            digest=found.record.digest,
            merged_diff_id=found.record.merged_diff_id,
            merged_digest=found.record.merged_digest,
            chain_id=self._chain_id(found, lowers),
            marked=found.marked,
            lent={lower: lent[lower] for lower in lowers if lower in lent} if lent else {},
        )

    def salvage(self, layer_id: str) -> LayerState | None:
        """Return as much of the state of a layer as can be read, so that a damaged layer can be removed too.

        If the name of a lower leads to no layer, lowers holds l/NAME for that lower. Raises StoreCorrupt for a record
        of a newer format, and for one that cannot be read; OSError.
        """
        try:
            return self.layer(layer_id)
        except StoreCorrupt:
            found, _damage = self.files.examine(layer_id)
        if found is None:
            return None
        names = self.files.names_of(layer_id)
        return LayerState(
            id=layer_id,
            link=found.link if found.link in names else next(iter(names), ""),
            lowers=self.files.chains.remaining(layer_id),
            committed=found.marked or bool(self.children(layer_id)),
            read_write=found.record.read_write,
            mounted=self.mount(layer_id) is not None,
            holders=self._read_holders(self.home, layer_id),
            diff_id=found.record.diff_id,
            digest=found.record.digest,
            merged_diff_id=found.record.merged_diff_id,
            merged_digest=found.record.merged_digest,
            marked=found.marked,
        )

    def children(self, layer_id: str, *, by_any_name: bool = False) -> tuple[str, ...]:
        """Return the ids of the children of a layer, sorted; for a damaged layer the children that know it by a name.

        by_any_name: also children that know the layer by another name than its link. dockerd gives a layer that it
                     makes again a second name.
        raises:      OSError.
        """
        try:
            found = self.files.layer(layer_id)
            names = {found.link} if found else set()
        except StoreCorrupt:
            from .._store.links import read_link

            by_any_name = True
            names = {read_link(self.home, layer_id).name}
            # A name that leads to a layer belongs to that layer.
            names = {name for name in names if self.files.links.get(name) is None}
        if by_any_name:
            names.update(self.files.names_of(layer_id))
        above = {child for name in names for child in self.files.children.get(name, ())}
        above.update(self.files.recorded_children.get(layer_id, ()))
        return tuple(sorted(above - {layer_id}))

    @functools.cached_property
    def _read_holders(self) -> t.Callable[[str, str], tuple[str, ...]]:
        from .._store.holders import read

        return read

    def _chain_id(self, layer: Layer, lowers: tuple[str, ...]) -> str | None:
        """Return the chain id; None if a layer of the chain is damaged, or has content from no tar.

        Walk *lowers*, which is finite: from parent to parent, damaged layers may lead in a circle.
        """
        chain: str | None = ""
        for member in reversed(lowers) if lowers and lowers[0] not in self._chains else lowers[:1]:
            if member not in self._chains:
                self._chains[member] = _chain_id(chain, self._diff_id(member))
            chain = self._chains[member]
        self._chains[layer.id] = _chain_id(chain, layer.record.diff_id)
        return self._chains[layer.id]

    def _diff_id(self, layer_id: str) -> str | None:
        try:
            layer = self.files.layer(layer_id)
        except StoreCorrupt:
            return None
        return layer.record.diff_id if layer else None


def _chain_id(below: str | None, diff_id: str | None) -> str | None:
    return None if below is None or diff_id is None else chain_id(below, diff_id)


def _has_upper(mount: mountinfo.Mount) -> bool:
    from .._linux.overlayfs import overlay_options

    return overlay_options(mount).upper is not None
