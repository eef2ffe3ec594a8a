# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the layers of a store belong to, by the records of the images. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._chain_ids import chain_ids
from ..._errors import printable
from ..._store.layout import IMAGES

if t.TYPE_CHECKING:
    from ..._store.images import ImageRecord

_LONGEST_LABEL = 200  # characters of a name in a sentence; a name may have any length


class Images(t.NamedTuple):
    """The records of a store's images that can be read. error: why the others cannot, in words; "" if all can."""

    records: tuple[ImageRecord, ...] = ()
    error: str = ""


def read_images(home: str) -> Images:
    """Return the images of a store."""
    if not os.path.lexists(f"{home}/{IMAGES}"):
        return Images()
    from ..._store.images import read_records  # most stores have no images, and each import is compiled on every host

    try:
        records = read_records(home)
    except OSError as error:
        return Images((), printable(str(error)))
    return Images(records.images, printable(records.why))


def by_chain(records: t.Iterable[ImageRecord], *, tops_only: bool = False) -> dict[str, list[ImageRecord]]:
    """Return the images by the chain ids of their layers; tops_only: of their top layers."""
    found: dict[str, list[ImageRecord]] = {}
    for record in records:
        chains = list(chain_ids(layer.diff_id for layer in record.layers))
        for chain in chains[-1:] if tops_only else chains:
            found.setdefault(chain, []).append(record)
    return found


def topless(
    records: t.Sequence[ImageRecord],
    going: t.Mapping[str, str | None],
    left: t.Mapping[str, str | None],
    *,
    or_missing: bool,
) -> list[ImageRecord]:
    """Return the images whose top layers go, and no other layer has the content of theirs. Pure.

    A layer with the name of a top layer may be the top layer although its record, which tells the content, is lost.

    going, left: the chain ids of the layers that go, and of those that stay, by layer id; None if the content is not
                 known.
    or_missing:  return also the images whose top layers are missing already.
    """
    content_going, content_left = set(going.values()), set(left.values())

    def is_useless(record: ImageRecord, chain: str) -> bool:
        name = record.top or layer_name(chain)
        if chain in content_left or (name in left and left[name] is None):
            return False
        return or_missing or chain in content_going or (name in going and going[name] is None)

    tops = by_chain(records, tops_only=True)
    useless = {one.image_id for chain, ones in tops.items() for one in ones if is_useless(one, chain)}
    return [record for record in records if record.image_id in useless]


def layer_name(chain: str) -> str:
    """Return the id that the layer of an image gets if the user does not name it: the digits of its chain id."""
    return chain[chain.index(":") + 1 :]


def label_of(record: ImageRecord) -> str:
    """Return how a sentence calls an image: by the start of its first name; by its id if it has no name."""
    return printable(record.names[0])[:_LONGEST_LABEL] if record.names else record.image_id


def names_of(record: ImageRecord) -> tuple[str, ...]:
    """Return all by which a user may name an image: its names, as they are and as results show them; its digests."""
    digests = (record.image_id, *([record.manifest_digest] if record.manifest_digest else []))
    return (*record.names, *map(printable, record.names), *digests)
