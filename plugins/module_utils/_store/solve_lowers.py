# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each layer is built on: as its lower file says, or as the only chain that fits what is left. Pure. PRIVATE.

Witnesses of a chain: a record of the parent, the lower files of the layers above, and what a cut lower file still
holds. A chain counts only if all witnesses agree, and if the chain of its first layer goes on in the same way.
"""

from __future__ import annotations

import re
import typing as t

from .layout import LINKS, MAX_DEPTH
from .repairs import Doubt, Verdicts, as_lower

if t.TYPE_CHECKING:
    from .as_read import LayerAsRead, StoreAsRead
    from .solve_names import Names

_HELD = re.compile(rb"(?:l/[A-Z2-7]{26}:)*(?:l(?:/[A-Z2-7]{0,26})?)?")  # the sound beginning of a damaged lower
_FIRST = re.compile(rb"l/([A-Z2-7]{26})")

Chain = tuple[str, ...]


class Lowers:
    """Settles the chains of the layers of *store*, whose names are settled.

    parents: by id, what the records say; "" for no parent. told: the same, as the user says.
    """

    def __init__(
        self, store: StoreAsRead, names: Names, parents: t.Mapping[str, str], told: t.Mapping[str, str]
    ) -> None:
        self._store = store
        self._layers = store.layers
        self._names = names
        self._parents = parents
        self._told = told
        self.chains: dict[str, Chain | None] = {}  # None: in doubt
        self._verdicts = Verdicts([], [])

    def settle(self) -> Verdicts:
        """Return what can be repaired, the lowest layers first, and what cannot. Afterwards, chains is complete."""
        for id in self._layers:
            self._settle(id)
        return self._verdicts

    def _settle(self, layer_id: str) -> None:
        """Settle a layer after those below it, without recursion: a damaged chain may be long, or a circle."""
        todo = [layer_id]
        while todo:
            id = todo[-1]
            if id in self.chains:
                todo.pop()
                continue
            below = [other for other in self._may_be_on(self._layers[id]) if other not in self.chains]
            if below and not set(below) & set(todo):
                todo += below
                continue
            self.chains[id] = self._judge(self._layers[id])
            todo.pop()

    def _may_be_on(self, layer: LayerAsRead) -> t.Iterator[str]:
        """Yield the layers whose chains the verdict about a layer may need."""
        for parent in (self._parents.get(layer.id), self._told.get(layer.id), self._owner(self._first(layer))):
            if parent and parent in self._layers:
                yield parent
        for rest in self._rests(layer):
            parent = self._owner(rest[0]) if rest else None
            if parent:
                yield parent

    def _judge(self, layer: LayerAsRead) -> Chain | None:
        """Return the chain of a layer, None if it is in doubt; note its repair, or the doubt."""
        recorded = self._parents.get(layer.id)
        if recorded and recorded not in self._layers:
            return self._without_record(layer, f"; its record names layer {recorded}, which does not exist")
        if recorded is None:
            return self._without_record(layer)
        wanted = self._on(recorded)
        if wanted is None:
            if self._holds_chain(layer) and recorded and layer.lowers[0] == self._names.of.get(recorded):
                return None  # only the layers below are in doubt
            return self._doubt(layer, f"the chain of its parent {recorded} is in doubt")
        if self._has(layer, wanted):
            return wanted
        rests = self._rests(layer)
        if self._holds_chain(layer) and rests == {layer.lowers}:
            return self._doubt(layer, "its lower and its children contradict its record")
        return self._repair(layer, wanted, recorded, _recorded_on(recorded))

    def _without_record(self, layer: LayerAsRead, more: str = "") -> Chain | None:
        rests = self._rests(layer)
        if layer.whole and layer.has_lower and self._is_possible(layer):
            return self._checked(layer, rests)
        if not layer.has_lower and (not rests or rests == {()}):
            if not (layer.work and self._store.work_tells):
                return ()
            return self._by_word(layer, "its children say that it has no parent" if rests else _NOBODY + more)
        found, why = self._from_children(layer, rests)
        if found is None and not rests:
            found, why = self._from_remains(layer)
        if found is None:
            return self._by_word(layer, (why or _NOBODY) + more)
        return self._repair(layer, found, self._owner(found[0]) or "" if found else "", why)

    def _checked(self, layer: LayerAsRead, rests: set[Chain]) -> Chain | None:
        """Return the chain of a layer with a whole lower file, which nothing records."""
        parent = self._owner(layer.lowers[0])
        chain = self.chains.get(parent) if parent else None
        if parent is None or chain is None:
            return None  # the layers below are in doubt
        if chain != layer.lowers[1:]:
            return self._by_word(layer, f"its lower does not go on as that of layer {parent}, and no record tells more")
        if rests - {layer.lowers}:
            return self._by_word(layer, "the layers built on it do not go on as its lower")
        return layer.lowers

    def _from_children(self, layer: LayerAsRead, rests: set[Chain]) -> tuple[Chain | None, str]:
        """Return the chain that all layers above name, None if they do not agree, and why."""
        if len(rests) != 1:
            return None, "the layers built on it contradict each other" if rests else ""
        (chain,) = rests
        if not _text(chain).startswith(self._remains(layer)):
            return None, "what is left of its lower contradicts the layers built on it"
        if not chain:
            no = layer.work and self._store.work_tells
            return (None, "it has a work directory, but its children say that it has no parent") if no else ((), _BASE)
        if not self._goes_on(chain):
            return None, "the chain that its children name is in doubt itself"
        return chain, "all layers built on it name the same layers below it"

    def _from_remains(self, layer: LayerAsRead) -> tuple[Chain | None, str]:
        """Return the chain that a cut lower file begins, None if not even its first name is left, and why."""
        parent = self._owner(self._first(layer))
        chain = self.chains.get(parent) if parent else None
        if parent is None or chain is None:
            return None, ""
        found = (self._names.of[parent], *chain)
        if not _text(found).startswith(self._remains(layer)):
            return None, f"what is left of its lower does not go on as that of layer {parent}"
        return found, f"what is left of its lower begins as the chain of layer {parent}"

    def _by_word(self, layer: LayerAsRead, why: str) -> Chain | None:
        """Return the chain that follows from the user's word, None without it."""
        parent = self._told.get(layer.id)
        if parent is None:
            return self._doubt(layer, why, "parents")
        wanted = self._on(parent)
        if wanted is None:
            return self._doubt(layer, f"the chain of layer {parent} is in doubt", "parents")
        return self._repair(layer, wanted, parent, f"parents says that it is built on {parent or 'no layer'}")

    def _on(self, parent: str) -> Chain | None:
        """Return the chain of a layer that is built on *parent*; None if the parent's is in doubt."""
        if not parent:
            return ()
        name, chain = self._names.of.get(parent), self.chains.get(parent)
        return None if name is None or chain is None else (name, *chain)

    def _repair(self, layer: LayerAsRead, wanted: Chain, parent: str, why: str) -> Chain | None:
        own = self._names.of.get(layer.id)
        if own in wanted or len(set(wanted)) < len(wanted) or len(wanted) > MAX_DEPTH:
            return self._doubt(layer, "it would be built on itself, or on too many layers")
        if self._has(layer, wanted):
            return wanted
        repairs = as_lower(layer, wanted, parent, why)
        self._verdicts.repairs.extend(repairs)
        return wanted if repairs else self._doubt(layer, "something else than a file is in the place of its lower")

    def _doubt(self, layer: LayerAsRead, why: str, needs: str = "") -> Chain | None:
        """Note that the chain of a layer is in doubt; return None, as the chain."""
        self._verdicts.doubts.append(Doubt("lower", layer.id, why, needs))
        return None

    def _rests(self, layer: LayerAsRead) -> set[Chain]:
        """Return what the lower files of the layers above name below a layer; nothing if its name is in doubt."""
        name = self._names.of.get(layer.id)
        uses = self._names.uses.get(name, ()) if name else ()
        return {self._layers[id].lowers[place + 1 :] for id, place in uses if id != layer.id and id not in self._told}

    def _goes_on(self, chain: Chain) -> bool:
        parent = self._owner(chain[0])
        return parent is not None and self.chains.get(parent) == chain[1:]

    def _owner(self, name: str | None) -> str | None:
        return self._names.owner.get(name) if name else None

    def _first(self, layer: LayerAsRead) -> str | None:
        if layer.whole and layer.lowers:
            return layer.lowers[0]
        found = _FIRST.match(layer.text)
        return found.group(1).decode() if found else None

    def _remains(self, layer: LayerAsRead) -> bytes:
        if layer.whole and layer.has_lower:
            return b""  # a chain that is impossible tells nothing
        found = _HELD.match(layer.text)
        return found.group() if found else b""

    def _holds_chain(self, layer: LayerAsRead) -> bool:
        return layer.whole and layer.has_lower and self._is_possible(layer)

    def _is_possible(self, layer: LayerAsRead) -> bool:
        own = self._names.of.get(layer.id, layer.link)
        return len({own, *layer.lowers}) == len(layer.lowers) + 1 and len(layer.lowers) <= MAX_DEPTH

    def _has(self, layer: LayerAsRead, wanted: Chain) -> bool:
        return layer.whole and layer.lowers == wanted and layer.has_lower is bool(wanted)


_NOBODY = "no file says what it is built on"
_BASE = "all layers built on it say that it has no parent"


def _recorded_on(parent: str) -> str:
    return f"its record says that it is built on {parent or 'no layer'}"


def _text(chain: Chain) -> bytes:
    return ":".join(f"{LINKS}/{name}" for name in chain).encode()
