# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer whose content is looked at: what the tasks of overlay2_diff and overlay2_diff_info share. PRIVATE."""

from __future__ import annotations

import typing as t

from ..._store.engine import CONTAINERS_STORAGE
from ..._store.layout import check_home, check_id
from ..._store.lock import layer_not_found_error
from ..._store.recognition import require_store
from ..._store.settings import Settings, read_settings
from ..layers.observe import look
from ..layers.state import StoreState
from ..probe import features as probe
from ..state import LayerState
from .diff import Difference


class DiffState(t.NamedTuple):
    """A layer's store, and what is known of its content."""

    store: StoreState
    settings: Settings
    features: probe.Features
    diff_id: str | None = None
    digest: str | None = None


class DiffTask:
    """What the tasks share that look at a layer's content. Reading is long, so it is done without the store's lock."""

    lengthy = True
    reading = True
    again = False

    def __init__(self, home: str, layer_id: str, parent: str | None) -> None:
        self.home = check_home(home)
        self.id = check_id(layer_id)
        self.layers = sorted({layer_id, check_id(parent, "parent") if parent else layer_id})
        self.parent = parent

    def observe(self) -> DiffState:
        """Read the layers and all that is built on them."""
        require_store(self.home)
        store = look(self.home, self.layers, above=True)
        for layer_id in self.layers:
            if layer_id not in store.layers:
                raise layer_not_found_error(self.home, layer_id)
        layer = store.layers[self.id]
        return DiffState(
            store, read_settings(self.home), probe.probe(self.home), diff_id=layer.diff_id, digest=layer.digest
        )

    def root(self, have: DiffState) -> tuple[int, int]:
        """See Task."""
        return have.store.root

    def layer(self, have: DiffState) -> LayerState:
        """Return the layer the task is about."""
        return have.store.layers[self.id]

    def difference_of(self, have: DiffState, **how: t.Any) -> Difference:
        """Return what the layer has other than the one it is compared with; how: as Difference takes it.

        raises: the refusal of a mount that it needs.
        """
        layer, features = self.layer(have), have.features
        parent = layer.parent if self.parent is None else self.parent
        own = parent == layer.parent and features.native_overlay_diff is not False
        other = None
        if parent and parent == layer.parent:  # sealed, so it does not matter whether it is mounted
            other = LayerState(parent, None, layer.lowers[1:])
        elif parent:
            other = have.store.layers[parent]
        if (layer.lowers or other) and not own and (refusal := probe.not_supported_error(features)):
            raise refusal
        return Difference(
            self.home,
            layer,
            other,
            own=own,
            options=probe.mount_options(features),
            userxattr=bool(features.userxattr),
            marker_files=have.store.engine == CONTAINERS_STORAGE,
            **how,
        )


def reported(found: Difference, diff_id: str | None, digest: str | None) -> dict[str, t.Any]:
    """Return the results that all these tasks have."""
    return {
        "diff_id": diff_id,
        "digest": digest,
        "size": found.content.size,
        "native": found.content.native,
        "summary": found.content.changes.summary,
    }
