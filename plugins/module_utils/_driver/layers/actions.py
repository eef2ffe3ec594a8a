# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that make, limit, seal and remove layers. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._store import staging
from ..._store.json_writer import stage_file
from ..._store.last_use import note_use_below
from ..._store.layout import COMMITTED, OWN_FILE
from ..._store.record_writer import sealed_record
from ..plan import Action
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..run import Run


class MakeLayer(Action):
    """Make a layer, sealed if the same run makes a child of it."""

    def __init__(self, layer: LayerState) -> None:
        self.layer = layer

    def describe(self) -> str:
        on = f" on {self.layer.parent}" if self.layer.parent else ""
        limits = limits_in_words(self.layer)
        limited = f", limited to {limits}" if limits else ""
        return f"make {'read-write ' if self.layer.read_write else ''}layer {self.layer.id}{on}{limited}"

    def prepare(self, run: Run) -> None:
        run.claim()
        lowers = run.links_of(self.layer.parent)
        layer, read_write = self.layer, bool(self.layer.read_write)
        new = staging.NewLayer(
            layer.id, staging.new_link(), lowers, read_write, *run.root, layer.parent, sealed=layer.marked
        )
        begin = run.make_project if new.read_write else str
        staging.stage_layer(run.staging(), new, begin)
        if self.layer.size_limit or self.layer.inodes_limit:
            from ..quota.projects import limit  # most stores have no quotas, and each import is compiled on every host

            limit(os.path.join(run.staging(), new.id), self.layer.size_limit, self.layer.inodes_limit)
        run.made[new.id] = new

    def commit(self, run: Run) -> None:
        staging.publish_layer(run.home, run.staging(), run.made[self.layer.id])
        note_use_below(run.home, [lower for lower in self.layer.lowers if lower not in run.made])


class LimitLayer(Action):
    """Set a layer's limits to those of *layer*."""

    def __init__(self, layer: LayerState) -> None:
        self.layer = layer

    def describe(self) -> str:
        limits = limits_in_words(self.layer)
        return f"limit layer {self.layer.id} to {limits}" if limits else f"remove the limits of layer {self.layer.id}"

    def commit(self, run: Run) -> None:
        from ..quota.projects import limit  # as above

        limit(os.path.join(run.home, self.layer.id), self.layer.size_limit, self.layer.inodes_limit)
        run.needs_sync()


def limits_in_words(layer: LayerState) -> str:
    """Return the limits of a layer in words; "" for a layer without limits."""
    parts = [f"{layer.size_limit} bytes"] if layer.size_limit else []
    return " and ".join(parts + ([f"{layer.inodes_limit} inodes"] if layer.inodes_limit else []))


class SealLayer(Action):
    """Mark a layer as committed; a layer that the same run makes is marked from the start."""

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"seal layer {self.layer_id}"

    def prepare(self, run: Run) -> None:
        if self.layer_id not in run.made:
            record = sealed_record(run.home, self.layer_id)
            stage_file(os.path.join(run.staging(self.layer_id), OWN_FILE), record)

    def commit(self, run: Run) -> None:
        if self.layer_id in run.made:
            return
        directory = os.path.join(run.home, self.layer_id)
        staging.seal_layer(run.home, self.layer_id)
        try:
            os.rename(os.path.join(run.staging(self.layer_id), OWN_FILE), os.path.join(directory, OWN_FILE))
        except OSError:
            with contextlib.suppress(OSError):  # a mark that stays seals the layer, and its record says less
                os.unlink(os.path.join(directory, COMMITTED))
            raise
        run.needs_sync()


class RemoveLayer(Action):
    """Remove a layer. seconds: how long this run may delete what it removes; None: until all is deleted."""

    def __init__(self, layer: LayerState, seconds: int | None = None) -> None:
        self.layer = layer
        self.seconds = seconds

    def describe(self) -> str:
        return f"remove layer {self.layer.id}"

    def commit(self, run: Run) -> None:
        run.limit_deletion(self.seconds)
        run.hide_layer(self.layer.id, self.layer.link or "")


class ForgetImage(Action):
    """Remove the record of an image, once its layers are gone."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id

    def describe(self) -> str:
        return f"remove the record of image {self.image_id}"

    def commit(self, run: Run) -> None:
        from ..._store.images import remove_record  # most stores have no images, and each import is compiled

        run.sync()  # if the power fails with the record gone, the layers must be gone too
        remove_record(run.home, self.image_id)
