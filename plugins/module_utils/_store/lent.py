# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that another store lends: the additional image stores of Podman and Buildah. Only reads. PRIVATE.

A layer on an image of such a store has a ``lower`` with names in the l/ of the other store. The layers.json of a store
of containers-storage lists its own layers and their parents. storage.conf names the other stores. A store that
was only given as an option of the engine is not recorded anywhere.

Source: containers/storage drivers/overlay/overlay.go (getLowerDirs, getAllImageStores); containers-storage.conf(5).
"""

from __future__ import annotations

import functools
import json
import os
import re
import typing as t

from .._linux.noatime import open_quietly
from .engine import CONTAINERS_STORAGE, find_engine
from .layout import DIFF, LINKS, is_id
from .links import link_target
from .recognition import is_directory

_LISTS = ("layers.json", "volatile-layers.json")
_CONFIGS = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_OF_USER = (
    "/.local/share/containers/storage",
    "/.config/containers/storage.conf",
)  # below a home: store, config
_USUAL_STORES = ("/var/lib/containers/storage", "/usr/lib/containers/storage", "/var/lib/shared")
_SETTING = re.compile(
    r"""^\s*(?:additionalimagestores|imagestore|graphroot)\s*=\s*(\[[^\]]*\]|"[^"\n]*"|'[^'\n]*')""", re.MULTILINE
)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_TEXT = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'")


class Lent(t.NamedTuple):
    """A layer of another store. id: "l/<link>" if the store is unknown. path: of its content, or of the link."""

    id: str
    path: str


class Lenders:
    """The lowers of a store's layers that lie in other stores. Only a store of containers-storage has such lowers."""

    def __init__(self, home: str) -> None:
        self.home = home

    def lower(self, layer_id: str, place: int, link: str) -> Lent | None:
        """Return the lower l/*link* of a layer if it lies in another store, else None. Raises OSError.

        place: the position in the layer's lower file, 0 for the nearest.
        """
        if layer_id not in self._parents:
            return None
        id = layer_id
        for _step in range(place + 1):
            if id not in self._parents:  # another store has this layer, and all layers below it
                return self._found(link) or Lent(f"{LINKS}/{link}", f"{self.home}/{LINKS}/{link}")
            id = self._parents[id]
        if not id or id in self._parents:  # the layer has no such lower, or the lower is in this store
            return None
        return self._found(link) or Lent(id, f"{self.home}/{LINKS}/{link}")

    def _found(self, link: str) -> Lent | None:
        """Return the layer that l/*link* names in one of the other stores; None if no store has the layer."""
        for store in self._stores:
            id = link_target(store, link)
            if id is not None and is_directory(f"{store}/{id}/{DIFF}"):
                return Lent(id, f"{store}/{id}/{DIFF}")
        return None

    @functools.cached_property
    def _parents(self) -> dict[str, str]:
        """By id, the parent of each layer in the store's records; "" without parent."""
        engine = find_engine(self.home)
        if engine is None or engine.name != CONTAINERS_STORAGE:
            return {}
        found: dict[str, str] = {}
        for name in _LISTS:
            for record in _records(f"{engine.root}/overlay-layers/{name}"):
                id, parent = record.get("id"), record.get("parent", "")
                if isinstance(id, str) and isinstance(parent, str):
                    found[id] = parent if is_id(parent) else ""
        return found

    @functools.cached_property
    def _stores(self) -> list[str]:
        """The homes of the other stores that may lend layers."""
        engine = find_engine(self.home)
        root = engine.root if engine else ""
        configs = [*_CONFIGS, os.environ.get("CONTAINERS_STORAGE_CONF", "")]
        if root.endswith(_OF_USER[0]):
            configs.append(root[: -len(_OF_USER[0])] + _OF_USER[1])
        places = [place for config in configs if config for place in _named_in(config)]
        homes = (f"{place}/overlay" for place in dict.fromkeys((*places, *_USUAL_STORES)))
        return [home for home in homes if home != self.home]


def _records(path: str) -> list[dict[str, t.Any]]:
    """Return a list of records; [] if it cannot be read: engine_records.py reports unreadable records."""
    try:
        with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            records = json.load(file)
    except (OSError, ValueError, RecursionError):
        return []
    return [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []


def _named_in(config: str) -> t.Iterator[str]:
    """Yield the directories of stores that a storage.conf names."""
    try:
        with open(open_quietly(config, os.O_NONBLOCK), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(1 << 20)
    except (OSError, ValueError):
        return
    for setting in _SETTING.finditer(_COMMENT.sub("", text)):
        for found in _TEXT.finditer(setting.group(1)):
            path = found.group(1) or found.group(2)
            if os.path.isabs(path):
                yield os.path.normpath(path)
