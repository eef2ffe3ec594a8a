# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a store has of an image, and what needs the image. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import Overlay2Error, StoreCorrupt, shorten
from ..._store.images import ImageRecord, Records, read_config, read_records, unwritable_error
from ..._store.settings import Settings
from ..content.exact_file import exact_head
from ..layers.images import label_of, layer_name
from ..state import LayerState
from ..store import Store
from .chains import ChainIndex
from .choice import ImageChoice, is_meant, several_error
from .state import (
    ImageSource,
    ImageState,
    RemovalState,
    WantedImage,
    chains_of,
)


def find_pinned(store: Store, source: ImageSource) -> WantedImage | None:
    """Return the image that the store has whole and that has all expected digests; None if there is none.

    raises: StoreCorrupt, OSError.
    """
    if not source.is_pinned or not store.exists:
        return None
    index = ChainIndex(store)
    for record in read_records(store.home).images:
        chains = chains_of(record)
        said = (
            (source.image_id, record.image_id),
            (source.manifest_digest, record.manifest_digest),
            (source.chain_id, chains[-1]),
        )
        if all(wanted in (None, found) for wanted, found in said) and len(index.find(chains)) == len(chains):
            return WantedImage(record, read_config(store.home, record.image_id))
    return None


def observe_image(store: Store, wanted: WantedImage, top: str | None) -> ImageState:
    """Return what the store has of an image. top: the name that the user wants for its top layer.

    raises: what is_store() raises for a home that is not a store, StoreCorrupt, OSError.
    """
    found = ChainIndex(store).find(wanted.chain_ids, top) if store.exists else ()
    names = [layer_name(chain) for chain in wanted.chain_ids]
    if top:
        names[-1] = top
    there = read_records(store.home) if store.exists else Records()
    unwritable = unwritable_error(store.home, wanted.record.image_id, there)
    if unwritable:
        raise unwritable
    records = {record.image_id: record for record in there.images}
    return ImageState(
        home=store.home,
        exists=store.exists,
        wanted=wanted,
        found=found,
        records={key: record for key, record in records.items() if _concerns(record, wanted.record)},
        settings=store.settings if store.exists else Settings(),
        taken=_taken(store, names[len(found) :]) if store.exists else {},
        engine=store.owner,
        refusal=_refusal(store) if len(found) < len(names) else None,
        userxattr=bool(store.features.userxattr) if len(found) < len(names) else False,
        exact=exact_layers(store.home, found),
    )


def _refusal(store: Store) -> Overlay2Error | None:
    """Return why no layer can be made in a store; None if one can."""
    from ..probe import features  # an image that is there does not need it, and each host compiles each import

    return features.not_supported_error(store.features)


def exact_layers(home: str, layers: t.Iterable[LayerState]) -> frozenset[str]:
    """Return the ids of those *layers* that have an exact record. Raises OSError."""
    return frozenset(layer.id for layer in layers if exact_head(home, layer.id, layer.diff_id))


def observe_removal(store: Store, choice: ImageChoice) -> RemovalState:
    """Return the image to remove, and what needs its layers.

    raises: InvalidInput if several images are meant; what is_store() raises for a home that is not a store;
            OSError.
    """
    if not store.exists:
        return RemovalState(store.home, False)
    records = read_records(store.home)
    index = ChainIndex(store)
    looked = ((record, _meant(store, index, record, choice)) for record in records.images)
    meant = [(record, found) for record, found in looked if found is not None]
    if not meant:
        return RemovalState(store.home, True, unread=records.told)
    if len(meant) > 1:
        raise several_error([record for record, _found in meant])
    from ..layers.observe import observe_for_removal  # a run that puts an image does not need it

    record, found = meant[0]
    there = {layer.chain_id: layer.id for layer in found}
    others: dict[str, list[str]] = {}
    for other in records.images:
        top = there.get(chains_of(other)[-1])
        if top and other.image_id != record.image_id:
            others.setdefault(top, []).append(label_of(other))
    layers = observe_for_removal(store, [layer.id for layer in found], above=False, users=True)
    words = {top: shorten(labels) for top, labels in others.items()}
    return RemovalState(store.home, True, record, found, words, layers, unread=records.told)


def _meant(store: Store, index: ChainIndex, record: ImageRecord, choice: ImageChoice) -> tuple[LayerState, ...] | None:
    """Return the layers that the store has of an image, base first; None if *choice* does not mean the image."""
    if not is_meant(record, choice):
        return None
    chains = chains_of(record)
    found = index.find(chains, choice.top or record.top)
    if choice.top is None or (len(found) == len(chains) and found[-1].id == choice.top):
        return found
    # A killed run may have removed the top layer alone.
    is_gone = len(found) < len(chains) and choice.top not in store.files.ids
    return found if is_gone and choice.top in (record.top, layer_name(chains[-1])) else None


def _concerns(record: ImageRecord, wanted: ImageRecord) -> bool:
    return record.image_id == wanted.image_id or not set(record.names).isdisjoint(wanted.names)


def _taken(store: Store, names: t.Sequence[str]) -> dict[str, str]:
    """Return what already has one of *names*, by the name."""
    found = {}
    for name in names:
        if os.path.lexists(store.path(name)):
            found[name] = _kind_of(store, name) if name in store.files.ids else "something that is not a layer"
    return found


def _kind_of(store: Store, layer_id: str) -> str:
    """Return, in words, what a layer is that does not have the content of an image."""
    try:
        layer = store.layer(layer_id)
    except StoreCorrupt:
        return "a damaged layer"
    return "a layer with other content" if layer and layer.chain_id else "a layer whose content is not known"
