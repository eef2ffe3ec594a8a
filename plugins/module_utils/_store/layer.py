# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the layer directories of a store and what is damaged in them; writes our record. Repairs nothing. PRIVATE."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._errors import StoreCorrupt
from .chains import Chains
from .json_file import unreadable_error
from .layout import COMMITTED, LINK_NAME, OWN_FILE
from .links import all_links, link_target, read_link
from .lower import Lower, read_lower, valid_parent
from .recognition import is_directory, is_layer, layer_ids
from .record import Record, read_record

if t.TYPE_CHECKING:
    from .damage import Damage
    from .lent import Lenders
    from .mending import Mending
    from .solve import Solution


class Layer(t.NamedTuple):
    """One layer directory, as found on disk.

    lowers: names in l/, nearest first. marked: the file ``committed`` is there.
    """

    id: str
    link: str
    lowers: tuple[str, ...]
    marked: bool
    record: Record


_OF_CHAINS = ("ids", "children", "recorded_children", "links")  # what only a layer that comes, goes or moves changes


class LayerFiles:
    """The layers of a store as they are now, each read once, when a caller first asks for it.

    Reading takes no lock: the caller holds the store's lock, or accepts that another run changes the store meanwhile.
    """

    def __init__(self, home: str, find_owner: t.Callable[[], str | None] | None = None) -> None:
        """find_owner: returns what owner() returns; None to read it if a hint needs it."""
        self.home = home
        self._find_owner = find_owner
        self.chains = Chains(self)
        self._examined: dict[str, tuple[Layer | None, tuple[Damage, ...]]] = {}
        self._owned: dict[str, tuple[Layer | None, Damage | None]] = {}
        self._lowers: dict[str, Lower] = {}
        self.lent: dict[str, str] = {}  # paths of the content of lowers in other stores, by id, as far as read

    def read_again(self) -> LayerFiles:
        """Return the layers as they are now, for a caller that knows that no layer was made, removed or moved since."""
        again = LayerFiles(self.home, self._find_owner)
        again._lowers = self._lowers
        again.__dict__.update({name: self.__dict__[name] for name in _OF_CHAINS if name in self.__dict__})
        return again

    def with_new(self) -> LayerFiles:
        """Return the layers as they are now, for a caller that knows that layers were only made and sealed since.

        A ``lower`` file never changes, so only those of new layers are read.
        """
        again = LayerFiles(self.home, self._find_owner)
        again._lowers = dict(self._lowers)
        return again

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
        damage = self.lost_lower(layer) if layer else None
        if damage:
            raise self.mending.error(damage)
        return layer

    def load(self, layer_id: str) -> Layer | None:
        """Return the layer as layer() does, without a look at its children. Raises StoreCorrupt, OSError."""
        layer, damage = self._own(layer_id)
        if damage:
            raise self.mending.error(damage)
        return layer

    def sound(self, layer_id: str) -> Layer | None:
        """Return the layer as layer() does, None also if it is damaged. Raises StoreCorrupt for its record, OSError."""
        layer, damage = self._own(layer_id)
        return None if layer is None or damage or self.lost_lower(layer) else layer

    def is_known(self, layer_id: str) -> bool:
        """Tell whether the layer was read before."""
        return self._examined.get(layer_id, (None, ()))[0] is not None

    def read_ahead(self, layer_ids: t.Iterable[str]) -> None:
        """Read layers before a caller asks for children: children reads only what was not read. Raises no damage."""
        for layer_id in layer_ids:
            with contextlib.suppress(StoreCorrupt, FileNotFoundError, NotADirectoryError):
                self._own(layer_id)

    def examine(self, layer_id: str) -> tuple[Layer | None, list[Damage]]:
        """Return what the function examine() returns; a layer is read once."""
        if layer_id not in self._examined:
            layer, damage = examine(self.home, layer_id)
            self._examined[layer_id] = layer, tuple(damage)
            if layer and not damage:
                self._lowers[layer_id] = Lower(layer.lowers)
        layer, found = self._examined[layer_id]
        return layer, list(found)

    def link_of(self, layer_id: str) -> str:
        """Return the name in the link file of a layer, "" if the file holds none. Raises OSError."""
        known = self._examined.get(layer_id, (None, ()))[0]
        return known.link if known else read_link(self.home, layer_id).name

    def _own(self, layer_id: str) -> tuple[Layer | None, Damage | None]:
        """Return a layer, and the first damage of its own files or of its name in l/. Raises StoreCorrupt, OSError."""
        if layer_id not in self._owned:
            layer, damage = self.examine(layer_id)
            first = damage[0] if damage else None
            self._owned[layer_id] = (layer, first if layer is None or first else self.chains.misnamed(layer))
        return self._owned[layer_id]

    def lost_lower(self, layer: Layer) -> Damage | None:
        """Return what Chains.lost_lower returns. Raises OSError."""
        return self.chains.lost_lower(layer)

    def lowers(self, layer: Layer) -> tuple[str, ...]:
        """Return the ids of the layers below *layer*, nearest first. Raises StoreCorrupt for damage, OSError."""
        found = self.chains.below(layer)
        if found.damage:
            raise self.mending.error(found.damage)
        return found.ids

    @functools.cached_property
    def children(self) -> dict[str, tuple[str, ...]]:
        """The ids of the layers right above, sorted, by the layer's link name; read from all the ``lower`` files.

        Damage does not raise: the names that a damaged file still holds count.
        """
        found: dict[str, list[str]] = {}
        for layer_id in sorted(self.ids):
            for link in self.lower(layer_id).names[:1]:
                found.setdefault(link, []).append(layer_id)
        return {link: tuple(ids) for link, ids in found.items()}

    @functools.cached_property
    def recorded_children(self) -> dict[str, tuple[str, ...]]:
        """The ids of the layers without a whole lower whose record has a parent, sorted, by the id of the parent."""
        found: dict[str, list[str]] = {}
        for layer_id in sorted(layer_id for layer_id in self.ids if self.lower(layer_id).parent):
            found.setdefault(self.lower(layer_id).parent, []).append(layer_id)
        return {parent: tuple(ids) for parent, ids in found.items()}

    def names_of(self, layer_id: str) -> list[str]:
        """Return the names in l/ that lead to a layer, sorted: only its link, unless damaged. Raises OSError."""
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
        """Says how to repair damage."""
        from .mending import Mending  # most runs meet no damage, and each import is compiled on every host

        return Mending(self)

    @functools.cached_property
    def owner(self) -> str | None:
        """The owner of the store, as owner() returns it; asked for by hints."""
        from .owner import owner  # the same

        return self._find_owner() if self._find_owner else owner(self.home)

    @functools.cached_property
    def solution(self) -> Solution:
        """What has exactly one right repair, by the records of the store's engine. Raises OSError."""
        from .solve import recorded, solve  # the same
        from .witnesses import read_witnesses

        store = read_witnesses(self)
        return solve(store, *recorded(store))

    @functools.cached_property
    def lenders(self) -> Lenders:
        """The other stores in which lowers may lie."""
        from .lent import Lenders  # the same

        return Lenders(self.home)

    def lower(self, layer_id: str) -> Lower:
        """Return what a layer's ``lower`` file says; the file is read once. Raises OSError."""
        if layer_id not in self._lowers:
            self._lowers[layer_id] = read_lower(self.home, layer_id)
        return self._lowers[layer_id]

    def unsealed_parents(self) -> tuple[str, ...]:
        """Return the ids of the layers that have children and no ``committed``, sorted. Raises OSError."""
        parents = {self.chains.leads_to(link) for link in self.children}
        found = (id for id in parents if id in self.ids and not os.path.lexists(self.path(id, COMMITTED)))
        return tuple(sorted(found))


