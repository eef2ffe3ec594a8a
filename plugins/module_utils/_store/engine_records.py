# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers the records of another engine need; in doubt a layer is needed. Only reads. PRIVATE to the collection.

Docker's records, beside home:

    image/overlay2/layerdb                                          layerdb.py has its files
    image/overlay2/imagedb/*/<algorithm>/<image>                    searched for the bytes of ids
    buildkit/*.db                                                   the same in keys and values of bbolt databases
    the image database, containers                                  lost_records.py: what layerdb has lost

storage_records.py has the records of containers-storage.

Source: moby image/fs.go.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .._bolt import meta
from .._errors import printable
from .._linux.noatime import open_quietly
from .engine import CONTAINERS_STORAGE, DOCKER, find_engine
from .layerdb import entry_paths, read_entry
from .layout import LINKS, LOWER
from .live_names import names_in_database
from .lost_records import check_layerdb
from .name_search import NameSearch
from .record_files import files, unreadable_error
from .storage_records import layer_ids_of, read_list, record_lists

if t.TYPE_CHECKING:
    from .layer import LayerFiles

_IMAGEDB = "image/overlay2/imagedb"
_BUILDKIT = "buildkit"
_CHUNK = 1 << 20  # bytes that one read of a database returns


def references(store: LayerFiles, engine: str, known: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """Return by id, in words, what needs a layer of *store*. No record of *engine* needs a layer that has no key.

    known: what named_by_records() returned; None to read the records now.
    The layers are listed before the records are read, so a layer that the engine is making now is not missed.
    raises: StoreCorrupt if a record is lost or cannot be read, or the lower file of a layer that a record names: then
            any layer may be needed.
    """
    ids = store.ids
    named = named_by_records(store, engine) if known is None else known
    found = {id: f"its record {printable(path)} names it" for id, path in named.items() if id in ids}
    for id in list(found):
        for lower in _lowers(store, id):
            found.setdefault(lower, f"layer {id}, which its records name, is built on it")
    if engine == DOCKER and len(found) < len(ids):
        check_layerdb(_root(store.home))
    return found


def named_by_records(store: LayerFiles, engine: str) -> dict[str, str]:
    """Return by id of a layer, which may be gone, the record of *engine* that names it, as a path from the data root.

    raises: StoreCorrupt.
    """
    named = {DOCKER: _named_by_docker, CONTAINERS_STORAGE: _named_by_containers_storage}[engine]
    return named(_root(store.home), store.ids)


def _root(home: str) -> str:
    found = find_engine(home)
    return found.root if found else os.path.dirname(home)


def orphans(store: LayerFiles, needed: t.Container[str]) -> list[str]:
    """Return the ids of the layers of *store* that are not *needed*, sorted."""
    return [id for id in sorted(store.ids) if id not in needed]


def _lowers(store: LayerFiles, layer_id: str) -> t.Iterator[str]:
    """Yield the lowers of a layer that lie in this store. Raises StoreCorrupt if the lowers cannot be read."""
    try:
        layer, damage = store.examine(layer_id)
    except OSError as error:
        raise unreadable_error(store.path(layer_id), error.strerror) from error
    for one in damage:
        if os.path.basename(one.path) == LOWER:
            raise unreadable_error(one.path, f"layer {layer_id} is damaged: {one.message}")
    for place, link in enumerate(layer.lowers if layer else ()):
        lower = store.links.get(link)
        if lower is None and store.lenders.lower(layer_id, place, link):
            continue
        if lower is None:
            raise unreadable_error(store.path(LINKS, link), f"layer {layer_id} needs it, and it leads to no layer")
        yield lower


def _named_by_docker(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names it, as a path below *root*. Raises StoreCorrupt."""
    found: dict[str, str] = {}
    for path in entry_paths(root):
        for name, id in read_entry(root, path, ids).named():
            found.setdefault(id, f"{path}/{name}")
    search = NameSearch(id for id in ids if id not in found)
    if not search.longest:
        return found
    for path in files(root, _IMAGEDB):
        for id in _occurring(root, path, search):
            found.setdefault(id, path)
    for path in (path for path in files(root, _BUILDKIT, 1) if path.endswith(".db")):
        for id in _in_database(root, path, search):
            found.setdefault(id, path)
    return found


def _in_database(root: str, path: str, search: NameSearch) -> set[str]:
    """Return the names in a database's records; in all of its bytes, if the records cannot be read.

    raises: StoreCorrupt.
    """
    full = os.path.join(root, path)
    try:
        fd = open_quietly(full, os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            damaged = meta.wrong_with(os.pread(fd, meta.HEAD, 0), os.fstat(fd).st_size)  # _occurring() tells it
            found = None if damaged else names_in_database(fd, search)
        finally:
            os.close(fd)
    except OSError as error:
        raise unreadable_error(full, error.strerror) from error
    return _occurring(root, path, search, meta.wrong_with) if found is None else found


def _occurring(
    root: str, path: str, search: NameSearch, wrong_with: t.Callable[[bytes, int], str] | None = None
) -> set[str]:
    """Return the names whose bytes occur in a file, which may be large. Raises StoreCorrupt.

    wrong_with: returns from the first bytes of a file, and its size, why the file is damaged; "" if it may be whole.
    """
    found: set[str] = set()
    path = os.path.join(root, path)
    try:
        fd = open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise unreadable_error(path, "it is not a regular file")
            data = chunk = os.read(fd, _CHUNK)
            wrong = wrong_with(data, status.st_size) if wrong_with else ""
            if wrong:
                raise unreadable_error(path, wrong)
            while chunk:
                found |= search.names_in(data)
                chunk = os.read(fd, _CHUNK)
                # A name may lie across the border.
                data = data[max(0, len(data) - search.longest + 1) :] + chunk
        finally:
            os.close(fd)
    except OSError as error:
        raise unreadable_error(path, error.strerror) from error
    return found


def _named_by_containers_storage(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names the layer. Records name every layer, so their text is not searched for *ids*.

    A store without layers may have no layers.json yet.
    """
    found: dict[str, str] = {}
    for path, what, main in record_lists(root, "layer", "image", "container"):
        key = "id" if what == "layer" else "layer"
        below = path.startswith(f"{root}/")
        for record in read_list(path, must=bool(ids) and main):
            for id in layer_ids_of(record, path, key, optional=what != "layer"):
                found.setdefault(id, os.path.relpath(path, root) if below else path)
    return found
