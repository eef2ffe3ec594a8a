# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image of a store is meant, by its properties. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.digests import check_digest
from ..._errors import InvalidInput, printable, shorten
from ..._image.platforms import Platform, parse_platform, rank
from ..._store.images import ImageRecord
from ..._store.layout import check_id
from .state import chains_of


class ImageChoice(t.NamedTuple):
    """Which image of a store: the one with all given properties. None: not given.

    image:    a name, or the digest of its manifest or config.
    platform: for which the image must be.
    top:      the id of its top layer.
    """

    image: str | None = None
    platform: str | None = None
    image_id: str | None = None
    manifest_digest: str | None = None
    chain_id: str | None = None
    top: str | None = None


def is_meant(record: ImageRecord, choice: ImageChoice) -> bool:
    """Tell whether the image of a record has what *choice* gives, but for the id of the top layer."""
    said = (
        (choice.image_id, record.image_id),
        (choice.manifest_digest, record.manifest_digest),
        (choice.chain_id, chains_of(record)[-1]),
    )
    platform = parse_platform(choice.platform) if choice.platform else None
    return is_asked_for(record, choice.image, platform) and all(asked in (None, has) for asked, has in said)


def is_asked_for(record: ImageRecord, image: str | None, platform: Platform | None) -> bool:
    """Tell whether a record is of *image*, a name or digest, and for *platform*. None for any."""
    names = (record.image_id, record.manifest_digest, *record.names, *map(printable, record.names))
    if image is not None and image not in names:
        return False
    return platform is None or rank(platform, Platform(*record.platform.split("/", 2))) is not None


def check_image(image: str | None) -> str | None:
    """Return *image*. Raises InvalidInput for a text that begins as a digest and is none."""
    return check_digest(image, "image") if image and image.startswith("sha256:") else image


def check_choice(choice: ImageChoice) -> ImageChoice:
    """Return *choice*. Raises InvalidInput if it does not say which image, or holds something invalid."""
    if not any(choice._replace(platform=None)):
        raise InvalidInput("it is not said which image", hint="give image, image_id, manifest_digest, chain_id or id")
    for option in ("image_id", "manifest_digest", "chain_id"):
        value = getattr(choice, option)
        if value is not None:
            check_digest(value, option)
    check_image(choice.image)
    if choice.platform:
        parse_platform(choice.platform)
    if choice.top:
        check_id(choice.top)
    return choice


def several_error(records: t.Sequence[ImageRecord]) -> InvalidInput:
    """Return the error for a choice that fits several images."""
    return InvalidInput(
        f"several images are meant: {shorten([record.image_id for record in records])}",
        hint="give image_id too",
    )
