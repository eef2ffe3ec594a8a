# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that put an image into a store, and that forget one. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.images import ImageRecord, write_record
from ..._store.last_use import note_use_below
from ..plan import Action
from ..state import LayerState
from .unpacking import Unpacking

if t.TYPE_CHECKING:
    from ..run import Run


class MakeImageLayer(Action):
    """Make a layer with the content that the image has, sealed. *unpacking* has all new layers of the image."""

    def __init__(self, layer: LayerState, unpacking: Unpacking) -> None:
        self.layer = layer
        self._unpacking = unpacking

    def describe(self) -> str:
        return f"make layer {self.layer.id}{f' on {self.layer.parent}' if self.layer.parent else ''}"

    def reserve(self, run: Run) -> None:
        run.claim()
        self._unpacking.reserve(run)

    def prepare(self, run: Run) -> None:
        self._unpacking.prepare(run, self.layer)

    def commit(self, run: Run) -> None:
        self._unpacking.publish(run, self.layer)
        note_use_below(run.home, [lower for lower in self.layer.lowers if lower not in run.made])


class RecordImage(Action):
    """Record an image, and the names that other images lose. changed: the new records."""

    def __init__(self, image_id: str, changed: t.Sequence[ImageRecord], config: bytes | None) -> None:
        self.image_id = image_id
        self.changed = tuple(changed)
        self._config = config

    def describe(self) -> str:
        return f"record image {self.image_id}"

    def commit(self, run: Run) -> None:
        for record in sorted(self.changed, key=lambda record: record.image_id == self.image_id):
            write_record(run.home, record, self._config if record.image_id == self.image_id else None)
