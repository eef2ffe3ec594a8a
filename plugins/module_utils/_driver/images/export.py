# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an image of a store that is to be written to a file. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._archive.digests import Digest
from ..._archive.exact_head import Head
from ..._archive.exact_replay import NotExact, replay
from ..._archive.tar import Write
from ..._errors import InvalidInput, LayerNotFound, StoreCorrupt, printable
from ..._image.written import Blob, layer_type
from ..._linux.subject import about
from ..._store.images import ImageRecord, read_config, read_records
from ..._store.layout import DIFF
from ..._store.recognition import store_not_found_error
from ..content.exact_file import exact_head, open_exact
from ..content.layer_tar import LayerTar
from ..content.observe import compare
from ..state import LayerState
from ..store import Store
from .chains import ChainIndex
from .choice import ImageChoice, is_meant, several_error
from .export_state import NO_RECORD, ExportState, OutLayer
from .state import chains_of


def observe_export(store: Store, choice: ImageChoice) -> ExportState:
    """Return the chosen image and its layers.

    raises: StoreNotFound; LayerNotFound if the store does not have the image whole; InvalidInput if several images are
            meant; StoreCorrupt, OSError.
    """
    if not store.exists:
        raise store_not_found_error(store.home)
    index = ChainIndex(store)
    found = []
    records = read_records(store.home)
    for record in records.images:
        if is_meant(record, choice):
            layers = index.find(chains_of(record))
            if choice.top is None or (len(layers) == len(record.layers) and layers[-1].id == choice.top):
                found.append((record, layers))
    if len(found) > 1:
        raise several_error([record for record, _layers in found])
    if not found:
        unread = f"; a record of an image cannot be read: {records.told}" if records.unread else ""
        raise LayerNotFound("the store does not have the image", hint=f"overlay2_image_info lists the images{unread}")
    record, layers = found[0]
    if len(layers) < len(record.layers):
        raise LayerNotFound(
            f"the store has {len(layers)} of the {len(record.layers)} layers of image {record.image_id}",
            hint="have the image again from its archive, with state present",
            image_id=record.image_id,
        )
    config = read_config(store.home, record.image_id)
    if config is None:
        raise StoreCorrupt(
            f"the config of image {record.image_id} is missing or damaged",
            hint=f"remove {printable(store.home)}/.strata-images/{record.image_id[7:]}.json, and have the image again"
            " from its archive, with state present",
            image_id=record.image_id,
        )
    return ExportState(record, config, layers)


def layers_out(store: Store, have: ExportState, has: t.Collection[str]) -> tuple[OutLayer, ...]:
    """Return how each layer of the image goes out. has: chain ids that the other side has, with all layers below.

    raises: InvalidInput if nothing can be said about a layer that is left out; NotSupported, StoreCorrupt, OSError.
    """
    chains = chains_of(have.record)
    left_out = max((place + 1 for place, chain in enumerate(chains) if chain in has), default=0)
    found = []
    for place, layer in enumerate(have.found):
        head = exact_head(store.home, layer.id, layer.diff_id)
        kept = _kept(have.record, place, layer, head) if place < left_out else None
        found.append(OutLayer(layer, head, "" if head else NO_RECORD, None, kept, _new_tar(store, layer)))
    return tuple(found)


def _kept(record: ImageRecord, place: int, layer: LayerState, head: Head | None) -> Blob:
    """Return what the documents tell of a layer that is left out: the size of its tar, or of the file that it was."""
    known = record.layers[place]
    if head:
        return Blob(head.diff_id, head.diff_id, head.size, layer_type("none"))
    if known.size is not None and known.digest:
        return Blob(known.diff_id, known.digest, known.size, known.media_type or layer_type("none"))
    if known.size is not None and layer.digest == layer.diff_id:
        return Blob(known.diff_id, known.diff_id, known.size, layer_type("none"))
    raise InvalidInput(
        f"layer {layer.id} cannot be left out: {NO_RECORD}, so the size of the tar is not known",
        hint="take its chain id, and those of layers above, out of has",
        chain_id=layer.chain_id,
    )


def _new_tar(store: Store, layer: LayerState) -> LayerTar:
    """Return the tar of a layer as overlay2_diff would write it. Nothing is read yet but what the kernel supports."""
    own = store.features.native_overlay_diff is not False
    parent = LayerState(layer.parent, None, layer.lowers[1:]) if layer.parent else None
    found = compare(store.home, layer, parent, store.features, own=own, written=True)
    return LayerTar(found, store.settings.container_ids)


def write_exact(home: str, layer: LayerState, write: Write) -> None:
    """Write the tar of a layer again, as it came in. Raises NotExact, OSError; what was written is then worthless."""
    path = f"{home}/{layer.id}/{DIFF}"
    with about(path), open_exact(home, layer.id) as read:
        replay(read, path, write)


def checked(home: str, out: OutLayer) -> OutLayer:
    """Return *out* after its exact record was tried: if it does not give the tar, the tar is written anew.

    raises: as measured().
    """
    if out.kept or not out.head:
        return out
    try:
        write_exact(home, out.layer, len)
    except NotExact as error:
        return measured(out._replace(head=None, why=str(error)))
    return out


def measured(out: OutLayer) -> OutLayer:
    """Return *out* with diff id and size of its tar. Raises as LayerTar.write."""
    if out.kept or out.will_be:
        return out
    digest: Digest = out.tar.digest()
    return out._replace(measured=Head(str(digest), digest.size))