def examine(home: str, layer_id: str) -> tuple[Layer | None, list[Damage]]:
    """Return one layer as far as its files can be read, None if there is none, and what is damaged in its own files.

    Names are not followed. Raises StoreCorrupt for a record that cannot be read, OSError.
    """
    directory = f"{home}/{layer_id}"
    if not is_directory(directory):
        return None, []
    link = read_link(home, layer_id)
    if link.damage and not is_layer(directory):  # a directory with a link file is a layer
        return None, []
    record = read_record(f"{directory}/{OWN_FILE}")
    other = _owner_of(home, layer_id, record.link) if record.link not in (None, link.name) else None
    if other:
        raise unreadable_error(
            f"{directory}/{OWN_FILE}", why=f"is the record of layer {other}, not of layer {layer_id}"
        )
    lower = read_lower(home, layer_id, lambda: valid_parent(record.parent))
    damage = [found for found in (link.damage, lower.damage) if found]
    lowers = lower.names if lower.whole else ()
    return Layer(layer_id, link.name, lowers, os.path.lexists(f"{directory}/{COMMITTED}"), record), damage


def _owner_of(home: str, layer_id: str, recorded: str | None) -> str | None:
    """Return the other layer that has the name *recorded* in a layer's record without doubt; None for no such layer.

    A layer can have the record of another layer after a restore from a backup. Raises OSError.
    """
    if recorded is None or not LINK_NAME.fullmatch(recorded):
        return None
    other = link_target(home, recorded)
    return other if other not in (None, layer_id) and read_link(home, other or "").name == recorded else None
