# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of layers as the disk, the mount table and the holders tell it. PRIVATE to the collection."""

from __future__ import annotations

import functools
import hashlib

from ..._errors import StoreCorrupt
from ..._linux import mountinfo
from ..._linux.overlayfs import overlay_options
from ..._store import holders
from ..._store.layer import Store
from ..._store.layout import MERGED
from ..._store.links import read_link
from ..quota import projects
from ..state import LayerState


def chain_id(below: str, diff_id: str) -> str:
    """Return the chain id of a layer with *diff_id* on a chain; below: that chain's id, "" for none.

    source: OCI image specification, "Layer ChainID".
    """
    if not below:
        return diff_id
    return "sha256:" + hashlib.sha256(f"{below} {diff_id}".encode()).hexdigest()


class Observer:
    """Looks at a store, each thing once: make a new one to see what has changed."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.store = Store(home)
        self._chains: dict[str, str | None] = {}

    @functools.cached_property
    def mounts(self) -> dict[str, mountinfo.Mount]:
        """The overlays that our paths lead to, by mount point; of several on one, the topmost.

        Not one that lies on what a later mount hides, such as the filesystem at home: it has the name of a layer's
        mount and belongs to another store.
        """
        return {mount.mount_point: mount for mount in mountinfo.below(self.home).seen if mount.fstype == "overlay"}

    def mount(self, layer_id: str) -> mountinfo.Mount | None:
        """Return the overlay on a layer's merged, if there is one."""
        return self.mounts.get(self.store.path(layer_id, MERGED))

    def quota(self, layer_id: str) -> projects.Use | None:
        """Return a layer's limits and use; None where project quota is off, or it is no project. Raises OSError."""
        return projects.use_of(self.store.path(layer_id), self._home_project) if self._quota_is_on else None

    @functools.cached_property
    def _quota_is_on(self) -> bool:
        return projects.is_on(self.home)

    @functools.cached_property
    def _home_project(self) -> int:
        return projects.project_of(self.home)

    def layer(self, layer_id: str) -> LayerState | None:
        """Return a layer's state, None if there is none. Raises StoreCorrupt, OSError."""
        found = self.store.layer(layer_id)
        if found is None:
            return None
        lowers = self.store.lowers(found)
        mount = self.mount(layer_id)
        use = self.quota(layer_id) if found.record.read_write is not False else None
        return LayerState(
            id=layer_id,
            link=found.link,
            lowers=lowers,
            committed=found.marked or bool(self.children(layer_id)),
            read_write=found.record.read_write,
            mounted=mount is not None,
            writable=mount is not None and overlay_options(mount).upper is not None,
            holders=holders.read(self.home, layer_id),
            size_limit=use.size_limit if use else 0,
            inodes_limit=use.inodes_limit if use else 0,
            project_id=use.project_id if use else None,
            diff_id=found.record.diff_id,
            digest=found.record.digest,
            merged_diff_id=found.record.merged_diff_id,
            merged_digest=found.record.merged_digest,
            chain_id=self._chain_id(layer_id, lowers),
            marked=found.marked,
            lent={lower: self.store.lent[lower] for lower in lowers if lower in self.store.lent},
        )

    def remains(self, layer_id: str) -> LayerState | None:
        """Return what can be told of a layer, damaged or not, for who removes it.

        A lower that leads nowhere is told by its name in l/. Raises StoreCorrupt for a record of a newer format, or
        that cannot be read; OSError.
        """
        try:
            return self.layer(layer_id)
        except StoreCorrupt:
            found, _unused = self.store.examine(layer_id)
        if found is None:
            return None
        names = self.store.names_of(layer_id)
        return LayerState(
            id=layer_id,
            link=found.link if found.link in names else next(iter(names), ""),
            lowers=self.store.chains.remaining(layer_id),
            committed=found.marked or bool(self.children(layer_id)),
            read_write=found.record.read_write,
            mounted=self.mount(layer_id) is not None,
            holders=holders.read(self.home, layer_id),
            diff_id=found.record.diff_id,
            digest=found.record.digest,
            merged_diff_id=found.record.merged_diff_id,
            merged_digest=found.record.merged_digest,
            marked=found.marked,
        )

    def children(self, layer_id: str, *, by_any_name: bool = False) -> tuple[str, ...]:
        """Return the ids of the layers right above, sorted; of a damaged one those that its names tell.

        by_any_name: also those that know it by another name than its link: dockerd gives a second one to a layer that
        it makes again. Raises OSError.
        """
        try:
            found = self.store.layer(layer_id)
            names = {found.link} if found else set()
        except StoreCorrupt:
            by_any_name = True
            names = {read_link(self.home, layer_id).name}
            names = {name for name in names if self.store.links.get(name) is None}  # else it is that layer's
        if by_any_name:
            names.update(self.store.names_of(layer_id))
        above = {child for name in names for child in self.store.children.get(name, ())}
        above.update(self.store.recorded_children.get(layer_id, ()))
        return tuple(sorted(above - {layer_id}))

    def _chain_id(self, layer_id: str, lowers: tuple[str, ...]) -> str | None:
        """Return the chain id, None where a layer of the chain is damaged, or has content that no tar gave it.

        Goes by *lowers*, which end, and not from parent to parent: damaged ones may lead in a circle.
        """
        chain: str | None = ""
        for id in reversed((layer_id, *lowers)):
            if id not in self._chains:
                diff_id = self._diff_id(id)
                self._chains[id] = None if chain is None or diff_id is None else chain_id(chain, diff_id)
            chain = self._chains[id]
        return chain

    def _diff_id(self, layer_id: str) -> str | None:
        try:
            layer = self.store.layer(layer_id)
        except StoreCorrupt:
            return None
        return layer.record.diff_id if layer else None
