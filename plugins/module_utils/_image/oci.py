# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in an OCI image layout. PRIVATE to the collection.

Source: OCI image specification 1.1, "Image Layout", "Image Index".
"""

from __future__ import annotations

import typing as t

from .._chain_ids import chain_ids
from .._errors import NotSupported, printable
from .documents import (
    CONFIGS,
    ENCRYPTED,
    INDEXES,
    LAYERS,
    Descriptor,
    Manifest,
    check_layout,
    parse_index,
    parse_manifest,
)
from .errors import file_error
from .files import File, Files
from .image import Image, ImageLayer, check_layers
from .offers import Offer
from .platforms import Platform
from .reading import about_document, blob_name, config_in, find_blob, find_document, read_blob, read_document

INDEX, LAYOUT = "index.json", "oci-layout"
_DEPTH = 4  # of indexes, one in the other
_MOST_INDEXES = 32 << 20  # bytes of all indexes; a usual one has some KiB
_MOST_IMAGES = 1 << 15
_IMAGE_HINT = "give the archive of a container image"


class _Said(t.NamedTuple):
    """What manifest and config say of an image. image_id: () if it is not one. problem: see Offer."""

    image_id: tuple[str, ...] = ()
    platform: Platform | None = None
    problem: str = ""


class OciImages:
    """The images in an OCI image layout, whose *index* is the file index.json."""

    def __init__(self, files: Files, index: File) -> None:
        self._files = files
        self._index = index
        self._said: dict[str, _Said] = {}  # by digest of the manifest; many entries may name one
        self._indexes = 0  # bytes read
        self._images = 0

    def offers(self) -> list[Offer]:
        """Return the images that the indexes name. Raises ArchiveRejected, DigestMismatch, OSError."""
        layout = find_document(self._files, LAYOUT)
        if layout:
            with about_document(LAYOUT):
                check_layout(read_document(self._files, layout))
        with about_document(INDEX):
            listed = parse_index(read_document(self._files, self._index))
        entries: dict[str, Descriptor] = {}
        names: dict[str, dict[str, None]] = {}
        for blob in listed:
            entries.setdefault(blob.digest, blob)
            names.setdefault(blob.digest, {}).update(dict.fromkeys(blob.names))
        found = []
        for place, (digest, blob) in enumerate(entries.items()):
            known_as = tuple(names[digest])
            for manifest, digests in self._walk(blob, (), set()):
                found.append(Offer(manifest, place, known_as, digests, manifest.platform))
        return found

    def _walk(
        self, blob: Descriptor, above: tuple[str, ...], seen: set[str]
    ) -> t.Iterator[tuple[Descriptor, tuple[str, ...]]]:
        """Yield each manifest below *blob* once, with its digest and those of the indexes *above*."""
        if blob.digest in seen or blob.beside:
            return
        seen.add(blob.digest)
        digests = (blob.digest, *above)
        if blob.media_type not in INDEXES:
            self._images += 1
            if self._images > _MOST_IMAGES:
                raise file_error(INDEX, f"its indexes name more than {_MOST_IMAGES} images")
            yield blob, digests
            return
        name = blob_name(blob.digest)
        if len(above) >= _DEPTH:
            raise file_error(name, f"more than {_DEPTH} indexes name each other")
        self._indexes += blob.size
        if self._indexes > _MOST_INDEXES:
            raise file_error(name, f"with it, the indexes have more than {_MOST_INDEXES} bytes")
        with about_document(name):
            found = parse_index(read_blob(self._files, blob), blob.media_type)
        for below in found:
            yield from self._walk(below, digests, seen)

    def describe(self, offer: Offer) -> Offer:
        """Return the offer with what its config says. Raises ArchiveRejected, DigestMismatch, OSError."""
        blob = t.cast(Descriptor, offer.document)
        if blob.digest not in self._said:
            self._said[blob.digest] = self._read(blob)
        said = self._said[blob.digest]
        return offer._replace(
            digests=(*offer.digests, *said.image_id), platform=offer.platform or said.platform, problem=said.problem
        )

    def _read(self, blob: Descriptor) -> _Said:
        if find_blob(self._files, blob) is None:
            return _Said(problem=f"it lacks {blob_name(blob.digest)}")
        manifest = self._manifest(blob)
        problem = _artifact(manifest)
        if problem:
            return _Said(problem=problem)
        config = config_in(blob_name(manifest.config.digest), read_blob(self._files, manifest.config))
        return _Said((manifest.config.digest,), config.platform)

    def image(self, offer: Offer) -> Image:
        """Return the image. Raises ArchiveRejected, DigestMismatch, DepthExceeded, NotSupported, OSError."""
        blob = t.cast(Descriptor, offer.document)
        name = blob_name(blob.digest)
        manifest = self._manifest(blob)
        problem = _artifact(manifest)
        if problem:
            raise file_error(name, problem, _IMAGE_HINT)
        data = read_blob(self._files, manifest.config)
        config = config_in(blob_name(manifest.config.digest), data)
        check_layers(f"image file {name}", len(manifest.layers), len(config.diff_ids))
        layers = [
            self._layer(name, *layer) for layer in zip(manifest.layers, config.diff_ids, chain_ids(config.diff_ids))
        ]
        platform = offer.platform or config.platform
        return Image(manifest.config.digest, blob.digest, offer.names, platform, data, tuple(layers), blob.media_type)

    def _layer(self, name: str, blob: Descriptor, diff_id: str, chain_id: str) -> ImageLayer:
        """Return a layer of the manifest *name*. Its URLs are never opened."""
        if blob.media_type.endswith(ENCRYPTED):
            raise NotSupported(
                f"image file {name}: layer {blob.digest} is encrypted ({printable(blob.media_type)})",
                hint="decrypt the image first, for example with skopeo copy --decryption-key",
            )
        if blob.media_type not in LAYERS:
            cause = f"layer {blob.digest} has the media type {printable(blob.media_type)}, which no layer has"
            raise file_error(name, cause, _IMAGE_HINT)
        return ImageLayer(diff_id, chain_id, blob.digest, blob.size, blob.media_type, find_blob(self._files, blob))

    def _manifest(self, blob: Descriptor) -> Manifest:
        with about_document(blob_name(blob.digest)):
            return parse_manifest(read_blob(self._files, blob), blob.media_type)


def _artifact(manifest: Manifest) -> str:
    """Return why a manifest is not that of an image; "" if it is."""
    if manifest.config.media_type in CONFIGS:
        return ""
    return f"its config has the media type {printable(manifest.config.media_type)}: it is an artifact, not an image"
