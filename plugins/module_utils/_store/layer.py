# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layer directories: reading them, telling what is damaged, keeping our record. Nothing here repairs. PRIVATE."""

from __future__ import annotations

import functools
import os
import stat
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.quiet import read_quietly
from .layout import COMMITTED, DIFF, LINK, LINK_NAME, LINKS, LOWER, MAX_DEPTH, OWN_FILE, layer_ids, names_in
from .own_file import read_file, replace_file

_REPAIR = "restore the file, or remove the layer and all built on it and make them anew"


class Record(t.NamedTuple):
    """What our own file says of a layer.

    read_write:      it was made as a container's layer; None where we have no record (dockerd's layer).
    diff_id, digest: of the tar last applied as its whole content; None if there was none, or it was changed since.
    """

    read_write: bool | None = None
    diff_id: str | None = None
    digest: str | None = None


class Layer(t.NamedTuple):
    """One layer directory, as found on disk.

    lowers: names in l/, nearest first. marked: the file ``committed`` is there.
    """

    id: str
    link: str
    lowers: tuple[str, ...]
    marked: bool
    record: Record


class Damage(t.NamedTuple):
    """code: as in the findings of ``health``; path: what is damaged."""

    code: str
    path: str
    message: str
    hint: str = _REPAIR


class Store:
    """The layers of a store as they are now, each read when it is first asked for.

    Reading takes no lock here: the caller holds the store's, or lives with what changes meanwhile.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._layers: dict[str, Layer | None] = {}
        self._targets: dict[str, str] = {}

    def path(self, *parts: str) -> str:
        """Return a path below home."""
        return "/".join((self.home, *parts))

    @functools.cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all layer directories."""
        return frozenset(layer_ids(self.home))

    def layer(self, layer_id: str) -> Layer | None:
        """Return the layer, None if there is none. Raises StoreCorrupt, OSError."""
        if layer_id not in self._layers:
            self._layers[layer_id] = self._read(layer_id)
        return self._layers[layer_id]

    def lowers(self, layer: Layer) -> tuple[str, ...]:
        """Return the ids of the layers below *layer*, nearest first.

        raises: StoreCorrupt for a lower that leads nowhere, twice to the same layer, or to itself; OSError.
        """
        found = tuple(self.target(link, layer.id) for link in layer.lowers)
        if len({layer.id, *found}) <= len(found):
            raise corrupt(
                layer.id,
                Damage("lower_malformed", self.path(layer.id, LOWER), "its lower names a layer twice, or itself"),
            )
        return found

    def target(self, link: str, layer_id: str) -> str:
        """Return the id that l/*link* leads to, which *layer_id* needs. Raises StoreCorrupt, OSError."""
        if link not in self._targets:
            found = link_target(self.home, link)
            if found is None or not os.path.isdir(self.path(found, DIFF)):
                message = f"its lower {LINKS}/{link} leads to no layer"
                raise corrupt(layer_id, Damage("lower_unresolved", self.path(LINKS, link), message))
            self._targets[link] = found
        return self._targets[link]

    @functools.cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """The ids of the layers right above, sorted, by the layer's link name; read from all the ``lower`` files.

        A damaged layer elsewhere is no reason to fail here: what its file still says counts.
        """
        found: dict[str, list[str]] = {}
        for layer_id in sorted(self.ids):
            try:
                text = read_quietly(self.path(layer_id, LOWER))
            except FileNotFoundError:
                continue
            first = text.partition(b":")[0].decode("ascii", "replace")
            found.setdefault(first[len(LINKS) + 1 :], []).append(layer_id)
        return {link: tuple(ids) for link, ids in found.items()}

    def unsealed_parents(self) -> tuple[str, ...]:
        """Return the ids of the layers that have children and no mark of that, sorted. Raises OSError."""
        parents = {link_target(self.home, link) for link in self.children if LINK_NAME.fullmatch(link)}
        found = (id for id in parents if id in self.ids and not os.path.lexists(self.path(id, COMMITTED)))
        return tuple(sorted(found))

    def _read(self, layer_id: str) -> Layer | None:
        layer, damage = examine(self.home, layer_id)
        if layer is None:
            return None
        if damage:
            raise corrupt(layer_id, damage[0])
        return layer


def examine(home: str, layer_id: str) -> tuple[Layer | None, list[Damage]]:
    """Read one layer directory as far as it can be read: None where there is none, and what is damaged.

    Where its links lead is not looked at. Raises StoreCorrupt for a newer format, OSError.
    """
    directory = f"{home}/{layer_id}"
    damage: list[Damage] = []
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            return None, damage
    except FileNotFoundError:
        return None, damage
    link = _read_link_file(f"{directory}/{LINK}", damage)
    lowers = _read_lower_file(f"{directory}/{LOWER}", damage)
    own = read_file(f"{directory}/{OWN_FILE}") or {}
    record = Record(own.get("read_write"), own.get("diff_id"), own.get("digest"))
    return Layer(layer_id, link, lowers, os.path.lexists(f"{directory}/{COMMITTED}"), record), damage


def record_content(home: str, layer_id: str, diff_id: str | None = None, digest: str | None = None) -> None:
    """Keep, durably, the digests of a layer's whole content; None erases them. Raises StoreCorrupt, OSError."""
    path = f"{home}/{layer_id}/{OWN_FILE}"
    replace_file(path, {**(read_file(path) or {}), "diff_id": diff_id, "digest": digest})


def link_target(home: str, link: str) -> str | None:
    """Return the id that l/*link* points to, None where it is no link of a layer. Raises OSError."""
    try:
        parts = os.readlink(f"{home}/{LINKS}/{link}").split("/")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if stat.S_ISLNK(os.lstat(f"{home}/{LINKS}/{link}").st_mode):
            raise error
        return None
    return parts[1] if len(parts) == 3 and parts[0] == ".." and parts[2] == DIFF else None


def all_links(home: str) -> dict[str, str | None]:
    """Return where each name in l/ leads, as link_target says. Raises OSError."""
    return {entry.name: link_target(home, entry.name) for entry in names_in(f"{home}/{LINKS}")}


def corrupt(layer_id: str, damage: Damage) -> StoreCorrupt:
    """Return the error for a damaged layer."""
    return StoreCorrupt(
        f"layer {layer_id} is damaged: {damage.message}",
        hint=damage.hint,
        id=layer_id,
        path=printable(damage.path),
        damage=damage.code,
    )


def _read_link_file(path: str, damage: list[Damage]) -> str:
    try:
        link = os.fsdecode(read_quietly(path))
    except FileNotFoundError:
        damage.append(Damage("link_missing", path, "its link file is missing"))
        return ""
    if not link:
        damage.append(Damage("link_empty", path, "its link file is empty"))
    elif not LINK_NAME.fullmatch(link):
        damage.append(Damage("link_astray", path, f"its link file holds {printable(link[:64])!r}, no link name"))
        return ""
    return link


def _read_lower_file(path: str, damage: list[Damage]) -> tuple[str, ...]:
    try:
        text = os.fsdecode(read_quietly(path))
    except FileNotFoundError:  # only this: any other error must not look like a layer without parent
        return ()
    lowers = tuple(entry[len(LINKS) + 1 :] for entry in text.split(":"))
    if text != ":".join(f"{LINKS}/{link}" for link in lowers) or not all(map(LINK_NAME.fullmatch, lowers)):
        damage.append(Damage("lower_malformed", path, "its lower file is empty or malformed"))
        return ()
    if len(lowers) > MAX_DEPTH:
        damage.append(Damage("lower_malformed", path, f"its lower file names more than {MAX_DEPTH} layers"))
    return lowers
