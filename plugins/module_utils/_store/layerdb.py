# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Docker's layerdb, which records the layers of images and containers. Only reads. PRIVATE to the collection.

    <algorithm>/<chain>/cache-id, diff, parent     an image's layer: its directory, its diff id, the chain right below
    mounts/<container>/mount-id, init-id, parent   a container's layers: the writable one, the init layer, the chain
    tmp/<random>/...                               a layer that dockerd was recording

Source: moby layer/filestore.go.
"""

from __future__ import annotations

import os
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.noatime import read_quietly
from .docker_ids import why_not_id, why_not_parent
from .listing import names_in
from .record_files import directories, unreadable_error

LAYERDB = "image/overlay2/layerdb"
_MOUNTS = "mounts"
_CACHE_ID, _MOUNT_ID, _INIT_ID, _PARENT = "cache-id", "mount-id", "init-id", "parent"


class Entry(t.NamedTuple):
    """One entry of layerdb.

    path:   from the data root. layer: the directory of the image's layer, or of the container's writable layer.
    init:   the directory of the layer right below the container's writable layer. parent: a chain id.
    All but path are None if their file is missing.
    """

    path: str
    layer: str | None
    init: str | None
    parent: str | None

    @property
    def is_container(self) -> bool:
        """Tell whether the entry is that of a container."""
        return _is_container(self.path)

    @property
    def chain(self) -> str:
        """The chain id of an image's layer."""
        return ":".join(self.path.split("/")[-2:])

    def named(self) -> t.Iterator[tuple[str, str]]:
        """Yield the files that name a layer, each with the layer's id."""
        if self.layer is not None:
            yield _MOUNT_ID if self.is_container else _CACHE_ID, self.layer
        if self.init is not None:
            yield _INIT_ID, self.init


def entry_paths(root: str) -> t.Iterator[str]:
    """Yield the entries of layerdb in the data root *root*, as paths from there. Raises StoreCorrupt."""
    for kind in directories(root, LAYERDB):
        yield from directories(root, kind)


def is_passing(path: str) -> bool:
    """Tell whether dockerd was making or removing the layer of an entry when it was killed."""
    return os.path.basename(os.path.dirname(path)) == "tmp" or path.endswith("-removing")


def read_entry(root: str, path: str, ids: t.Collection[str]) -> Entry:
    """Return an entry of layerdb. Raises StoreCorrupt if dockerd cannot have written the entry.

    A killed dockerd leaves entries without the id of a layer only in tmp, and for layers that it was removing.
    ids: the layers of the store.
    """
    passing, is_container = is_passing(path), _is_container(path)
    name = _MOUNT_ID if is_container else _CACHE_ID
    layer = content(root, f"{path}/{name}")
    if layer is None and not passing:
        raise torn_error(root, path, name, "it is missing")
    why = why_not_id(layer, ids) if layer is not None else ""
    if why:
        raise torn_error(root, path, name, why)
    init = content(root, f"{path}/{_INIT_ID}") if is_container else None
    if init is not None and init != f"{layer}-init":
        raise torn_error(root, path, _INIT_ID, "it does not hold the content of mount-id and -init")
    parent = content(root, f"{path}/{_PARENT}")
    why = why_not_parent(parent, _chains(root, passing)) if parent is not None else ""
    if why:
        raise torn_error(root, path, _PARENT, why)
    return Entry(path, layer, init, parent)


def content(root: str, path: str) -> str | None:
    """Return the content of a record, None if the file is missing. Raises StoreCorrupt."""
    try:
        return os.fsdecode(read_quietly(os.path.join(root, path)).strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable_error(os.path.join(root, path), error.strerror) from error


def torn_error(root: str, entry: str, name: str, why: str) -> StoreCorrupt:
    """Return the error for a record in an entry of layerdb. Source of the cure: tried with dockerd 20.10."""
    directory = os.path.join(root, entry)
    if not names_in(directory):  # dockerd ignores such a directory for ever
        hint = f"stop docker, and remove the empty directory: rmdir {printable(directory)}"
        return unreadable_error(directory, "it is an empty directory, which a crash left", hint)
    hint = (
        "let docker remove the image or container that has the record; if docker does not list the image or container"
        f" any more, stop docker and remove {printable(directory)}; until then, no layer is treated as an orphan"
    )
    return unreadable_error(os.path.join(directory, name), why, hint)


def _is_container(path: str) -> bool:
    return os.path.basename(os.path.dirname(path)) == _MOUNTS


def _chains(root: str, passing: bool) -> t.Callable[[str], bool]:
    """Return a function that tells whether layerdb has a chain; for a *passing* entry any chain is right."""
    return lambda path: passing or os.path.isdir(os.path.join(root, LAYERDB, path))
