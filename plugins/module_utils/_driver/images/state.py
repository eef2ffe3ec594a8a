# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image and its layers in a store: as wanted, and as observed. PRIVATE to the collection."""

from __future__ import annotations

import json
import typing as t

from ..._chain_ids import chain_ids
from ..._errors import Overlay2Error, printable
from ..._store.images import ImageRecord
from ..layers.state import LayersState
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..._image.image import Image
    from ..._store.settings import Settings

MOST_NAMES = 100  # of one image, in records and results
_LARGEST_CONFIG = 64 << 10  # bytes of a config in a result


class ImageSource(t.NamedTuple):
    """An image, as the parameters describe it.

    path:         of the archive on this host; "" for none.
    image:        which of several images: a name or a digest; None for the only one.
    platform:     for which the image must be.
    max_size:     of all layers that are unpacked together, in bytes; None for no limit.
    layers_follow: the archive has no layers yet; they come before the real run.
    workers:      layers that are unpacked at once, at most.
    keep_exact:   keep what is needed to write the tars of the layers again.

    image_id, manifest_digest and chain_id are the digests that the image must have; None to accept any.
    """

    path: str
    image: str | None
    platform: str
    max_size: int | None = None
    image_id: str | None = None
    manifest_digest: str | None = None
    chain_id: str | None = None
    layers_follow: bool = False
    workers: int = 2
    keep_exact: bool = True

    @property
    def is_pinned(self) -> bool:
        """Whether digests say which image it must be, so that an image that is there is known without the archive."""
        return any((self.image_id, self.manifest_digest, self.chain_id))


class WantedImage(t.NamedTuple):
    """The image to have.

    record: what to record of it.
    config: its bytes; None if the store lacks it too.
    image:  as the archive has it; None if the archive was not read, because the store has the image.
    """

    record: ImageRecord
    config: bytes | None
    image: Image | None = None

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """The chain ids of its layers, base first."""
        return chains_of(self.record)


class ImageState(t.NamedTuple):
    """What a store has of a wanted image.

    home:      the path of the store.
    exists:    there is a store at home.
    wanted:    the wanted image.
    found:     the layers of the image that are there, base first, without gaps.
    records:   the record of the image, and those of other images that have one of its names, by image id.
    taken:     why a new layer cannot have a name, by the name.
    engine:    the owner of the store, as owner() returns it; None if the store is ours.
    refusal:   why no layer can be made here; None if one can.
    userxattr: our mounts keep their marks in ``user.overlay.*``.
    exact:     ids of the layers whose tars can be written again, by their exact records.
    """

    home: str
    exists: bool
    wanted: WantedImage
    found: tuple[LayerState, ...]
    records: t.Mapping[str, ImageRecord]
    settings: Settings
    taken: t.Mapping[str, str] = {}
    engine: str | None = None
    refusal: Overlay2Error | None = None
    userxattr: bool = False
    exact: frozenset[str] = frozenset()


class RemovalState(t.NamedTuple):
    """An image to remove, and what needs its layers.

    exists: there is a store at home.
    record: of the image; None if the store does not have the image.
    found:  its layers that are there, base first, without gaps.
    others: by the id of a layer, the images whose top layer it is, in words.
    layers: those layers, as for a removal.
    kept:   after the plan, why layers stay, by id.
    unread: why records of images cannot be read, and the cure, in words; "" if all can.
    """

    home: str
    exists: bool
    record: ImageRecord | None = None
    found: tuple[LayerState, ...] = ()
    others: t.Mapping[str, str] = {}
    layers: LayersState | None = None
    kept: t.Mapping[str, str] = {}
    unread: str = ""


def chains_of(record: ImageRecord) -> tuple[str, ...]:
    """Return the chain ids of an image's layers, base first."""
    return tuple(chain_ids(layer.diff_id for layer in record.layers))


def reported(
    wanted: WantedImage, found: t.Sequence[LayerState], exact: t.Container[str] = frozenset()
) -> dict[str, t.Any]:
    """Return an image as results show it.

    found: its layers that are there, base first, without gaps. exact: see ImageState.
    """
    record, chains = wanted.record, wanted.chain_ids
    layers = []
    for place, (layer, chain) in enumerate(zip(record.layers, chains)):
        there = found[place] if place < len(found) else None
        layers.append(
            {
                "id": there.id if there else None,
                "parent": there.parent if there else None,
                "chain_id": chain,
                **layer._asdict(),
                "media_type": layer.media_type and printable(layer.media_type),
                "present": there is not None,
                "exact": there is not None and there.id in exact,
            }
        )
    return {
        "image_id": record.image_id,
        "manifest_digest": record.manifest_digest,
        "chain_id": chains[-1],
        "top": found[-1].id if len(found) == len(chains) else None,
        "names": [printable(name) for name in record.names],
        "platform": printable(record.platform),
        "config": _parsed(wanted.config),
        "chain_ids": list(chains),
        "layers": layers,
        "exact": all(layer["exact"] for layer in layers),
    }


def _parsed(config: bytes | None) -> t.Any:
    """Return a config as a value; None if it is not known, or too large for a result."""
    if config is None or len(config) > _LARGEST_CONFIG:
        return None
    return json.loads(config)
