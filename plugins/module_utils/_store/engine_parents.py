# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another engine's records say that each layer is built on. Only reads. PRIVATE to the collection.

A repair writes a lost ``lower`` as these records say, so a wrong parent is worse than none: the reader leaves out each
layer of which a record is torn, contradicts another record, or is not about the directory:

    Docker               A chain id is the digest of the chain right below and of a diff id, so each record of an
                         image's layer proves that it is whole. A container's record proves nothing: where a file of it
                         is missing, a crash may have lost the file.
    BuildKit in dockerd  Its layers have ids of 25 characters. dockerd records such a layer by its content: if it had a
                         layer of the same content already, the record of the layer above names that one, and not
                         the directory that the layer above is built on (tried with dockerd 20.10).
    containers-storage   A layer's parent is the directory right below, in the store or in an additional image store.
                         The list of layers is replaced as a whole.

Source: moby layer/filestore.go, layer/migration.go, image-spec "Layer ChainID"; containers/storage layers.go.
"""

from __future__ import annotations

import collections
import hashlib
import os
import typing as t

from .._errors import StoreCorrupt
from .docker_ids import is_of_dockerd
from .engine import CONTAINERS_STORAGE, DOCKER, find_engine
from .layerdb import Entry, content, entry_paths, is_passing, read_entry, torn_error
from .storage_records import checked_id, read_list, record_lists

if t.TYPE_CHECKING:
    from .layer import LayerFiles

_DIFF = "diff"


class RecordedChains(t.NamedTuple):
    """What an engine's records say of the layers of its store.

    parents: by id, the id of the parent; "" for no parent. The parent may be lost, or lie in an additional image store.
    sealed:  the layers that have ``committed`` in the engine's store. containers-storage knows no such mark.
    unread:  the records that the engine cannot have written, as paths: they say nothing.
    """

    parents: t.Mapping[str, str] = {}
    sealed: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()


def recorded_chains(store: LayerFiles, engine: str) -> RecordedChains:
    """Return what *engine*'s records say of the layers of *store*. Raises OSError."""
    read = {DOCKER: _of_docker, CONTAINERS_STORAGE: _of_containers_storage}.get(engine)
    if read is None:
        return RecordedChains()
    found = find_engine(store.home)
    unread: list[str] = []
    said = read(found.root if found else os.path.dirname(store.home), store.ids, unread)
    parents = _without_loops({id: parent for id, parent in said.items() if id in store.ids})
    # dockerd seals a layer when it makes a layer on it.
    sealed = store.ids & {*parents.values()} if engine == DOCKER else frozenset()
    return RecordedChains(parents, frozenset(sealed), tuple(unread))


def _of_docker(root: str, ids: t.Collection[str], unread: list[str]) -> dict[str, str]:
    """Return by id the parents in layerdb. A directory that two records name is left out, also as a parent."""
    entries = list(_entries(root, ids, unread))
    times = collections.Counter(id for entry in entries for _name, id in entry.named())
    chains = {
        entry.chain: entry.layer
        for entry in entries
        if not entry.is_container and entry.layer is not None and times[entry.layer] == 1
    }
    said: dict[str, str] = {}
    for entry in entries:
        said.update(_of_container(entry, chains, ids) if entry.is_container else _of_image(entry, chains))
    return {id: parent for id, parent in said.items() if times[id] == 1}


def _of_image(entry: Entry, chains: t.Mapping[str, str]) -> dict[str, str]:
    """Return by id the parent of an image's layer; nothing for a layer of BuildKit."""
    parent = chains.get(entry.parent) if entry.parent else ""
    if entry.layer is None or parent is None or not is_of_dockerd(entry.layer):
        return {}
    return {entry.layer: parent}


def _of_container(entry: Entry, chains: t.Mapping[str, str], ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the parents of a container's layers: the writable layer is built on the init layer."""
    if entry.layer is None or (entry.init is None and f"{entry.layer}-init" in ids):
        return {}
    found = {entry.layer: entry.init} if entry.init else {}
    parent = chains.get(entry.parent or "")
    return {**found, entry.init or entry.layer: parent} if parent else found


def _entries(root: str, ids: t.Collection[str], unread: list[str]) -> t.Iterator[Entry]:
    """Yield the whole entries of layerdb, without those of layers that dockerd was making or removing."""
    try:
        paths = list(entry_paths(root))
    except StoreCorrupt as error:
        unread.append(str(error.details["path"]))
        return
    for path in paths:
        if is_passing(path):
            continue
        try:
            entry = read_entry(root, path, ids)
            if not entry.is_container:
                _check_chain(root, entry)
        except StoreCorrupt as error:
            unread.append(str(error.details["path"]))
        else:
            yield entry


def _check_chain(root: str, entry: Entry) -> None:
    """Raise StoreCorrupt unless an image's layer has the parent and the diff id that its chain id was made of."""
    diff_id = content(root, f"{entry.path}/{_DIFF}") or ""
    chain = diff_id
    if entry.parent:
        text = os.fsencode(f"{entry.parent} {diff_id}")
        chain = f"sha256:{hashlib.sha256(text).hexdigest()}"
    if chain != entry.chain:
        raise torn_error(root, entry.path, _DIFF, "it and parent do not give the chain id of the layer")


def _of_containers_storage(root: str, ids: t.Collection[str], unread: list[str]) -> dict[str, str]:
    """Return by id the parents in the lists of layers; a list with a record that is impossible says nothing."""
    said: dict[str, set[str]] = {}
    for path, _what, main in record_lists(root, "layer"):
        try:
            records = [_record(record, path) for record in read_list(path, must=main and bool(ids))]
        except StoreCorrupt as error:
            unread.append(str(error.details["path"]))
            continue
        for id, parent in records:
            said.setdefault(id, set()).add(parent)
    return {id: parents.pop() for id, parents in said.items() if len(parents) == 1}


def _record(record: t.Mapping[str, t.Any], path: str) -> tuple[str, str]:
    """Return the id and the parent in a record of containers-storage. Raises StoreCorrupt."""
    parent = record.get("parent", "")
    return checked_id(record.get("id"), path), parent if parent == "" else checked_id(parent, path)


def _without_loops(parents: dict[str, str]) -> dict[str, str]:
    """Return *parents* without the layers that would be built on themselves."""
    seen: set[str] = set()
    loops: set[str] = set()
    for id in parents:
        way: dict[str, int] = {}
        while id in parents and id not in seen and id not in way:
            way[id] = len(way)
            id = parents[id]
        loops.update([*way][way[id] :] if id in way else ())
        seen.update(way)
    return {id: parent for id, parent in parents.items() if id not in loops}
