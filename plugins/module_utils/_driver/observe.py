# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of layers as the disk, the mount table and the holders tell it. PRIVATE to the collection."""

from __future__ import annotations

import functools
import hashlib

from .._linux import mountinfo
from .._store.layer import Store
from .._store.layout import MERGED
from . import holders
from .state import LayerState


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
        self._chains: dict[str, str | None] = {"": ""}

    @functools.cached_property
    def mounts(self) -> dict[str, mountinfo.Mount]:
        """The overlays we see, by mount point; of several on one, the topmost."""
        return {mount.mount_point: mount for mount in mountinfo.read() if mount.fstype == "overlay"}

    def mount(self, layer_id: str) -> mountinfo.Mount | None:
        """Return the overlay on a layer's merged, if there is one."""
        return self.mounts.get(self.store.path(layer_id, MERGED))

    def layer(self, layer_id: str) -> LayerState | None:
        """Return a layer's state, None if there is none. Raises StoreCorrupt, OSError."""
        found = self.store.layer(layer_id)
        if found is None:
            return None
        mount = self.mount(layer_id)
        return LayerState(
            id=layer_id,
            link=found.link,
            lowers=self.store.lowers(found),
            committed=found.marked or bool(self.children(layer_id)),
            read_write=found.record.read_write,
            mounted=mount is not None,
            writable=mount is not None and mountinfo.overlay_options(mount).upper is not None,
            holders=holders.read(self.home, layer_id),
            diff_id=found.record.diff_id,
            digest=found.record.digest,
            chain_id=self._chain_id(layer_id),
            marked=found.marked,
        )

    def children(self, layer_id: str) -> tuple[str, ...]:
        """Return the ids of the layers right above, sorted. Raises StoreCorrupt, OSError."""
        found = self.store.layer(layer_id)
        return self.store.children.get(found.link, ()) if found else ()

    def _chain_id(self, layer_id: str) -> str | None:
        todo = [layer_id]
        while todo:
            layer = self.store.layer(todo[-1])
            parent = self.store.target(layer.lowers[0], layer.id) if layer and layer.lowers else ""
            if parent not in self._chains:
                todo.append(parent)
                continue
            below = self._chains[parent]
            known = layer is not None and layer.record.diff_id is not None and below is not None
            self._chains[todo.pop()] = chain_id(below or "", layer.record.diff_id or "") if layer and known else None
        return self._chains[layer_id]
