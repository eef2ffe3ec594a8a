# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a layer of an image, and verify it. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from .._archive.compression import ArchiveReader
from .._archive.digests import Digest
from .._archive.tar import CHUNK
from .._errors import ArchiveRejected
from .errors import mismatch_error
from .files import Files
from .image import ImageLayer
from .reading import MISSING_HINT


@contextlib.contextmanager
def open_layer(files: Files, layer: ImageLayer, ahead: bool = True) -> t.Iterator[ArchiveReader]:
    """Yield a reader of a layer's tar. The caller reads to its end; then digest and diff id are compared.

    If the caller fails with ArchiveRejected, and the layer is not what the documents say, that is the error.

    ahead:  as ArchiveReader takes it.
    raises: ArchiveRejected if the archive lacks the layer; DigestMismatch; those of ArchiveReader; OSError.
    """
    if layer.file is None:
        raise ArchiveRejected(f"the archive lacks {layer.subject}", hint=MISSING_HINT, diff_id=layer.diff_id)
    try:
        with files.open(layer.file) as read, ArchiveReader(read, ahead) as reader:
            yield reader
            _check(layer, reader)
    except ArchiveRejected as error:
        _verify(files, layer)
        raise ArchiveRejected(f"{layer.subject}: {error}", hint=error.hint, **error.details) from error


def _verify(files: Files, layer: ImageLayer) -> None:
    """Read the layer's file to its end, and compare its digest; its diff id, if the documents give no digest."""
    file = layer.file
    if file is None:
        return
    if layer.digest:
        digest = Digest()
        with files.open(file) as read:
            for piece in iter(lambda: read(CHUNK), b""):
                digest.update(piece)
        _compare(layer, "digest", layer.digest, str(digest))
    with files.open(file) as read, ArchiveReader(read) as reader:
        for _piece in iter(lambda: reader.read(CHUNK), b""):
            pass
        _check(layer, reader)


def _check(layer: ImageLayer, reader: ArchiveReader) -> None:
    if layer.digest:
        _compare(layer, "digest", layer.digest, reader.digest)
    _compare(layer, "diff id", layer.diff_id, reader.diff_id)


def _compare(layer: ImageLayer, what: str, wanted: str, found: str) -> None:
    if wanted != found:
        raise mismatch_error(layer.subject, what, wanted, found)
