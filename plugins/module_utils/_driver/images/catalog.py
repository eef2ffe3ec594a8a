# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the images in an archive, or in a store, with what the store has of them. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.digests import check_digest
from ..._image.archive import read_images
from ..._image.platforms import parse_platform
from ..._image.source import open_files
from ..._store.images import read_config, read_records
from ..._store.layout import check_path
from ..._store.recognition import store_not_found_error
from ..store import Store
from .archive import record_of
from .chains import ChainIndex
from .choice import is_asked_for
from .observe import exact_layers
from .state import WantedImage, reported

_MOST_IMAGES = 1000
_MOST_LAYERS = 20_000  # of all images together
_MOST_UNREAD = 5  # records that a warning is about


def images_in_archive(store: Store, path: str, image: str | None, platform: str | None) -> dict[str, t.Any]:
    """Return the images in an archive. image, platform: None for any.

    raises: InvalidInput, ArchiveRejected, DigestMismatch, DepthExceeded, NotSupported, OSError.
    """
    wanted = parse_platform(platform) if platform else None
    with open_files(check_path(path, "src")) as files:
        found, truncated = read_images(files, image, wanted, _MOST_IMAGES)
    return _listed(store, [WantedImage(record_of(one, None), one.config, one) for one in found], truncated)


def images_in_store(store: Store, image: str | None, platform: str | None) -> dict[str, t.Any]:
    """Return the images whose layers were put into a store. image, platform: None for any.

    A record that cannot be read gives a warning.
    raises: InvalidInput, StoreNotFound, OSError.
    """
    if not store.exists:
        raise store_not_found_error(store.home)
    wanted = parse_platform(platform) if platform else None
    there = read_records(store.home)
    records = [record for record in there.images if is_asked_for(record, image, wanted)]
    chosen = records[:_MOST_IMAGES]
    only = len(chosen) == 1
    found = [WantedImage(one, read_config(store.home, one.image_id) if only else None) for one in chosen]
    told = [f"an image is not told: {error}; {error.hint}" for error in there.unread[:_MOST_UNREAD]]
    if len(there.unread) > _MOST_UNREAD:
        told.append(f"{len(there.unread) - _MOST_UNREAD} more images are not told, as their records cannot be read")
    return {**_listed(store, found, len(records) > len(chosen)), **({"warnings": told} if told else {})}


def present_in(store: Store, chains: t.Sequence[str]) -> t.Sequence[str]:
    """Return those of the chain ids of an image, base first, that a store has. Raises InvalidInput, OSError."""
    for chain in chains:
        check_digest(chain, "chain_ids")
    return chains[: len(ChainIndex(store).find(chains))] if store.exists else []


def _listed(store: Store, images: t.Sequence[WantedImage], truncated: bool) -> dict[str, t.Any]:
    index = ChainIndex(store)
    listed: list[dict[str, t.Any]] = []
    layers = 0
    for wanted in images:
        layers += len(wanted.record.layers)
        if layers > _MOST_LAYERS:
            return {"images": listed, "truncated": True}
        found = index.find(wanted.chain_ids) if store.exists else ()
        shown = wanted if len(images) == 1 else wanted._replace(config=None)
        listed.append(reported(shown, found, exact_layers(store.home, found)))
    return {"images": listed, "truncated": truncated}
