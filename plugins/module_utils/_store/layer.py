# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layer directories: reading them, telling what is damaged, keeping our record. Nothing here repairs. PRIVATE."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.quiet import read_quietly
from .damage import LINK_CURE, LOWER_CURE, Damage, corrupt, unresolved
from .layout import (
    COMMITTED,
    DIFF,
    LINK,
    LINK_NAME,
    LINK_NAME_WITHIN,
    LINKS,
    LOWER,
    MAX_DEPTH,
    OWN_FILE,
    has_content,
    is_directory,
    is_layer,
    layer_ids,
)
from .lent import Lenders
from .links import all_links, link_target
from .own_file import NO_FILE, read_file, replace_file, unreadable

_DIGEST = re.compile(r"[!-~]{1,255}")


class Record(t.NamedTuple):
    """What our own file says of a layer.

    read_write:      it was made as a container's layer; None where we have no record (dockerd's layer).
    diff_id, digest: of the tar last applied as its whole content; None if there was none, or it was changed since.
    merged_*:        the same of the tar last merged into it.
    """

    read_write: bool | None = None
    diff_id: str | None = None
    digest: str | None = None
    merged_diff_id: str | None = None
    merged_digest: str | None = None


class Layer(t.NamedTuple):
    """One layer directory, as found on disk.

    lowers: names in l/, nearest first. marked: the file ``committed`` is there.
    """

    id: str
    link: str
    lowers: tuple[str, ...]
    marked: bool
    record: Record


