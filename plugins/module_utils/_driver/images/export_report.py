# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the options of an export, and reports the image that is or would be written. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

from ..._archive.compression import check_level
from ..._archive.digests import check_digest
from ..._errors import InvalidInput, printable
from ..._image.reading import digest_of
from ..._image.written import DOCKER, OCI, Blob, is_tagged, layer_type, manifest_of
from ..._store.images import ImageRecord, RecordedLayer
from .choice import ImageChoice, check_choice
from .export_state import ExportState, ImageExport, WrittenImage
from .image_file import outgoing
from .state import WantedImage, reported

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,254}")


def check_export(choice: ImageChoice, wanted: ImageExport) -> None:
    """Raise InvalidInput unless the options make sense."""
    if not wanted.dest:
        raise InvalidInput("state exported needs dest", hint="say where the image is to be written")
    check_choice(choice)
    check_level(wanted.compression, wanted.level, "compression_level")
    for chain in wanted.has:
        check_digest(chain, "has")
    for name in wanted.names or ():
        if not (is_tagged(name) if wanted.form == DOCKER else _NAME.fullmatch(name)):
            raise InvalidInput(
                f"names: '{printable(name)}' is not a name that engines take",
                hint="give a name with a tag, such as localhost/tools:1",
            )


def expected_image(have: ExportState, wanted: ImageExport) -> WrittenImage | None:
    """Return the image that would be written, as far as its digests are known: those of compressed files are "".

    None if the diff ids are not known yet.
    """
    plain = wanted.compression == "none"
    blobs = []
    for out in have.out:
        tar = out.will_be
        if out.kept:
            blobs.append(out.kept)
        elif tar is None:
            return None
        else:
            known = (tar.diff_id, tar.size) if plain else ("", 0)
            blobs.append(Blob(tar.diff_id, *known, layer_type(wanted.compression)))
    return WrittenImage(outgoing(have, wanted, [blob.diff_id for blob in blobs]), tuple(blobs))


def as_reported(have: ExportState, written: WrittenImage | None) -> dict[str, t.Any]:
    """Return the results for an image that was written, or that would be."""
    if written is None:  # it was not measured; the record tells what is known
        return reported(WantedImage(have.record, have.config), have.found, ())
    image = written.image
    layers = tuple(
        RecordedLayer(blob.diff_id, blob.digest or None, blob.size if blob.digest else None, blob.media_type)
        for blob in written.blobs
    )
    knows = image.form == OCI and all(blob.digest for blob in written.blobs)
    manifest = digest_of(manifest_of(image, written.blobs)) if knows else None
    record = ImageRecord(digest_of(image.config), manifest, image.names, image.platform, layers)
    pairs = zip(have.found, written.blobs)
    exact = {layer.id for layer, blob in pairs if blob.diff_id == layer.diff_id}
    return reported(WantedImage(record, image.config), have.found, exact)
