# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers the records of another engine need; in doubt a layer is needed. Only read. PRIVATE to the collection.

Docker's, beside home:

    image/overlay2/layerdb/<algorithm>/<chain>/cache-id             an image's layer
    image/overlay2/layerdb/mounts/<container>/mount-id, init-id     a container's
    image/overlay2/layerdb/tmp/<random>/cache-id                    one that was being recorded
    image/overlay2/imagedb/*/<algorithm>/<image>, buildkit/*.db     searched for the bytes of ids

containers-storage's, beside home, the volatile ones also where a transient store has them:

    overlay-layers/layers.json, volatile-layers.json
    overlay-images/images.json
    overlay-containers/containers.json, volatile-containers.json

Source: moby layer/filestore.go, image/fs.go; containers/storage layers.go, images.go, containers.go.
"""

from __future__ import annotations

import glob
import json
import os
import stat
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.quiet import open_quietly, read_quietly
from .foreign import CONTAINERS_STORAGE, DOCKER, find_engine
from .layer import Store, examine
from .layout import LINKS, names_in
from .lent import Lenders
from .links import all_links
from .name_search import NameSearch

_LAYERDB = "image/overlay2/layerdb"
_IMAGEDB = "image/overlay2/imagedb"
_BUILDKIT = "buildkit"
_RUN_ROOTS = ("/run/containers/storage", "/run/user/*/containers")
_CHUNK = 1 << 20  # bytes of a database read at once


def references(store: Store, engine: str) -> dict[str, str]:
    """Return what needs each layer of *store*, in words; one without a key is known to none of *engine*'s records.

    The layers are listed before the records are read: one that the engine is just making cannot be missed.
    raises: StoreCorrupt if a record, or what lies below a layer that one names, cannot be read: then any layer may
            be needed.
    """
    ids = store.ids
    named = named_by_records(store, engine)
    found = {id: f"its record {printable(path)} names it" for id, path in named.items() if id in ids}
    links = all_links(store.home)
    for id in list(found):
        for lower in _lowers(store.home, id, links, store.lenders):
            found.setdefault(lower, f"layer {id}, which its records name, is built on it")
    return found


def named_by_records(store: Store, engine: str) -> dict[str, str]:
    """Return by layer, there or not, the record of *engine* that names it, as a path from the data root.

    raises: StoreCorrupt.
    """
    named = {DOCKER: _named_by_docker, CONTAINERS_STORAGE: _named_by_containers_storage}[engine]
    found = find_engine(store.home)
    return named(found.root if found else os.path.dirname(store.home), store.ids)


def orphans(store: Store, needed: t.Container[str]) -> list[str]:
    """Return the layers of *store* that are not *needed*, sorted."""
    return [id for id in sorted(store.ids) if id not in needed]


def _lowers(home: str, id: str, links: t.Mapping[str, str | None], lenders: Lenders) -> t.Iterator[str]:
    """Yield the layers below a layer, but for those of other stores. Raises StoreCorrupt where they cannot be told."""
    try:
        layer, damage = examine(home, id)
    except OSError as error:
        raise _unreadable(os.path.join(home, id), error.strerror) from error
    for one in damage:
        if one.code.startswith("lower"):
            raise _unreadable(one.path, f"layer {id} is damaged: {one.message}")
    for place, link in enumerate(layer.lowers if layer else ()):
        lower = links.get(link)
        if lower is None and lenders.lower(id, place, link):
            continue
        if lower is None:
            raise _unreadable(os.path.join(home, LINKS, link), f"layer {id} needs it, and it leads to no layer")
        yield lower


