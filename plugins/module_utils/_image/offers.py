# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose one of the images in an archive, by name or digest and by platform. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import ArchiveRejected, InvalidInput, printable, shorten
from .documents import Descriptor, Saved
from .platforms import Platform, rank

_DIGEST_START = "sha256:"
_MOST_LISTED = 100  # values in the details of an error


class Offer(t.NamedTuple):
    """An image in an archive that may be chosen.

    document: what describes the image: the descriptor of its manifest, or an entry of manifest.json.
    entry:    its place in the archive's list. Images of one entry are the same image for several platforms.
    names:    as the archive gives them, so any text; the same for all images of an entry.
    digests:  by which a user may ask for the image: of its manifest, of the indexes that name it, of its config.
    platform: None if only its config tells.
    problem:  why it cannot be taken; "" if nothing is known against it.
    """

    document: Descriptor | Saved
    entry: int
    names: tuple[str, ...]
    digests: tuple[str, ...]
    platform: Platform | None = None
    problem: str = ""


Describe = t.Callable[[Offer], Offer]  # adds what the config says. Raises ArchiveRejected, DigestMismatch, OSError


def choose(offers: t.Sequence[Offer], describe: Describe, image: str | None, wanted: Platform) -> Offer:
    """Return the offer that a user asks for by *image*, a name or a digest, for the platform *wanted*.

    image:  None if the archive has only one image.
    raises: InvalidInput if there is none, or several; ArchiveRejected if the archive contradicts itself; those of
            *describe*.
    """
    found = usable(_asked_for(offers, describe, image), describe)
    best: dict[int, tuple[int, Offer]] = {}  # by entry, the first of the best, as the specification demands
    for offer in found:
        place = offer.platform and rank(wanted, offer.platform)
        if place is not None and (offer.entry not in best or place < best[offer.entry][0]):
            best[offer.entry] = place, offer
    if not best:
        raise _platform_error(found, wanted)
    top = min(place for place, _offer in best.values())
    remaining = [offer for place, offer in best.values() if place == top]
    if len(remaining) > 1:
        raise _several_error(remaining, image)
    return remaining[0]


def matching(offers: t.Sequence[Offer], describe: Describe, image: str | None, wanted: Platform | None) -> list[Offer]:
    """Return all offers with this name or digest, and for this platform; None stands for any. Raises as choose()."""
    found = usable(_asked_for(offers, describe, image), describe)
    return [offer for offer in found if wanted is None or (offer.platform and rank(wanted, offer.platform) is not None)]


def usable(offers: t.Sequence[Offer], describe: Describe) -> list[Offer]:
    """Return those of *offers* that are images, with their platforms. Raises ArchiveRejected if there is none."""
    described = [offer if offer.platform else describe(offer) for offer in offers]
    found = [offer for offer in described if not offer.problem]
    if not found:
        problem = described[0].problem if described else "it names no image"
        raise ArchiveRejected(
            f"the archive holds no image that can be taken: {problem}",
            hint="give an archive with a container image, for example from docker save or skopeo copy",
        )
    return found


def _asked_for(offers: t.Sequence[Offer], describe: Describe, image: str | None) -> t.Sequence[Offer]:
    if image is None:
        return offers
    if image.startswith(_DIGEST_START):
        found = [offer for offer in offers if image in offer.digests]
        found = found or [offer for offer in map(describe, offers) if image in offer.digests]
        if found:
            return found
    entries = {first.entry for first in _entries(offers) if image in first.names or image in _shown(first)}
    found = [offer for offer in offers if offer.entry in entries]
    if not found:
        raise InvalidInput(f"image: the archive has no image {printable(image)}", hint=_choice(offers))
    return found


def _platform_error(offers: t.Sequence[Offer], wanted: Platform) -> InvalidInput:
    platforms = list(dict.fromkeys(printable(str(offer.platform)) for offer in offers))
    return InvalidInput(
        f"platform: the image is for {shorten(platforms)}, not for {wanted}",
        hint=f"give an archive with the image for {wanted}, or set platform to one that the archive has",
        platforms=platforms[:_MOST_LISTED],
    )


def _several_error(offers: t.Sequence[Offer], image: str | None) -> ArchiveRejected | InvalidInput:
    """Return the error for several images. They may be several only if the user can choose one by its name."""
    shared = set(offers[0].names).intersection(*(offer.names for offer in offers[1:]))
    doubled = image or min(shared, default="")
    if doubled:
        return ArchiveRejected(
            f"{len(offers)} images in the archive have the name {printable(doubled)}",
            hint=f"set image to the digest of one of them: {_digests(offers)}",
        )
    return InvalidInput(f"image: the archive holds {len(offers)} images", hint=_choice(offers))


def _choice(offers: t.Sequence[Offer]) -> str:
    names = list(dict.fromkeys(name for first in _entries(offers) for name in _shown(first)))
    return f"set image to one of: {shorten(names) if names else _digests(offers)}"


def _digests(offers: t.Sequence[Offer]) -> str:
    return shorten([offer.digests[0] for offer in offers if offer.digests])


def _entries(offers: t.Iterable[Offer]) -> t.Collection[Offer]:
    """Return the first offer of each entry."""
    found: dict[int, Offer] = {}
    for offer in offers:
        found.setdefault(offer.entry, offer)
    return found.values()


def _shown(offer: Offer) -> list[str]:
    return [printable(name) for name in offer.names]
