# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an image from an archive of any form. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import ArchiveRejected
from .docker import LIST, OLD_LIST, DockerImages
from .errors import file_error
from .files import Files
from .image import Image
from .oci import INDEX, OciImages
from .offers import Offer, choose, matching
from .platforms import Platform
from .reading import find_document


class _Images(t.Protocol):
    """The images of an archive in one of its forms."""

    def offers(self) -> list[Offer]: ...
    def describe(self, offer: Offer) -> Offer: ...
    def image(self, offer: Offer) -> Image: ...


def read_image(files: Files, image: str | None, platform: Platform) -> Image:
    """Return the image that a user asks for. Its documents are verified, its layers are not read.

    image:    a name, or the digest of a manifest, index or config; None if the archive has only one image.
    platform: for which the image must be.
    raises:   InvalidInput if the archive has no such image, or several; ArchiveRejected, DigestMismatch,
              DepthExceeded, NotSupported, OSError.
    """
    images, docker = _images_in(files)
    offers = images.offers()
    found = images.image(choose(offers, images.describe, image, platform))
    if docker:
        _check_one_truth({found.image_id}, offers, images, docker)
    return found


def read_images(files: Files, image: str | None, platform: Platform | None, most: int) -> tuple[list[Image], bool]:
    """Return the images with a name or digest, and for a platform, and whether there are more than *most*.

    image, platform: None for any. raises: as read_image.
    """
    images, docker = _images_in(files)
    offers = images.offers()
    offered = matching(offers, images.describe, image, platform)
    found = [images.image(offer) for offer in offered[:most]]
    if docker:
        _check_one_truth({one.image_id for one in found}, offers, images, docker)
    return found, len(offered) > most


def _images_in(files: Files) -> tuple[_Images, DockerImages | None]:
    """Return the images of an archive; also those of its second list, if it has one."""
    index, listed = find_document(files, INDEX), find_document(files, LIST)
    docker = DockerImages(files, listed) if listed else None
    if index:
        return OciImages(files, index), docker
    if docker:
        return docker, None
    raise _no_image_error(files)


def _check_one_truth(found: set[str], offers: t.Sequence[Offer], images: _Images, docker: DockerImages) -> None:
    """Raise ArchiveRejected unless both lists of an archive name the same images: some readers go by one alone.

    found: ids of images that the first list names.
    """
    listed = [docker.describe(offer) for offer in docker.offers()]
    others = {digest for offer in listed for digest in offer.digests} - found
    if others:
        others -= {digest for offer in map(images.describe, offers) for digest in offer.digests}
    if others:
        raise file_error(LIST, f"it names an image that {INDEX} does not name: config {min(others)}")


def _no_image_error(files: Files) -> ArchiveRejected:
    if files.find(OLD_LIST):
        return file_error(
            OLD_LIST,
            f"the archive has no {LIST}: docker save before 1.10 wrote it",
            "load the archive with a Docker that reads it, and save it with a newer one",
        )
    return ArchiveRejected(
        f"the archive is not an image: it has neither {INDEX} nor {LIST}",
        hint="give an OCI image layout or the archive of docker save; overlay2_diff takes the tar of a layer",
    )