def _named_by_docker(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names it, as a path below *root*."""
    found: dict[str, str] = {}
    for kind in _directories(root, _LAYERDB):
        for entry in _directories(root, kind):
            for name, must in _names_in(kind, entry):
                id = _content(root, f"{entry}/{name}", must)
                if id:
                    found.setdefault(id, f"{entry}/{name}")
    search = NameSearch(id for id in ids if id not in found)
    if not search.longest:
        return found
    for path in (*_files(root, _IMAGEDB), *(path for path in _files(root, _BUILDKIT, 1) if path.endswith(".db"))):
        for id in _occurring(root, path, search):
            found.setdefault(id, path)
    return found


def _names_in(kind: str, entry: str) -> tuple[tuple[str, bool], ...]:
    """Return the files that name layers in an entry of layerdb, each with whether it has to be there.

    A kill leaves entries without one only in tmp, and where the layer itself is gone by then.
    """
    if os.path.basename(kind) == "mounts":
        return ("mount-id", True), ("init-id", False)
    return (("cache-id", os.path.basename(kind) != "tmp" and not entry.endswith("-removing")),)


def _content(root: str, path: str, must: bool) -> str:
    try:
        content = os.fsdecode(read_quietly(os.path.join(root, path))).strip()
    except FileNotFoundError:
        content = ""
    except OSError as error:
        raise _unreadable(os.path.join(root, path), error.strerror) from error
    if must and not content:
        raise _unreadable(os.path.join(root, path), "it is missing or empty")
    return content


def _occurring(root: str, path: str, search: NameSearch) -> set[str]:
    """Return the names whose bytes occur in a file, which may be large. Raises StoreCorrupt."""
    found: set[str] = set()
    path = os.path.join(root, path)
    try:
        fd = open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _unreadable(path, "it is no file")
            data = chunk = os.read(fd, _CHUNK)
            while chunk:
                found |= search.names_in(data)
                chunk = os.read(fd, _CHUNK)
                # A name may lie across the border.
                data = data[max(0, len(data) - search.longest + 1) :] + chunk
        finally:
            os.close(fd)
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    return found


def _named_by_containers_storage(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names it; any layer has to be in one of them, so *ids* are not searched for.

    A store without layers may not have a list of them yet.
    """
    found: dict[str, str] = {}
    run_roots = [place for pattern in _RUN_ROOTS for place in glob.glob(pattern)]
    for place in (root, *run_roots):
        for what, key in (("layer", "id"), ("image", "layer"), ("container", "layer")):
            for name in (f"{what}s.json", f"volatile-{what}s.json"):
                path = os.path.join(place, f"overlay-{what}s", name)
                for record in _json_list(path, must=bool(ids) and place == root and name == "layers.json"):
                    for id in (record.get(key), *(record.get("mapped-layers") or ())):
                        if id:
                            found.setdefault(str(id), os.path.relpath(path, root) if place == root else path)
    return found


def _json_list(path: str, must: bool) -> list[dict[str, t.Any]]:
    try:
        with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            records = json.load(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must:
            raise _unreadable(path, error.strerror) from error
        return []
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    except (ValueError, RecursionError):
        raise _unreadable(path, "it is not as containers-storage writes it") from None
    if records is None:  # how it writes an empty list
        return []
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _unreadable(path, "it is not as containers-storage writes it")
    return records


def _directories(root: str, path: str) -> t.Iterator[str]:
    """Yield the directories in one, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except OSError as error:
        raise _unreadable(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if entry.is_symlink:
            raise _unreadable(os.path.join(root, path, entry.name), "it is a symlink, which no engine makes there")
        if entry.is_directory:
            yield f"{path}/{entry.name}"


def _files(root: str, path: str, depth: int = 8) -> t.Iterator[str]:
    """Yield what is no directory in one that may be missing, and below, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if not entry.is_directory:
            yield f"{path}/{entry.name}"
        elif depth > 1:
            yield from _files(root, f"{path}/{entry.name}", depth - 1)


def _unreadable(path: str, why: str | None) -> StoreCorrupt:
    return StoreCorrupt(
        f"it cannot be told which layers are needed: {printable(path)}: {why or 'it cannot be read'}",
        hint="as long as this is so no layer here is taken for an orphan; have the engine repair it",
        path=printable(path),
    )