class Store:
    """The layers of a store as they are now, each read when it is first asked for.

    Reading takes no lock here: the caller holds the store's, or lives with what changes meanwhile.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._layers: dict[str, Layer | None] = {}
        self._links: dict[str, str | None] = {}
        self._targets: dict[str, str] = {}
        self.lent: dict[str, str] = {}  # paths of the content of lowers in other stores, by id, as far as met

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

    def read_ahead(self, layer_ids: t.Iterable[str]) -> None:
        """Read layers before anyone asks for children, which reads what is not read yet. Damage is told later."""
        for layer_id in layer_ids:
            with contextlib.suppress(StoreCorrupt, FileNotFoundError, NotADirectoryError):
                self.layer(layer_id)

    def lowers(self, layer: Layer) -> tuple[str, ...]:
        """Return the ids of the layers below *layer*, nearest first.

        raises: StoreCorrupt for a lower that leads nowhere, twice to the same layer or to itself, or that does not go
                on as the parent's: the kernel would mount it all the same; OSError.
        """
        found = tuple(self._lower(layer.id, place, link) for place, link in enumerate(layer.lowers))
        why = ""
        if len({layer.id, *found}) <= len(found):
            why = "its lower names a layer twice, or itself"
        elif found and self._is_cut(layer, found[0]):
            why = f"its lower does not go on as that of its parent {found[0]}"
        if why:
            raise corrupt(layer.id, Damage("lower_malformed", self.path(layer.id, LOWER), why, LOWER_CURE))
        return found

    def _lower(self, layer_id: str, place: int, link: str) -> str:
        """Return the id of a lower, which another store may have. Raises StoreCorrupt, OSError."""
        try:
            return self.target(link, layer_id)
        except StoreCorrupt:
            lent = self.lenders.lower(layer_id, place, link)
            if lent is None:
                raise
        self.lent[lent.id] = lent.path
        return lent.id

    @functools.cached_property
    def lenders(self) -> Lenders:
        """The other stores in which lowers may lie."""
        return Lenders(self.home)

    def target(self, link: str, layer_id: str) -> str:
        """Return the id that l/*link* leads to, which *layer_id* needs. Raises StoreCorrupt, OSError."""
        if link not in self._targets:
            found = self._leads_to(link)
            if found is None or not self._has_content(found):
                raise corrupt(layer_id, unresolved(self.home, link, found))
            self._targets[link] = found
        return self._targets[link]

    @functools.cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """The ids of the layers right above, sorted, by the layer's link name; read from all the ``lower`` files.

        A damaged layer elsewhere is no reason to fail here: what its file still says counts. What was read before is
        not read again.
        """
        found: dict[str, list[str]] = {}
        for layer_id in sorted(self.ids):
            layer = self._layers.get(layer_id)
            parent = layer.lowers[:1] if layer else self._first_lower(layer_id)
            for link in parent:
                found.setdefault(link, []).append(layer_id)
        return {link: tuple(ids) for link, ids in found.items()}

    def _first_lower(self, layer_id: str) -> tuple[str, ...]:
        try:
            text = read_quietly(self.path(layer_id, LOWER))
        except OSError as error:
            if error.errno in (errno.ENOENT, *NO_FILE):
                return ()
            raise
        found = LINK_NAME_WITHIN.search(text)
        return (found.group().decode(),) if found else ()

    def names_of(self, layer_id: str) -> list[str]:
        """Return the names in l/ that lead to a layer, sorted: its link, unless it is damaged. Raises OSError."""
        return self._names.get(layer_id, [])

    @functools.cached_property
    def _names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for link, target in sorted(all_links(self.home).items()):
            if target is not None:
                found.setdefault(target, []).append(link)
        return found

    def unsealed_parents(self) -> tuple[str, ...]:
        """Return the ids of the layers that have children and no mark of that, sorted. Raises OSError."""
        parents = {self._leads_to(link) for link in self.children}
        found = (id for id in parents if id in self.ids and not os.path.lexists(self.path(id, COMMITTED)))
        return tuple(sorted(found))

    def _read(self, layer_id: str) -> Layer | None:
        layer, damage = examine(self.home, layer_id)
        if layer is None:
            return None
        damage = damage or misnamed(self.home, layer, self._leads_to(layer.link))
        if damage:
            raise corrupt(layer_id, damage[0])
        return layer

    def _leads_to(self, link: str) -> str | None:
        if link not in self._links:
            self._links[link] = link_target(self.home, link)
        return self._links[link]

    def _has_content(self, layer_id: str) -> bool:
        known = self._layers.get(layer_id) is not None
        return is_directory(self.path(layer_id, DIFF)) if known else has_content(self.home, layer_id)

    def _is_cut(self, layer: Layer, parent_id: str) -> bool:
        """Tell whether a lower differs from its parent's, where that can be read."""
        try:
            parent = self.layer(parent_id)
        except StoreCorrupt:
            return False  # the parent's own damage, and no layer's above
        return parent is not None and parent.lowers != layer.lowers[1:]


def examine(home: str, layer_id: str) -> tuple[Layer | None, list[Damage]]:
    """Read one layer directory as far as it can be read: None where there is none, and what is damaged.

    Where its links lead is not looked at. Raises StoreCorrupt for a record that cannot be read, OSError.
    """
    directory = f"{home}/{layer_id}"
    damage: list[Damage] = []
    if not is_layer(directory):
        return None, damage
    link = _read_link_file(f"{directory}/{LINK}", damage)
    lowers = _read_lower_file(f"{directory}/{LOWER}", damage)
    record = _read_record(f"{directory}/{OWN_FILE}")
    return Layer(layer_id, link, lowers, os.path.lexists(f"{directory}/{COMMITTED}"), record), damage


def misnamed(home: str, layer: Layer, target: str | None) -> list[Damage]:
    """Return what is wrong with a layer's name in l/, which leads to *target*. Raises OSError."""
    path = f"{home}/{LINKS}/{layer.link}"
    hint = f"make {LINKS}/{layer.link} a symlink to ../{layer.id}/{DIFF}"
    if target == layer.id:
        return []
    if not os.path.lexists(path):
        message = f"it has no name in {LINKS}/, by which its children know it"
        return [Damage("link_missing", path, message, hint)]
    if target is not None and _read_link_file(f"{home}/{target}/{LINK}", []) == layer.link:
        message = f"its link file holds {layer.link}, the name of layer {target}"
        return [Damage("link_doubled", f"{home}/{layer.id}/{LINK}", message, LINK_CURE)]
    return [Damage("link_astray", path, f"its name {LINKS}/{layer.link} leads elsewhere", hint)]


def record_content(home: str, layer_id: str, content: Record | None = None) -> None:
    """Keep, durably, the digests that *content* has of what a layer holds; None erases them.

    raises: StoreCorrupt, OSError.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    told = (content or Record())._asdict()
    del told["read_write"]
    replace_file(path, {**(read_file(path) or {}), **told})


def _read_link_file(path: str, damage: list[Damage]) -> str:
    try:
        link = os.fsdecode(read_quietly(path))
    except FileNotFoundError:
        damage.append(Damage("link_missing", path, "its link file is missing", LINK_CURE))
        return ""
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        damage.append(Damage("link_missing", path, "its link is no file", LINK_CURE))
        return ""
    if not link:
        damage.append(Damage("link_empty", path, "its link file is empty", LINK_CURE))
    elif not LINK_NAME.fullmatch(link):
        message = f"its link file holds '{printable(link[:64])}', no link name"
        damage.append(Damage("link_astray", path, message, LINK_CURE))
        return ""
    return link


def _read_lower_file(path: str, damage: list[Damage]) -> tuple[str, ...]:
    try:
        text = os.fsdecode(read_quietly(path))
    except FileNotFoundError:  # only this: any other error must not look like a layer without parent
        return ()
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        damage.append(Damage("lower_malformed", path, "its lower is no file", LOWER_CURE))
        return ()
    lowers = tuple(entry[len(LINKS) + 1 :] for entry in text.split(":"))
    if text != ":".join(f"{LINKS}/{link}" for link in lowers) or not all(map(LINK_NAME.fullmatch, lowers)):
        damage.append(Damage("lower_malformed", path, "its lower file is empty or malformed", LOWER_CURE))
        return ()
    if len(lowers) > MAX_DEPTH:
        message = f"its lower file names more than {MAX_DEPTH} layers"
        damage.append(Damage("lower_malformed", path, message, LOWER_CURE))
    return lowers


def _read_record(path: str) -> Record:
    own = read_file(path) or {}
    record = Record(*(own.get(name) for name in Record._fields))
    if not isinstance(record.read_write, (bool, type(None))) or not all(
        digest is None or (isinstance(digest, str) and _DIGEST.fullmatch(digest)) for digest in record[1:]
    ):
        raise unreadable(path)
    return record
