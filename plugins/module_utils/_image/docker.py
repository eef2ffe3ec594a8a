# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in an archive of docker save. PRIVATE to the collection.

Each version of docker save writes manifest.json; since 25.0, the archive is an OCI image layout too.
Source: moby image/tarexport.
"""

from __future__ import annotations

import typing as t

from .._chain_ids import chain_ids
from .documents import Saved, parse_saved
from .errors import file_error
from .files import File, Files
from .image import Image, ImageLayer, check_layers
from .offers import Offer
from .platforms import Platform
from .reading import MISSING_HINT, about_document, config_in, digest_of, read_document

LIST = "manifest.json"
OLD_LIST = "repositories"  # the list of archives by Docker before 1.10, whose images have no config


class DockerImages:
    """The images that the file manifest.json lists. listed: this file."""

    def __init__(self, files: Files, listed: File) -> None:
        self._files = files
        self._listed = listed
        self._said: dict[int | str, tuple[str, Platform]] = {}  # by the place of the config: its digest, its platform

    def offers(self) -> list[Offer]:
        """Return the images in the list. Raises ArchiveRejected, OSError."""
        with about_document(LIST):
            listed = parse_saved(read_document(self._files, self._listed))
        found: dict[tuple[str, tuple[str, ...]], Offer] = {}
        for saved in listed:
            offer = found.setdefault((saved.config, saved.layers), Offer(saved, len(found), (), ()))
            names = tuple(dict.fromkeys((*offer.names, *saved.names)))
            found[saved.config, saved.layers] = offer._replace(names=names)
        return list(found.values())

    def describe(self, offer: Offer) -> Offer:
        """Return the offer with what its config says. Raises ArchiveRejected, OSError."""
        file = self._config_file(offer)
        place = file.offset or file.name
        if place not in self._said:
            data = read_document(self._files, file)
            self._said[place] = digest_of(data), config_in(file.name, data).platform
        image_id, platform = self._said[place]
        return offer._replace(digests=(image_id,), platform=platform)

    def image(self, offer: Offer) -> Image:
        """Return the image. Raises ArchiveRejected, DepthExceeded, OSError."""
        saved = t.cast(Saved, offer.document)
        file = self._config_file(offer)
        data = read_document(self._files, file)
        config = config_in(file.name, data)
        check_layers(f"the image with the config {file.name} in {LIST}", len(saved.layers), len(config.diff_ids))
        layers = [self._layer(*layer) for layer in zip(saved.layers, config.diff_ids, chain_ids(config.diff_ids))]
        return Image(digest_of(data), None, offer.names, config.platform, data, tuple(layers))

    def _layer(self, name: str, diff_id: str, chain_id: str) -> ImageLayer:
        file = self._files.find(name)
        return ImageLayer(diff_id, chain_id, None, file and file.size, None, file)

    def _config_file(self, offer: Offer) -> File:
        name = t.cast(Saved, offer.document).config
        file = self._files.find(name)
        if file is None:
            raise file_error(name, "the archive lacks this file, the config of an image", MISSING_HINT)
        return file
