# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image, as its documents describe it. PRIVATE to the collection.

Source: OCI image specification, "Image JSON".
"""

from __future__ import annotations

import typing as t

from .._errors import ArchiveRejected, DepthExceeded, DigestMismatch, printable
from .errors import HINT
from .files import File
from .platforms import Platform

MAX_LAYERS = 129  # overlayfs has 128 lowers at most in our stores


class ImageLayer(t.NamedTuple):
    """A layer of an image.

    chain_id:           of the layer with all layers below.
    digest, media_type: of its file; None in the archive of docker save, which does not say.
    size:               of its file in bytes; None if neither the documents nor the archive tell.
    file:               its file in the archive; None if the archive lacks it.
    """

    diff_id: str
    chain_id: str
    digest: str | None
    size: int | None
    media_type: str | None
    file: File | None

    @property
    def subject(self) -> str:
        """How messages name the layer's file."""
        return f"image file {printable(self.file.name)}" if self.file else f"layer {self.digest or self.diff_id}"


class Image(t.NamedTuple):
    """An image in an archive.

    image_id:        the digest of its config.
    manifest_digest: None in the archive of docker save.
    names:           as the archive gives them, so any text.
    config:          its bytes.
    layers:          base first; at least one.
    manifest_type:   the media type of the manifest, if it has one.
    """

    image_id: str
    manifest_digest: str | None
    names: tuple[str, ...]
    platform: Platform
    config: bytes
    layers: tuple[ImageLayer, ...]
    manifest_type: str | None = None

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """The chain ids of its layers, base first."""
        return tuple(layer.chain_id for layer in self.layers)


def check_expected(image: Image, path: str, expected: t.Mapping[str, t.Any]) -> None:
    """Raise DigestMismatch unless the image of the archive at *path* has the expected digests.

    expected: image_id, manifest_digest and chain_id, each None or missing if any is accepted; other keys do not count.
    """
    found = {"image_id": image.image_id, "manifest_digest": image.manifest_digest, "chain_id": image.chain_ids[-1]}
    for option, value in found.items():
        wanted = expected.get(option)
        if wanted and wanted != value:
            raise DigestMismatch(
                f"the image in {printable(path)} has the {option} {value}, not {wanted}",
                hint="get the archive again, or correct what is expected",
                expected=wanted,
                found=value,
            )


def check_whole(layers: t.Iterable[ImageLayer]) -> None:
    """Raise ArchiveRejected if the archive lacks one of *layers*, which the store lacks, too."""
    for layer in layers:
        if layer.file is None:
            raise ArchiveRejected(
                f"the archive lacks {layer.subject}, and the store has no layer with the chain id {layer.chain_id}",
                hint="give the whole image, or first the image on which the archive is based",
                diff_id=layer.diff_id,
                chain_id=layer.chain_id,
            )


def check_layers(subject: str, layers: int, diff_ids: int) -> None:
    """Raise ArchiveRejected or DepthExceeded unless an image can have so many layers and diff ids."""
    if layers != diff_ids:
        raise ArchiveRejected(f"{subject} has {layers} layers, but its config has {diff_ids} diff ids", hint=HINT)
    if not layers:
        raise ArchiveRejected(
            f"{subject} has no layers", hint="an image without layers needs none in the store; build on no parent"
        )
    if layers > MAX_LAYERS:
        raise DepthExceeded(
            f"{subject} has {layers} layers; a store takes {MAX_LAYERS} on each other",
            hint="build the image with fewer layers",
        )
