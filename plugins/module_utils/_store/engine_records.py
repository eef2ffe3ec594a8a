# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers the records of another engine need; in doubt a layer is needed. Only reads. PRIVATE to the collection.

Docker's records, beside home:

    image/overlay2/layerdb/<algorithm>/<chain>/cache-id             an image's layer
    image/overlay2/layerdb/mounts/<container>/mount-id, init-id     a container's layers
    image/overlay2/layerdb/tmp/<random>/cache-id                    a layer that dockerd was recording
    image/overlay2/layerdb/*/*/parent                               the chain right below; not the id of a layer
    image/overlay2/imagedb/*/<algorithm>/<image>, buildkit/*.db     searched for the bytes of ids

The records of containers-storage, beside home; a transient store has the volatile ones below /run:

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
from .._linux.noatime import open_quietly, read_quietly
from . import bolt
from .docker_ids import why_not_id, why_not_parent
from .engine import CONTAINERS_STORAGE, DOCKER, find_engine
from .layer import LayerFiles, examine
from .layout import LINKS, LOWER, is_id
from .links import all_links
from .name_search import NameSearch
from .recognition import names_in

if t.TYPE_CHECKING:
    from .lent import Lenders

_LAYERDB = "image/overlay2/layerdb"
_IMAGEDB = "image/overlay2/imagedb"
_BUILDKIT = "buildkit"
_RUN_ROOTS = ("/run/containers/storage", "/run/user/*/containers")
_CHUNK = 1 << 20  # bytes that one read of a database returns


def references(store: LayerFiles, engine: str) -> dict[str, str]:
    """Return by id, in words, what needs a layer of *store*. No record of *engine* needs a layer that has no key.

    The layers are listed before the records are read, so a layer that the engine is making now is not missed.
    raises: StoreCorrupt if a record, or the lower file of a layer that a record names, cannot be read: then any layer
            may be needed.
    """
    ids = store.ids
    named = named_by_records(store, engine)
    found = {id: f"its record {printable(path)} names it" for id, path in named.items() if id in ids}
    links = all_links(store.home)
    for id in list(found):
        for lower in _lowers(store.home, id, links, store.lenders):
            found.setdefault(lower, f"layer {id}, which its records name, is built on it")
    return found


def named_by_records(store: LayerFiles, engine: str) -> dict[str, str]:
    """Return by id of a layer, which may be gone, the record of *engine* that names it, as a path from the data root.

    raises: StoreCorrupt.
    """
    named = {DOCKER: _named_by_docker, CONTAINERS_STORAGE: _named_by_containers_storage}[engine]
    found = find_engine(store.home)
    return named(found.root if found else os.path.dirname(store.home), store.ids)


def orphans(store: LayerFiles, needed: t.Container[str]) -> list[str]:
    """Return the ids of the layers of *store* that are not *needed*, sorted."""
    return [id for id in sorted(store.ids) if id not in needed]


def _lowers(home: str, layer_id: str, links: t.Mapping[str, str | None], lenders: Lenders) -> t.Iterator[str]:
    """Yield the lowers of a layer that lie in this store. Raises StoreCorrupt if the lowers cannot be read."""
    try:
        layer, damage = examine(home, layer_id)
    except OSError as error:
        raise _unreadable_error(os.path.join(home, layer_id), error.strerror) from error
    for one in damage:
        if os.path.basename(one.path) == LOWER:
            raise _unreadable_error(one.path, f"layer {layer_id} is damaged: {one.message}")
    for place, link in enumerate(layer.lowers if layer else ()):
        lower = links.get(link)
        if lower is None and lenders.lower(layer_id, place, link):
            continue
        if lower is None:
            raise _unreadable_error(
                os.path.join(home, LINKS, link), f"layer {layer_id} needs it, and it leads to no layer"
            )
        yield lower


