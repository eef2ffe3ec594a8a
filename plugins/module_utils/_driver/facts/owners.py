# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine of a store uses each layer for. Only reads. PRIVATE to the collection.

BuildKit in dockerd keeps its layers in layerdb, too, and a record of each in buildkit/snapshots.db:

    <key>/chainid    the chain id of a committed layer

Source: moby daemon/internal/builder-next/adapters/snapshot/snapshot.go.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ..._bolt.live import Busy, read_live
from ..._bolt.meta import Unreadable
from ..._errors import StoreCorrupt, printable
from ..._linux.noatime import open_quietly
from ..._store.engine import CONTAINERD, CONTAINERS_STORAGE, DOCKER, Engine, find_engine
from ..._store.engine_records import named_by_records
from ..._store.gone import users_of

if t.TYPE_CHECKING:
    from ..state import LayerState
    from ..store import Store

CONTAINER, IMAGE, BUILD_CACHE = "container", "image", "build_cache"
_BUILDKIT = "buildkit/"
_SNAPSHOTS = "buildkit/snapshots.db"

Owner = dict[str, t.Optional[str]]


class Untold(Exception):
    """It cannot be told; the text says why."""


def owners_of(store: Store, ids: t.Iterable[str], layers: t.Iterable[LayerState]) -> dict[str, list[Owner]]:
    """Return by id of a layer the uses of the layer: empty if the engine has none, and in a store of no engine.

    ids: of all layers. layers: those that are not damaged, to tell what lies below a container's layer.
    raises: Untold; OSError.
    """
    engine = find_engine(store.home)
    if engine and engine.name == CONTAINERD:
        return _of_containerd(engine)
    found: dict[str, list[Owner]] = {id: [] for id in ids}
    if engine and engine.name in (DOCKER, CONTAINERS_STORAGE):
        try:
            named = named_by_records(store.files, engine.name)
        except StoreCorrupt as error:
            raise Untold(str(error)) from error
        for id, owners in _of_records(engine, {id: path for id, path in named.items() if id in found}).items():
            found[id] += owners
        _add_to_lowers(found, layers)
    return found


def _of_records(engine: Engine, named: t.Mapping[str, str]) -> dict[str, list[Owner]]:
    cached = {id for id, path in named.items() if path.startswith(_BUILDKIT)}
    users = users_of(engine.root, engine.name, {id: path for id, path in named.items() if id not in cached})
    found = {id: [_owner(user.kind, user.name, user.id) for user in who] for id, who in users.items()}
    chains = _chains_in_build_cache(engine.root) if engine.name == DOCKER else set()
    for id, path in named.items():
        parts = path.split("/")
        if id in cached or (chains and f"{parts[-3]}:{parts[-2]}" in chains):
            found.setdefault(id, []).append(_owner(BUILD_CACHE, "", ""))
    return found


def _add_to_lowers(found: dict[str, list[Owner]], layers: t.Iterable[LayerState]) -> None:
    """A container needs the layers below its own. For images, the records tell all layers."""
    for layer in layers:
        containers = [owner for owner in found[layer.id] if owner["kind"] == CONTAINER]
        for lower in layer.lowers if containers else ():
            own = found.setdefault(lower, [])
            own += [owner for owner in containers if owner not in own]


def _chains_in_build_cache(root: str) -> set[str]:
    """Return the chain ids in BuildKit's records. Raises Untold; OSError."""
    try:
        fd = open_quietly(os.path.join(root, _SNAPSHOTS), os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return set()
    try:
        records = (bucket.values() for _key, bucket in read_live(fd).root.buckets())
        return {os.fsdecode(record[b"chainid"]) for record in records if b"chainid" in record}
    except (Unreadable, Busy) as error:
        raise Untold(f"{printable(os.path.join(root, _SNAPSHOTS))} cannot be read: {error}") from error
    finally:
        os.close(fd)


def _of_containerd(engine: Engine) -> dict[str, list[Owner]]:
    """Return the uses of a snapshotter's directories, such as "12". containerd knows the snapshotter by its name."""
    from ..._containerd.look import SNAPSHOTTER, look_at
    from ..._containerd.owners import owners_of as uses_of

    root, name = os.path.split(engine.root)
    if not name.startswith(SNAPSHOTTER):
        raise Untold(f"{printable(engine.root)} does not lie in the data root of containerd")
    fd = open_quietly(root, os.O_DIRECTORY)
    try:
        look = look_at(fd)
    except (Unreadable, Busy) as error:
        raise Untold(str(error)) from error
    finally:
        os.close(fd)
    found: dict[str, list[Owner]] = {}
    with contextlib.suppress(KeyError):  # the snapshotter has no database any more
        for id, owners in uses_of(look, name[len(SNAPSHOTTER) :], time.time()).items():
            found[id] = [_owner(one.kind, one.name, one.id, one.namespace, one.pod) for one in owners]
    return found


def _owner(kind: str, name: str, id: str, namespace: str = "", pod: str = "") -> Owner:
    told = {"name": name, "id": id, "namespace": namespace, "pod": pod}
    return {"kind": kind, **{key: printable(value) if value else None for key, value in told.items()}}
