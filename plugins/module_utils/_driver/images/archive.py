# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an image from the archive that the parameters name. PRIVATE to the collection."""

from __future__ import annotations

from ..._archive.digests import check_digest
from ..._errors import InvalidInput, LayerNotFound
from ..._image.archive import read_image
from ..._image.image import Image, check_expected
from ..._image.platforms import host_platform, parse_platform
from ..._image.source import open_files
from ..._store.images import ImageRecord, RecordedLayer
from ..._store.layout import check_path
from .state import MOST_NAMES, ImageSource, WantedImage


def check_source(source: ImageSource) -> None:
    """Raise InvalidInput if an expected digest, the platform, the path or workers is invalid."""
    for option in ("image_id", "manifest_digest", "chain_id"):
        value = getattr(source, option)
        if value is not None:
            check_digest(value, option)
    parse_platform(source.platform)
    check_path(source.path, "src")
    if source.workers < 1:
        raise InvalidInput(f"workers: {source.workers} is less than 1", hint="give 1 or more")
    if not source.path and not source.is_pinned:
        raise InvalidInput("state present needs src", hint="give the image's archive")


def platform_of(machine: str) -> str:
    """Return the platform of a host. machine: the answer of uname(2)."""
    return str(host_platform(machine))


def read_wanted(source: ImageSource) -> WantedImage:
    """Return the image in the archive. Its documents are verified, its layers are not read.

    raises: InvalidInput, LayerNotFound, ArchiveRejected, DigestMismatch, DepthExceeded, NotSupported, OSError.
    """
    if not source.path:
        raise LayerNotFound("the store does not have the image, and there is no src", hint="give the image's archive")
    with open_files(source.path) as files:
        image = read_image(files, source.image, parse_platform(source.platform))
    check_expected(image, source.path, source._asdict())
    return WantedImage(record_of(image, source.image), image.config, image)


def record_of(image: Image, first: str | None) -> ImageRecord:
    """Return what to record of an image. first: the name that it was asked for, if it is one."""
    names = sorted(image.names[:MOST_NAMES], key=lambda name: name != first)
    if first in image.names and first not in names:
        names = [first, *names[1:]]
    layers = tuple(RecordedLayer(layer.diff_id, layer.digest, layer.size, layer.media_type) for layer in image.layers)
    return ImageRecord(image.image_id, image.manifest_digest, tuple(names), str(image.platform), layers)
