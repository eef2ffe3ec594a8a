# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds layers that another engine's records name and that do not exist, and what needs them. Only read. PRIVATE.

Docker's records of what needs a layer, all below the data root; engine_records.py has the records of layers:

    containers/<container>/config.v2.json              Name
    image/overlay2/imagedb/content/sha256/<image>      rootfs.diff_ids
    image/overlay2/repositories.json                   names of images

Source: moby container/container.go, image/image.go, reference/store.go; containers/storage layers.go, images.go,
containers.go; the OCI image specification, "Layer ChainID".
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._errors import printable
from .._linux.noatime import open_quietly
from .cures import removal_of_users
from .engine import DOCKER, find_engine
from .engine_records import named_by_records
from .layer import LayerFiles
from .listing import names_in
from .lost_records import IMAGES, chains_of

_MOUNTS = "mounts"
_KINDS = ("container", "image")


class User(t.NamedTuple):
    """What needs a layer. kind: container or image; name: "" for no name."""

    kind: str
    id: str
    name: str

    def __str__(self) -> str:
        name = f"{printable(self.name)}, " if self.name else ""
        return f"{self.kind} {name}{printable(self.id)}"


class Gone(t.NamedTuple):
    """A layer that does not exist.

    record: the record that names the layer, a path from the data root; path: the same from "/".
    users:  what needs the layer. engine: the engine of the record.
    """

    layer: str
    record: str
    path: str
    users: tuple[User, ...]
    engine: str

    @property
    def command(self) -> str:
        """The shell command that removes all that names the layer."""
        return removal_of_users(self.engine, self.layer, self.path, self.users)

    @property
    def stopped(self) -> bool:
        """Whether the engine must not run while the command runs."""
        return self.engine == DOCKER and not self.users

    @property
    def needed_by(self) -> str:
        """What needs the layer, in words that follow a sentence; "" if nothing is known."""
        return f": {', '.join(map(str, self.users))} cannot be used" if self.users else ""


def gone_layers(store: LayerFiles, engine: str) -> t.Iterator[Gone]:
    """Yield the layers that *engine*'s records name and that do not exist, sorted. Raises StoreCorrupt, OSError.

    Records of layers that the engine is making or removing now do not count.
    """
    found = find_engine(store.home)
    root = found.root if found else os.path.dirname(store.home)
    named = named_by_records(store, engine)
    missing = {id: path for id, path in named.items() if id not in store.ids and not _is_passing(engine, path)}
    if not missing:
        return
    users = users_of(root, engine, missing)
    for id, path in sorted(missing.items()):
        if id in users and not os.path.lexists(f"{store.home}/{id}"):
            needing = tuple(sorted(users[id], key=lambda user: _KINDS.index(user.kind)))
            yield Gone(id, printable(path), os.path.join(root, path), needing, engine)


def users_of(root: str, engine: str, named: t.Mapping[str, str]) -> dict[str, list[User]]:
    """Return what needs each layer, by id. named: by id of a layer, the record below *root* that names the layer.

    A layer that containers-storage is making or removing now is left out.
    """
    return _docker_users(root, named) if engine == DOCKER else _storage_users(root, named)


def _is_passing(engine: str, path: str) -> bool:
    if engine == DOCKER:
        return "/layerdb/tmp/" in path or os.path.dirname(path).endswith("-removing")
    return not path.startswith("overlay-layers/")


def _docker_users(root: str, missing: t.Mapping[str, str]) -> dict[str, list[User]]:
    found: dict[str, list[User]] = {id: [] for id in missing}
    chains = {}
    for id, path in missing.items():
        parts = path.split("/")
        if parts[-3] == _MOUNTS:
            config = _json(f"{root}/containers/{parts[-2]}/config.v2.json")
            found[id].append(User("container", parts[-2], str(config.get("Name", "")).lstrip("/")))
        else:
            chains[f"{parts[-3]}:{parts[-2]}"] = id
    names = _names_of_images(root) if chains else {}
    for image in _names(f"{root}/{IMAGES}") if chains else ():
        for chain in chains_of(_json(f"{root}/{IMAGES}/{image}")):
            if chain in chains:
                found[chains[chain]].append(User("image", f"sha256:{image}", names.get(f"sha256:{image}", "")))
    return found


def _names_of_images(root: str) -> dict[str, str]:
    repositories = _json(f"{root}/image/overlay2/repositories.json").get("Repositories")
    names: dict[str, str] = {}
    for tags in repositories.values() if isinstance(repositories, dict) else ():
        for name, image in tags.items() if isinstance(tags, dict) else ():
            if "@" not in name:
                names.setdefault(str(image), str(name))
    return names


def _storage_users(root: str, missing: t.Mapping[str, str]) -> dict[str, list[User]]:
    """Return what needs each layer, without layers that containers-storage is making or removing now."""
    layers = {record.get("id"): record for record in _records(root, "layer")}
    found: dict[str, list[User]] = {}
    for id in missing:
        flags = layers.get(id, {}).get("flags")
        if not (isinstance(flags, dict) and flags.get("incomplete")):
            found[id] = []
    for kind in _KINDS:
        for record in _records(root, kind):
            names = record.get("names")
            name = str(names[0]) if isinstance(names, list) and names else ""
            layer, seen = record.get("layer"), set()
            while layer in layers and layer not in seen:
                seen.add(layer)
                layer = layers[layer].get("parent")
            for id in found.keys() & seen:
                found[id].append(User(kind, str(record.get("id", "")), name))
    return found


def _records(root: str, what: str) -> t.Iterator[dict[str, t.Any]]:
    for name in (f"{what}s.json", f"volatile-{what}s.json"):
        records = _read(f"{root}/overlay-{what}s/{name}")
        yield from (record for record in (records if isinstance(records, list) else ()) if isinstance(record, dict))


def _names(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(entry.name for entry in names_in(directory))
    return []


def _json(path: str) -> dict[str, t.Any]:
    content = _read(path)
    return content if isinstance(content, dict) else {}


def _read(path: str) -> t.Any:
    """Return what a JSON file holds; None if the file cannot be read: then the result lacks a name."""
    try:
        with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
