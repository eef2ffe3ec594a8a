# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which name in l/ each layer has: as its files say, or as the only name that fits what is left. Pure. PRIVATE.

Witnesses of a name: the link file, the symlink in l/, our own record, and the lower files of the layers above, which
go on below the name as the layer itself does. A name counts only if a witness tells it, and no other one denies it.
"""

from __future__ import annotations

import typing as t

from .repairs import NAME_FITS, Doubt, Repair, Verdicts, as_file, as_name

if t.TYPE_CHECKING:
    from .as_read import LayerAsRead, StoreAsRead

Settled = tuple[str, tuple[Repair, ...]]  # the name of a layer, and the repairs that the name needs


class Names:
    """Settles the names of the layers of *store*. given: codes of damage that the user accepts to lose something by."""

    def __init__(self, store: StoreAsRead, parents: t.Mapping[str, str], accept_astray: bool = False) -> None:
        self._store = store
        self._layers = store.layers
        self._parents = parents
        self._accept = accept_astray
        self._held: dict[str, list[str]] = {}
        self._recorded: dict[str, list[str]] = {}
        self._leading: dict[str, list[str]] = {}
        self.uses: dict[str, list[tuple[str, int]]] = {}
        self.of: dict[str, str] = {}  # the settled name, by id
        self.owner: dict[str, str] = {}  # the same, the other way round
        self._nameless: list[LayerAsRead] = []

    def settle(self) -> Verdicts:
        """Return what can be repaired, and what cannot. Afterwards, of and owner hold the settled names."""
        self._index()
        verdicts = Verdicts([], [])
        for layer in self._layers.values():
            self._take(layer, self._judge(layer), verdicts)
        for layer, verdict in self._match():
            self._take(layer, verdict, verdicts)
        return verdicts

    def _index(self) -> None:
        for layer in self._layers.values():
            if layer.link:
                self._held.setdefault(layer.link, []).append(layer.id)
            if layer.name:
                self._recorded.setdefault(layer.name, []).append(layer.id)
            for place, name in enumerate(layer.lowers if layer.whole else ()):
                self.uses.setdefault(name, []).append((layer.id, place))
        for name, target in self._store.names.items():
            if target in self._layers:
                self._leading.setdefault(str(target), []).append(name)

    def _take(self, layer: LayerAsRead, verdict: Settled | Doubt | None, into: Verdicts) -> None:
        if verdict is None:
            return
        if isinstance(verdict, Doubt):
            into.doubts.append(verdict)
            return
        name, repairs = verdict
        if name:
            self.of[layer.id] = name
            self.owner[name] = layer.id
        into.repairs.extend(repairs)

    def _judge(self, layer: LayerAsRead) -> Settled | Doubt | None:
        """Return the name of a layer and its repairs, or why the name is in doubt; None if the layer is nameless."""
        said = layer.link
        alone = len(self._held.get(said, ())) == 1
        if said and alone and self._leads(said) == layer.id and layer.link_is_whole:
            if layer.name and layer.name != said and self._is_needed(layer.name):
                return Doubt("link", layer.id, f"its record says that its name is l/{layer.name}")
            return said, ()
        if layer.name:
            found = self._by_record(layer)
            if found:
                return found
        if said:
            return self._by_file(layer) if alone else self._doubled(layer)
        return self._by_names(layer)

    def _by_record(self, layer: LayerAsRead) -> Settled | None:
        """Return the name in our record of a layer, None if another witness denies it."""
        name, said, leads = layer.name, layer.link, self._leads(layer.name)
        if len(self._recorded[name]) > 1:
            return None
        for other in self._held.get(name, ()):
            if other != layer.id and self._layers[other].name in ("", name):
                return None
        if leads in self._layers and leads != layer.id and not self._has_other(str(leads), name):
            return None
        alone = len(self._held.get(said, ())) == 1
        contradicted = said and said != name and leads != layer.id and (alone or self._leads(said) == layer.id)
        if contradicted and (self._leads(said) == layer.id or not self.is_used(name) or not self.fits(name, layer)):
            return None
        return self._set(layer, name, f"its record says that its name is l/{name}")

    def _by_file(self, layer: LayerAsRead) -> Settled | Doubt:
        """Judge a layer whose link file holds a name that leads elsewhere or is missing, or has more than the name."""
        said = layer.link
        leads = self._leads(said)
        why = f"its link file holds l/{said}"
        others = [name for name in self._own(layer) if name != said]
        if any(id != layer.id for id in self._recorded.get(said, ())):
            return Doubt("link", layer.id, f"the record of another layer has the name l/{said}, too")
        if layer.name and layer.name != said:
            return Doubt("link", layer.id, f"its link file holds l/{said}, and its record l/{layer.name}")
        if leads == layer.id:
            return self._set(layer, said, why, f"l/{said} leads to it")
        if others:
            return self._decide(layer, others, leads)
        if any(name != said for name in self._leading.get(layer.id, ())) and not self._accept:
            return Doubt("link", layer.id, "a name that another layer's link file holds leads to it", "link_astray")
        if not self.fits(said, layer):
            return Doubt("link", layer.id, f"the layers that know l/{said} go on otherwise than its lower")
        if leads not in self._layers:
            return self._set(layer, said, why, "no other layer has the name")
        if self._has_other(str(leads), said):
            return self._set(layer, said, why, f"layer {leads}, where l/{said} leads, has a name of its own")
        if self._accept:
            return self._set(layer, said, why, "the link file counts, as accepted")
        return Doubt("link", layer.id, f"l/{said} leads to layer {leads}, which has no other name", "link_astray")

    def _decide(self, layer: LayerAsRead, others: list[str], leads: str | None) -> Settled | Doubt:
        """Judge a layer whose link file and whose names in l/ contradict each other: its children may know."""
        said = layer.link
        known = [name for name in (said, *others) if self.is_used(name)]
        if len(known) == 1 and self.fits(known[0], layer) and (known[0] != said or leads not in self._layers):
            return self._set(layer, known[0], f"its children know it as l/{known[0]}")
        if self._accept and leads not in self._layers:
            return self._set(layer, said, f"its link file holds l/{said}", "the link file counts, as accepted")
        names = ", ".join(f"l/{name}" for name in others)
        return Doubt("link", layer.id, f"its link file holds l/{said}, but {names} leads to it", "link_astray")

    def _doubled(self, layer: LayerAsRead) -> Settled | Doubt | None:
        """Judge a layer whose link file holds the same name as that of another layer."""
        said = layer.link
        own = [name for name in self._own(layer) if name != said]
        if self._leads(said) == layer.id:
            if own or not self.fits(said, layer):
                return Doubt("link", layer.id, f"l/{said} and another name lead to it")
            return said, as_file(layer, said, f"l/{said} leads to it") if not layer.link_is_whole else ()
        if self._leads(said) not in self._held[said]:
            return Doubt("link", layer.id, f"other layers have the name l/{said}, too, and it leads to none of them")
        if not own:
            self._nameless.append(layer)
            return None
        if len(own) == 1 and self.fits(own[0], layer):
            return self._set(layer, own[0], f"l/{own[0]} leads to it and to no other layer")
        return Doubt("link", layer.id, f"{len(own)} names in l/ lead to it")

    def _by_names(self, layer: LayerAsRead) -> Settled | Doubt | None:
        """Judge a layer whose link file holds no name, by the names that lead to it."""
        own = self._own(layer)
        fitting = [name for name in own if name.startswith(layer.letters) and self.fits(name, layer)]
        if len(own) > 1:
            fitting = [name for name in fitting if self.is_used(name)]
        if len(fitting) == 1:
            why = f"l/{fitting[0]} leads to it"
            return self._set(layer, fitting[0], why, NAME_FITS if self.is_used(fitting[0]) else "no other name does")
        if own:
            return Doubt("link", layer.id, f"{len(own)} name{'s' * (len(own) > 1)} in l/ that may be its own")
        self._nameless.append(layer)
        return None

    def _match(self) -> t.Iterator[tuple[LayerAsRead, Settled | Doubt]]:
        """Yield the verdicts of the layers of which neither link file nor name in l/ is left."""
        lost = [name for name in self.uses if self._is_lost(name)]
        # The name of a layer whose directory was renamed: nobody knows which layer that is.
        dangling = any(self._is_dangling(name) for name in self._store.names)
        may = {layer.id: [name for name in lost if self._may_have(layer, name)] for layer in self._nameless}
        for layer in self._nameless:
            names = may[layer.id]
            why = "no file holds its name"
            if not names:
                yield layer, Doubt("link", layer.id, why, "new_name")
            elif dangling or len(names) > 1 or any(names[0] in found for id, found in may.items() if id != layer.id):
                yield layer, Doubt("link", layer.id, f"{why}, and several layers, or several names, may be meant")
            elif not layer.whole or self._rests(names[0]) != {layer.lowers}:
                yield layer, Doubt("link", layer.id, f"{why}, and its lower does not tell which one is meant")
            else:
                yield layer, self._set(layer, names[0], f"of all lost names only l/{names[0]} fits its lower")

    def _may_have(self, layer: LayerAsRead, name: str) -> bool:
        parents = {self._parents[user] for user, place in self.uses[name] if place == 0 and user in self._parents}
        if parents and parents != {layer.id}:
            return False
        return name.startswith(layer.letters) and self.fits(name, layer)

    def _is_lost(self, name: str) -> bool:
        return name not in self.owner and self._leads(name) not in self._layers and name not in self._held

    def _is_dangling(self, name: str) -> bool:
        target = self._leads(name)
        return target is not None and target not in self._layers and not self.is_used(name) and name not in self._held

    def _set(self, layer: LayerAsRead, name: str, *why: str) -> Settled:
        """Return the verdict that a layer has *name*, with the repairs that this needs."""
        repairs: tuple[Repair, ...] = ()
        if layer.link != name or not layer.link_is_whole:
            repairs += as_file(layer, name, *why)
        if self._leads(name) != layer.id:
            repairs += as_name(layer, name, *why)
        return name, repairs

    def _leads(self, name: str) -> str | None:
        return self._store.names.get(name)

    def _own(self, layer: LayerAsRead) -> list[str]:
        """Return the names that lead to a layer, and that no other layer's link file or record holds."""
        return [
            name
            for name in self._leading.get(layer.id, ())
            if {*self._held.get(name, ()), *self._recorded.get(name, ())} <= {layer.id}
        ]

    def _has_other(self, layer_id: str, name: str) -> bool:
        """Tell whether a layer has a name that is not *name*, and that works or is recorded."""
        layer = self._layers[layer_id]
        if layer.name:
            return layer.name != name
        return bool(layer.link) and layer.link != name and self._leads(layer.link) == layer_id

    def _is_needed(self, name: str) -> bool:
        """Tell whether a layer's recorded name is missing to the layers above, or is another layer's name now."""
        return name in self._held or (self.is_used(name) and self._leads(name) not in self._layers)

    def is_used(self, name: str) -> bool:
        """Tell whether a lower file holds the name."""
        return name in self.uses

    def _rests(self, name: str, but: str = "") -> set[tuple[str, ...]]:
        return {self._layers[id].lowers[place + 1 :] for id, place in self.uses.get(name, ()) if id != but}

    def fits(self, name: str, layer: LayerAsRead) -> bool:
        """Tell whether all lower files that hold a name go on below it as the layer itself does."""
        rests = self._rests(name, layer.id)
        if not layer.has_lower and layer.parent != "":  # the file may be lost
            return len(rests) <= 1
        return rests <= {layer.lowers} if layer.whole else len(rests) <= 1
