# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layer directories: reading them, telling what is damaged, keeping our record. Nothing here repairs. PRIVATE."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import typing as t

from .._errors import StoreCorrupt
from .damage import Damage, unresolved
from .json_file import read_file, read_or_corrupt, replace_file, unreadable_error
from .layout import COMMITTED, DIFF, LOWER, OWN_FILE
from .links import all_links, link_target, misnamed, read_link
from .lower import PARENT, Lower, missing_lower, read_lower
from .recognition import has_content, is_directory, is_layer, layer_ids

if t.TYPE_CHECKING:
    from .lent import Lenders
    from .mending import Mending

_DIGEST = re.compile(r"[!-~]{1,255}")


class Record(t.NamedTuple):
    """What our own file says of a layer.

    read_write:      it was made as a container's layer; None where we have no record (dockerd's layer).
    diff_id, digest: of the tar last applied as its whole content; None if there was none, or it was changed since.
    merged_*:        the same of the tar last merged into it.
    parent:          id of the layer it was made on, "" for none; None where we have no record, or an older one.
    """

    read_write: bool | None = None
    diff_id: str | None = None
    digest: str | None = None
    merged_diff_id: str | None = None
    merged_digest: str | None = None
    parent: str | None = None


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
        self._lowers: dict[str, Lower] = {}
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
        layer = self.load(layer_id)
        for damage in self.lost_lower(layer) if layer else ():
            raise self.mending.error(layer_id, damage)
        return layer

    def read_ahead(self, layer_ids: t.Iterable[str]) -> None:
        """Read layers before anyone asks for children, which reads what is not read yet. Damage is told later."""
        for layer_id in layer_ids:
            with contextlib.suppress(StoreCorrupt, FileNotFoundError, NotADirectoryError):
                self.load(layer_id)

    def examine(self, layer_id: str) -> tuple[Layer | None, list[Damage]]:
        """As examine() says, of this store; what was read is known from then on."""
        layer, damage = examine(self.home, layer_id)
        if layer and not damage:
            self._lowers[layer_id] = Lower(layer.lowers)
        return layer, damage

    def lost_lower(self, layer: Layer) -> list[Damage]:
        """Return that a layer has lost its lower, if only its children tell so: all of them name layers below it.

        raises: OSError.
        """
        if layer.lowers or layer.record.parent is not None:
            return []
        children = self.children.get(layer.link, ())
        if not children or any(len(self.lower(child).names) < 2 for child in children):
            return []
        why = f"layer {children[0]}, which is built on it, names layers below it"
        return [missing_lower(self.home, layer.id, why)]

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
            raise self.mending.error(layer.id, Damage("lower_malformed", self.path(layer.id, LOWER), why))
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

    def target(self, link: str, layer_id: str) -> str:
        """Return the id that l/*link* leads to, which *layer_id* needs. Raises StoreCorrupt, OSError."""
        if link not in self._targets:
            found = self._leads_to(link)
            if found is None or not self._has_content(found):
                raise self.mending.error(layer_id, unresolved(self.home, link, found))
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
            for link in self.lower(layer_id).names[:1]:
                found.setdefault(link, []).append(layer_id)
        return {link: tuple(ids) for link, ids in found.items()}

    @functools.cached_property
    def recorded_children(self) -> dict[str, tuple[str, ...]]:
        """The ids of the layers right above, sorted, by id: of those without whole lower, whose record tells."""
        found: dict[str, list[str]] = {}
        for layer_id in sorted(layer_id for layer_id in self.ids if self.lower(layer_id).parent):
            found.setdefault(self.lower(layer_id).parent, []).append(layer_id)
        return {parent: tuple(ids) for parent, ids in found.items()}

    def names_of(self, layer_id: str) -> list[str]:
        """Return the names in l/ that lead to a layer, sorted: its link, unless it is damaged. Raises OSError."""
        return self._names.get(layer_id, [])

    @functools.cached_property
    def _names(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for link, target in sorted(self.links.items()):
            if target is not None:
                found.setdefault(target, []).append(link)
        return found

    @functools.cached_property
    def links(self) -> dict[str, str | None]:
        """Where each name in l/ leads, as link_target says."""
        return all_links(self.home)

    @functools.cached_property
    def mending(self) -> Mending:
        """Tells what to do about damage."""
        from .mending import Mending  # as above

        return Mending(self.home)

    @functools.cached_property
    def lenders(self) -> Lenders:
        """The other stores in which lowers may lie."""
        from .lent import Lenders  # as above

        return Lenders(self.home)

    def lower(self, layer_id: str) -> Lower:
        """Return what a layer's ``lower`` tells; what was read before is not read again. Raises OSError."""
        if layer_id not in self._lowers:
            layer = self._layers.get(layer_id)
            self._lowers[layer_id] = Lower(layer.lowers) if layer else read_lower(self.home, layer_id)
        return self._lowers[layer_id]

    def unsealed_parents(self) -> tuple[str, ...]:
        """Return the ids of the layers that have children and no mark of that, sorted. Raises OSError."""
        parents = {self._leads_to(link) for link in self.children}
        found = (id for id in parents if id in self.ids and not os.path.lexists(self.path(id, COMMITTED)))
        return tuple(sorted(found))

    def load(self, layer_id: str) -> Layer | None:
        """Return the layer as far as its own files tell, as layer() does."""
        if layer_id not in self._layers:
            self._layers[layer_id] = self._read(layer_id)
        return self._layers[layer_id]

    def _read(self, layer_id: str) -> Layer | None:
        layer, damage = examine(self.home, layer_id)
        if layer is None:
            return None
        damage = damage or misnamed(self.home, layer.id, layer.link, self._leads_to(layer.link))
        if damage:
            raise self.mending.error(layer_id, damage[0])
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
    link = read_link(home, layer_id, damage)
    lower = read_lower(home, layer_id)
    if lower.damage:
        damage.append(lower.damage)
    record = _read_record(f"{directory}/{OWN_FILE}")
    lowers = lower.names if lower.whole else ()
    return Layer(layer_id, link, lowers, os.path.lexists(f"{directory}/{COMMITTED}"), record), damage


def record_content(home: str, layer_id: str, content: Record | None = None) -> None:
    """Keep, durably, the digests that *content* has of what a layer holds; None erases them.

    Nothing is written where that is told already: so what tells nothing can be had to tell nothing without any space.
    raises: StoreCorrupt, OSError.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    made = ("read_write", PARENT)
    told = {name: value for name, value in (content or Record())._asdict().items() if name not in made}
    own = read_file(path) or {}
    if any(own.get(name) != told[name] for name in told):
        replace_file(path, {**own, **told})


def _read_record(path: str) -> Record:
    own = read_or_corrupt(path) or {}
    record = Record(*(own.get(name) for name in Record._fields))
    if not isinstance(record.read_write, (bool, type(None))) or not isinstance(record.parent, (str, type(None))):
        raise unreadable_error(path)
    if not all(digest is None or (isinstance(digest, str) and _DIGEST.fullmatch(digest)) for digest in record[1:-1]):
        raise unreadable_error(path)
    return record
