# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which damage of a store has exactly one right repair. Pure. PRIVATE to the collection.

A repair is certain if one solution is left, at least one witness tells it, and no witness denies it. The rules are in
solve_names.py and solve_lowers.py; a repair may be the witness of another one, so they are asked again after repairs.
"""

from __future__ import annotations

import typing as t

from .as_read import LayerAsRead, StoreAsRead
from .layout import WORK
from .repairs import Doubt, Repair, new_name
from .solve_lowers import Lowers
from .solve_names import Names

_ROUNDS = 8


class Solution(t.NamedTuple):
    """repairs: in order, each after those that it builds on. doubts: what is left. after: the store once repaired.

    chains: by id, the names of the layers below each layer; None if they are in doubt.
    """

    repairs: tuple[Repair, ...]
    doubts: tuple[Doubt, ...]
    after: StoreAsRead
    chains: t.Mapping[str, tuple[str, ...] | None]


def solve(
    store: StoreAsRead,
    parents: t.Mapping[str, str],
    sealed: t.Collection[str] = (),
    *,
    told: t.Mapping[str, str] | None = None,
    accept_astray: bool = False,
) -> Solution:
    """Return what is certain, and what is in doubt.

    parents, sealed: what records say: by id the parent, "" for none; the sealed layers. told: parents as the user says.
    """
    done: list[Repair] = []
    layers = {id: store.layers[id]._replace(parent=None, name="", sealed=False) for id in _records_of_others(store)}
    store = store._replace(layers={**store.layers, **layers})
    for _round in range(_ROUNDS):
        names = Names(store, parents, accept_astray)
        verdicts = names.settle()
        lowers = Lowers(store, names, parents, told or {})
        chains = lowers.settle()
        repairs = [*verdicts.repairs, *chains.repairs]
        doubts = [*verdicts.doubts, *chains.doubts]
        if not repairs:
            repairs = [new_name(id) for id in _childless(doubts, lowers)]
        if not repairs:
            break
        done += repairs
        store = applied(store, repairs)
    more = _of_directories(store, names, lowers, sealed)
    return Solution((*done, *more), tuple(doubts), store, lowers.chains)


def recorded(store: StoreAsRead) -> tuple[dict[str, str], frozenset[str]]:
    """Return what our own records say: by id the parent, and the sealed layers.

    A layer can have the record of another layer, or of an earlier layer with its id, as after a restore from a backup:
    such a record tells nothing of the layer.
    """
    denied = _records_of_others(store)
    layers = [layer for layer in store.layers.values() if layer.id not in denied]
    parents = {layer.id: layer.parent for layer in layers if layer.parent is not None}
    return parents, frozenset(layer.id for layer in layers if layer.sealed)


def _records_of_others(store: StoreAsRead) -> set[str]:
    """Return the layers whose record has a name that is not theirs.

    Either the layer's link file and l/ agree on another name; or another layer has the name of the record by as many
    witnesses: the record counts twice, the link file and l/ once each.
    """
    claims: dict[str, list[str]] = {}  # by name: the layers that have it, once for each witness
    for layer in store.layers.values():
        for name in (layer.link if layer.link_is_whole else "", layer.name, layer.name):
            claims.setdefault(name, []).append(layer.id)
    for name, target in store.names.items():
        claims.setdefault(name, []).append(target or "")
    denied = set()
    for layer in store.layers.values():
        claimed = claims[layer.name]
        own = claimed.count(layer.id)
        is_anothers = any(claimed.count(other) >= own for other in {*claimed} - {layer.id, ""})
        is_named = layer.link_is_whole and store.names.get(layer.link) == layer.id
        if layer.name and (is_anothers or (is_named and layer.name != layer.link)):
            denied.add(layer.id)
    return denied


def applied(store: StoreAsRead, repairs: t.Iterable[Repair]) -> StoreAsRead:
    """Return the store once *repairs* are done."""
    layers = dict(store.layers)
    names = dict(store.names)
    for repair in repairs:
        layer = layers[repair.layer]
        if repair.kind in ("link", "new_name"):
            link = repair.link or unused_name(names)
            layers[layer.id] = layer._replace(link=link, link_is_whole=True, letters="")
        if repair.kind in ("name", "new_name"):
            names[repair.link or layers[layer.id].link] = layer.id
        if repair.kind in ("lower", "no_lower"):
            lowers = repair.lowers
            layers[layer.id] = layer._replace(lowers=lowers, has_lower=bool(lowers), whole=True, text=b"")
    return store._replace(layers=layers, names=names)


def unused_name(names: t.Collection[str]) -> str:
    """Return a name in place of the one that only the real run makes."""
    number = len(names)
    while f"{'A' * 18}{number:08o}".translate(_DIGITS) in names:
        number += 1
    return f"{'A' * 18}{number:08o}".translate(_DIGITS)


_DIGITS = str.maketrans("0189", "WXYZ")  # base32 has no such digits


def _childless(doubts: t.Iterable[Doubt], lowers: Lowers) -> list[str]:
    """Return the layers whose name no file holds and no layer needs: nothing else may be in doubt."""
    doubts = list(doubts)
    ids = [doubt.layer for doubt in doubts if doubt.needs == "new_name"]
    others = [doubt for doubt in doubts if doubt.needs != "new_name"]
    return [] if others or any(chain is None for chain in lowers.chains.values()) else ids


def _of_directories(store: StoreAsRead, names: Names, lowers: Lowers, sealed: t.Collection[str]) -> t.Iterator[Repair]:
    """Yield the marks and the work directories that are lost, now that the chains are known."""
    above: dict[str, str] = {}
    for layer in store.layers.values():
        parent = names.owner.get(layer.lowers[0]) if layer.lowers and layer.whole else None
        if parent:
            above.setdefault(parent, layer.id)
    for layer in store.layers.values() if store.seals else ():
        if not layer.marked and layer.id in above:
            yield Repair("seal", layer.id, evidence=(f"layer {above[layer.id]} is built on it",))
        elif not layer.marked and layer.id in sealed:
            yield Repair("seal", layer.id, evidence=("its record says that it is sealed",))
    for layer in store.layers.values():
        chain = lowers.chains.get(layer.id)
        if _lacks_work(layer) and chain:
            yield Repair("work", layer.id, evidence=("it has a parent, and such a layer has a work directory",))
        elif _lacks_work(layer) and layer.id in store.bases:
            yield Repair("work", layer.id, evidence=("its engine gives such a layer a work directory",))


def _lacks_work(layer: LayerAsRead) -> bool:
    return not layer.work and WORK not in layer.blocked and layer.diff
