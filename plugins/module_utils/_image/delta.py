# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an image without some of its layers: a small archive for a store that has these layers. PRIVATE.

A delta has the documents of the image byte for byte, so the digests of manifest and config stay the same. It is a valid
archive: the OCI image specification allows that a blob is missing and comes from elsewhere.
"""

from __future__ import annotations

import json
import typing as t

from .._archive.tar import BLOCK, CHUNK, END
from .docker import LIST
from .documents import REF_NAME
from .files import File, Files
from .image import Image, ImageLayer
from .oci import INDEX, LAYOUT
from .reading import blob_name, read_document
from .written import file_header

_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
Write = t.Callable[[bytes], object]


def write_delta(files: Files, image: Image, layers: t.Collection[str], write: Write) -> None:
    """Write the archive of *image* with its *layers*, which are chain ids, alone.

    files:  where the image comes from.
    raises: ArchiveRejected, OSError; those of *write*.
    """
    wanted = [layer for layer in image.layers if layer.chain_id in layers and layer.file]
    if image.manifest_digest:
        bodies = _oci_documents(files, image)
        names = {_place(layer): layer for layer in wanted}
    else:
        bodies, names = _docker_documents(image), {_place(layer): layer for layer in wanted}
    for name, data in bodies.items():
        _put(write, name, len(data), iter([data]))
    order = sorted(names.items(), key=lambda pair: t.cast(File, pair[1].file).offset)
    for name, layer in order:
        file = t.cast(File, layer.file)
        with files.open(file) as read:
            _put(write, name, file.size, iter(lambda: read(CHUNK), b""))
    write(END)


def size_of_layers(image: Image, layers: t.Collection[str]) -> int:
    """Return how many bytes the *layers* of an image, which are chain ids, add to the archive without layers."""
    files = {_place(layer): layer.file for layer in image.layers if layer.chain_id in layers and layer.file}
    return sum(len(file_header(name, file.size)) + file.size + -file.size % BLOCK for name, file in files.items())


def _place(layer: ImageLayer) -> str:
    """Return the name of a layer's file in the delta. Layers with the same file have the same name."""
    return blob_name(layer.digest) if layer.digest else f"{layer.diff_id.partition(':')[2]}.tar"


def _oci_documents(files: Files, image: Image) -> dict[str, bytes]:
    name = blob_name(t.cast(str, image.manifest_digest))
    manifest = read_document(files, t.cast(File, files.find(name)))
    blob: dict[str, t.Any] = {
        "mediaType": image.manifest_type,
        "digest": image.manifest_digest,
        "size": len(manifest),
        "platform": _platform(image),
    }
    named = [{**blob, "annotations": {REF_NAME: one}} for one in image.names]
    index = {"schemaVersion": 2, "mediaType": _OCI_INDEX, "manifests": named or [blob]}
    return {
        LAYOUT: b'{"imageLayoutVersion":"1.0.0"}',
        INDEX: json.dumps(index).encode(),
        name: manifest,
        blob_name(image.image_id): image.config,
    }


def _platform(image: Image) -> dict[str, str]:
    found = {"os": image.platform.os, "architecture": image.platform.architecture}
    return {**found, "variant": image.platform.variant} if image.platform.variant else found


def _docker_documents(image: Image) -> dict[str, bytes]:
    name = f"{image.image_id.partition(':')[2]}.json"
    entry = {"Config": name, "RepoTags": list(image.names), "Layers": [_place(layer) for layer in image.layers]}
    return {name: image.config, LIST: json.dumps([entry]).encode()}


def _put(write: Write, name: str, size: int, pieces: t.Iterator[bytes]) -> None:
    """Write a file of the archive."""
    write(file_header(name, size))
    for piece in pieces:
        write(piece)
    write(bytes(-size % BLOCK))
