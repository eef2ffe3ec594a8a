# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what Docker's layerdb has lost: an image or a container needs a record that does not exist. Only reads.

dockerd writes the record of a layer before what needs the layer, and removes it afterwards. So such a gap is damage, as
a power cut or a repair of the filesystem leaves it, and the layers without record are no orphans.

    image/overlay2/imagedb/content/sha256/<image>      rootfs.diff_ids, which tell the chains
    containers/<container>/config.v2.json              Driver; State.Dead, once docker removes the container

Source: moby image/store.go, daemon/delete.go, daemon/create.go. PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import typing as t

from .._chain_ids import chain_ids
from .._errors import StoreCorrupt, printable
from .._linux.noatime import open_quietly
from .layerdb import LAYERDB
from .record_files import directories, files, unreadable_error

IMAGES = "image/overlay2/imagedb/content/sha256"
_CONTAINERS = "containers"
_CONFIG = "config.v2.json"
_DRIVER = "overlay2"
_MOST = 8 << 20  # bytes of a record; the largest images have some 100 KiB


def check_layerdb(root: str) -> None:
    """Raise StoreCorrupt if layerdb in the data root *root* lacks a record that an image or a container needs."""
    for path in files(root, IMAGES, 1):
        config = _read(root, path)
        if config is None:
            continue
        for chain in chains_of(config):
            _check(root, chain.replace(":", "/"), path, "image", f"docker rmi {os.path.basename(path)}")
    for directory in directories(root, _CONTAINERS) if os.path.isdir(os.path.join(root, _CONTAINERS)) else ():
        container = os.path.basename(directory)
        entry, path = f"mounts/{container}", f"{directory}/{_CONFIG}"
        if os.path.isdir(os.path.join(root, LAYERDB, entry)):
            continue
        config = _read(root, path)
        if config is not None and _is_kept(config):
            _check(root, entry, path, "container", f"docker rm {container}")


def chains_of(config: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Return the chain ids of an image's layers, base first. config: the image's configuration, of whatever content."""
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return chain_ids(map(str, diff_ids if isinstance(diff_ids, list) else ()))


def _check(root: str, entry: str, user: str, kind: str, removal: str) -> None:
    """Raise StoreCorrupt if layerdb lacks *entry*, and the record *user* of an image or container still exists."""
    path = os.path.join(root, LAYERDB, entry)
    record = os.path.join(root, user)
    if os.path.isdir(path) or not os.path.lexists(record):  # docker may have removed both meanwhile
        return
    whole = record if kind == "image" else os.path.dirname(record)
    hint = (
        f"restore it from a backup; or run `{removal}`; if docker does not list the {kind} any more, stop docker and"
        f" remove {printable(whole)}; until then, no layer is treated as an orphan"
    )
    raise unreadable_error(path, f"it is missing, and the {kind} {os.path.basename(whole)} needs it", hint)


def _is_kept(config: t.Mapping[str, t.Any]) -> bool:
    """Tell whether a container has a layer in this store, and docker is not removing the container."""
    state = config.get("State")
    ending = isinstance(state, dict) and (state.get("Dead") is True or state.get("RemovalInProgress") is True)
    return config.get("Driver", _DRIVER) == _DRIVER and not ending


def _read(root: str, path: str) -> dict[str, t.Any] | None:
    """Return the JSON object in a record, None if the record is missing. Raises StoreCorrupt."""
    full = os.path.join(root, path)
    try:
        with open(open_quietly(full, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            config = json.loads(file.read(_MOST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable_error(full, error.strerror) from error
    except (ValueError, RecursionError):
        raise _torn_error(root, path) from None
    if not isinstance(config, dict):
        raise _torn_error(root, path)
    return config


def _torn_error(root: str, path: str) -> StoreCorrupt:
    full = printable(os.path.join(root, path))
    hint = (
        "let docker remove the image or container that has the record; if docker does not list it any more, stop docker"
        f" and remove {full}; until then, no layer is treated as an orphan"
    )
    return unreadable_error(os.path.join(root, path), "it is empty, cut off or overwritten", hint)