def _named_by_docker(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names it, as a path below *root*. Raises StoreCorrupt."""
    found: dict[str, str] = {}
    for kind in _directories(root, _LAYERDB):
        for entry in _directories(root, kind):
            for name, id in _ids_in(root, kind, entry, ids):
                found.setdefault(id, f"{entry}/{name}")
    search = NameSearch(id for id in ids if id not in found)
    if not search.longest:
        return found
    for path in _files(root, _IMAGEDB):
        for id in _occurring(root, path, search):
            found.setdefault(id, path)
    for path in (path for path in _files(root, _BUILDKIT, 1) if path.endswith(".db")):
        for id in _occurring(root, path, search, bolt.wrong_with):
            found.setdefault(id, path)
    return found


def _ids_in(root: str, kind: str, entry: str, ids: t.Collection[str]) -> t.Iterator[tuple[str, str]]:
    """Yield the files in an entry of layerdb that name a layer, with the layer's id. Raises StoreCorrupt.

    A killed dockerd leaves entries without such a file only in tmp, and for layers that it was removing.
    """
    left = os.path.basename(kind) == "tmp" or entry.endswith("-removing")
    name = "mount-id" if os.path.basename(kind) == "mounts" else "cache-id"
    content = _content(root, f"{entry}/{name}")
    if content is None and not left:
        raise _torn_error(root, entry, name, "it is missing")
    if content is not None:
        why = why_not_id(content, ids)
        if why:
            raise _torn_error(root, entry, name, why)
        yield name, content
    init = _content(root, f"{entry}/init-id") if name == "mount-id" else None
    if init is not None:
        if init != f"{content}-init":
            raise _torn_error(root, entry, "init-id", "it does not hold the content of mount-id and -init")
        yield "init-id", init
    parent = _content(root, f"{entry}/parent")
    why = why_not_parent(parent, _chains(root, left)) if parent is not None else ""
    if why:
        raise _torn_error(root, entry, "parent", why)


def _chains(root: str, left: bool) -> t.Callable[[str], bool]:
    """Return a function that tells whether layerdb has a chain. left: a kill left the entry, so any chain is right."""
    return lambda path: left or os.path.isdir(os.path.join(root, _LAYERDB, path))


def _content(root: str, path: str) -> str | None:
    """Return the content of a record, None if the file is missing. Raises StoreCorrupt."""
    try:
        return os.fsdecode(read_quietly(os.path.join(root, path)).strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable_error(os.path.join(root, path), error.strerror) from error


def _torn_error(root: str, entry: str, name: str, why: str) -> StoreCorrupt:
    """Return the error for a record in an entry of layerdb. Source of the cure: tried with dockerd 20.10."""
    directory = os.path.join(root, entry)
    if not names_in(directory):  # dockerd ignores such a directory for ever
        hint = f"stop docker, and remove the empty directory: rmdir {printable(directory)}"
        return _unreadable_error(directory, "it is an empty directory, which a crash left", hint)
    hint = (
        "let docker remove the image or container that has the record; if docker does not list the image or container"
        f" any more, stop docker and remove {printable(directory)}; until then, no layer is treated as an orphan"
    )
    return _unreadable_error(os.path.join(directory, name), why, hint)


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
                raise _unreadable_error(path, "it is not a regular file")
            data = chunk = os.read(fd, _CHUNK)
            wrong = wrong_with(data, status.st_size) if wrong_with else ""
            if wrong:
                raise _unreadable_error(path, wrong)
            while chunk:
                found |= search.names_in(data)
                chunk = os.read(fd, _CHUNK)
                # A name may lie across the border.
                data = data[max(0, len(data) - search.longest + 1) :] + chunk
        finally:
            os.close(fd)
    except OSError as error:
        raise _unreadable_error(path, error.strerror) from error
    return found


def _named_by_containers_storage(root: str, ids: t.Collection[str]) -> dict[str, str]:
    """Return by id the record that names the layer. Records name every layer, so their text is not searched for *ids*.

    A store without layers may have no layers.json yet.
    """
    found: dict[str, str] = {}
    run_roots = [place for pattern in _RUN_ROOTS for place in glob.glob(pattern)]
    for place in (root, *run_roots):
        for what, key in (("layer", "id"), ("image", "layer"), ("container", "layer")):
            for name in (f"{what}s.json", f"volatile-{what}s.json"):
                path = os.path.join(place, f"overlay-{what}s", name)
                for record in _json_list(path, must=bool(ids) and place == root and name == "layers.json"):
                    for id in _ids_of(record, path, key, optional=what != "layer"):
                        found.setdefault(id, os.path.relpath(path, root) if place == root else path)
    return found


def _ids_of(record: t.Mapping[str, t.Any], path: str, key: str, *, optional: bool) -> t.Iterator[str]:
    """Yield the ids of layers in a record of containers-storage. Raises StoreCorrupt.

    optional: the record may lack *key*: an image or a container may have no layer.
    """
    mapped = record.get("mapped-layers") or []
    ids = [record.get(key), *(mapped if isinstance(mapped, list) else [mapped])]
    for id in ids[1:] if optional and not ids[0] else ids:
        if not isinstance(id, str) or not is_id(id):
            raise _unreadable_error(path, f"it holds '{printable(str(id)[:64])}', which is not the id of a layer")
        yield id


def _json_list(path: str, must: bool) -> list[dict[str, t.Any]]:
    try:
        with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            records = json.load(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must:
            raise _unreadable_error(path, error.strerror) from error
        return []
    except OSError as error:
        raise _unreadable_error(path, error.strerror) from error
    except (ValueError, RecursionError):
        raise _unreadable_error(path, "it is not in the format of containers-storage") from None
    if records is None:  # containers-storage writes an empty list as null
        return []
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _unreadable_error(path, "it is not in the format of containers-storage")
    return records


def _directories(root: str, path: str) -> t.Iterator[str]:
    """Yield the directories in the directory *path*, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except OSError as error:
        raise _unreadable_error(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if entry.is_symlink:
            raise _unreadable_error(
                os.path.join(root, path, entry.name), "it is a symlink, and no engine makes one there"
            )
        if entry.is_directory:
            yield f"{path}/{entry.name}"


def _files(root: str, path: str, depth: int = 8) -> t.Iterator[str]:
    """Yield all files below the directory *path*, which may be missing, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable_error(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if not entry.is_directory:
            yield f"{path}/{entry.name}"
        elif depth > 1:
            yield from _files(root, f"{path}/{entry.name}", depth - 1)


def _unreadable_error(path: str, why: str | None, hint: str = "") -> StoreCorrupt:
    return StoreCorrupt(
        f"the record {printable(path)} cannot be read ({why or 'unreadable'}), so any layer may still be needed",
        hint=hint or "let the engine repair its record; until then, no layer is treated as an orphan",
        path=printable(path),
    )
