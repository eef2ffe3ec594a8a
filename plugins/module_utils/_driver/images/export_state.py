# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that goes out of a store into a file: as wanted, and as observed. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.exact_head import Head
from ..._image.written import Blob, Outgoing
from ..._store.images import ImageRecord
from ..content.layer_tar import LayerTar
from ..content.output_file import NEW, ExistingFile, FileAccess, WantedAccess
from ..state import LayerState

NO_RECORD = "the store has no exact record of its tar"


class ImageExport(t.NamedTuple):
    """How to write an image. names: None for those that the store knows; has: chain ids that the other side has."""

    dest: str
    form: str
    names: tuple[str, ...] | None
    compression: str
    level: int | None
    access: WantedAccess
    has: tuple[str, ...]


class OutLayer(t.NamedTuple):
    """A layer that goes out.

    head:     of its exact record; None if its tar has to be written anew.
    why:      why it has to be; "" if the tar is written again as it came in.
    measured: diff id and size of the new tar; None if they are not known yet.
    kept:     what the documents tell of a layer that is left out; None for a layer that is written.
    tar:      the new tar.
    """

    layer: LayerState
    head: Head | None
    why: str
    measured: Head | None
    kept: Blob | None
    tar: LayerTar

    @property
    def will_be(self) -> Head | None:
        """Diff id and size of the tar that is written; None if they are not known yet."""
        return self.head or self.measured


class WrittenImage(t.NamedTuple):
    """An image in a file. blobs: its layers, base first."""

    image: Outgoing
    blobs: tuple[Blob, ...]


class ExportState(t.NamedTuple):
    """The image, and the file that it is written to.

    found:   all layers of the image, base first.
    out:     how each of them goes out.
    there:   the existing file; None if it is missing, or if the run replaces it unread.
    current: the image in the file, if the file is as this run would write it.
    access:  owner and mode of the file, as found or as planned.
    written: the plan writes the file.
    """

    record: ImageRecord
    config: bytes
    found: tuple[LayerState, ...]
    out: tuple[OutLayer, ...] = ()
    there: ExistingFile | None = None
    current: WrittenImage | None = None
    access: FileAccess = NEW
    written: bool = False


def anew_warning(out: OutLayer, diff_id: str, why: str) -> str:
    """Return the warning for a layer whose tar is written anew, with another diff id."""
    return (
        f"layer {out.layer.id}: {why}. Its tar is written anew, with the diff id {diff_id} in place of"
        f" {out.layer.diff_id}, so the image gets another image id"
    )
