# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage planted in stores in memory: what is restored, what is told, and that nothing is guessed."""

from __future__ import annotations

import collections
import random
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.as_read import LayerAsRead, StoreAsRead
from ansible_collections.strata.overlay2.plugins.module_utils._store.solve import Solution, recorded, solve
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._store import planting

STORES = 2000
# What nothing in a store without records can tell, whatever the rules: each set of kinds looks like a sound store.
LOOKS_SOUND: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            ("lower_of_another",),
            ("lower_cut_at_a_colon",),
            ("lower_lost", "work_lost"),
            ("links_swapped", "all_names_lost"),
            ("links_swapped", "name_lost"),
        ),
    )
)


def damaged_stores(kinds: t.Sequence[str], seed: int, *, recorded: bool) -> t.Iterator[planting.Planter]:
    """Yield STORES stores of 14 layers, each with 1 to 4 damages; in some of them all of a kind of file are lost."""
    for number in range(STORES):
        chance = random.Random(f"{seed}-{number}")
        planter = planting.Planter(planting.sound_store(chance, recorded=recorded), chance)
        for _damage in range(chance.randint(1, 4)):
            planter.plant(chance.choice(kinds))
        if chance.random() < 0.1:
            planter.plant(chance.choice(planting.OF_ALL))
        yield planter


def solved(store: StoreAsRead, **more: t.Any) -> Solution:
    return solve(store, *recorded(store), **more)


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        pytest.param(planting.BY_CRASH, 0.98, id="a crash"),
        pytest.param((*planting.BY_CRASH, *planting.BY_HAND), 0.96, id="any damage"),
    ],
)
def test_with_records_nearly_all_is_restored_and_nothing_is_wrong_or_silent(kinds, least):
    counts = collections.Counter(
        planting.outcome(planter, solved(planter.store)) for planter in damaged_stores(kinds, 7, recorded=True)
    )
    print(dict(counts))
    assert counts.keys() <= {"restored", "told"}
    assert counts["restored"] >= least * STORES


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        pytest.param(planting.BY_CRASH, 0.75, id="a crash"),
        pytest.param((*planting.BY_CRASH, *planting.BY_HAND), 0.5, id="any damage"),
    ],
)
def test_without_records_only_what_nothing_can_tell_is_wrong_or_silent(kinds, least):
    counts: collections.Counter[str] = collections.Counter()
    for planter in damaged_stores(kinds, 7, recorded=False):
        came = planting.outcome(planter, solved(planter.store))
        counts[came] += 1
        if came in ("silent", "wrong"):
            assert any(kinds <= set(planter.kinds) for kinds in LOOKS_SOUND), planter.kinds
    print(dict(counts))
    assert counts["restored"] >= least * STORES


def test_a_second_look_finds_nothing_more_to_repair():
    kinds = (*planting.BY_CRASH, *planting.BY_HAND)
    for planter in [*damaged_stores(kinds, 8, recorded=False)][:300]:
        after = solved(planter.store).after
        chains = [repair for repair in solved(after).repairs if repair.kind not in ("seal", "work")]
        assert chains == []


NAMES = {id: id.upper()[0] * 26 for id in ("base", "mid", "top", "kid", "lone")}
PARENTS = {"base": "", "mid": "base", "top": "mid", "kid": "mid", "lone": ""}


def chain(id: str) -> tuple[str, ...]:
    parent = PARENTS[id]
    return (NAMES[parent], *chain(parent)) if parent else ()


def text(*names: str) -> bytes:
    return ":".join(f"l/{name}" for name in names).encode()


def sound(*, recorded: bool) -> StoreAsRead:
    """Return the store base <- mid <- top, mid <- kid, and lone."""
    layers = {}
    for id, parent in PARENTS.items():
        layer = LayerAsRead(id, NAMES[id], lowers=chain(id), has_lower=bool(parent), text=text(*chain(id)))
        layer = layer._replace(work=bool(parent), marked=id in PARENTS.values())
        layers[id] = layer._replace(parent=parent, name=NAMES[id], sealed=layer.marked) if recorded else layer
    return StoreAsRead(layers, {name: id for id, name in NAMES.items()})


def change(store: StoreAsRead, id: str, **values: t.Any) -> StoreAsRead:
    return store._replace(layers={**store.layers, id: store.layers[id]._replace(**values)})


def no_link(id: str, letters: str = "") -> t.Callable[[StoreAsRead], StoreAsRead]:
    return lambda store: change(store, id, link="", link_is_whole=False, letters=letters)


def no_name(*ids: str) -> t.Callable[[StoreAsRead], StoreAsRead]:
    gone = {NAMES[id] for id in ids}
    return lambda store: store._replace(names={name: id for name, id in store.names.items() if name not in gone})


def link(id: str, other: str) -> t.Callable[[StoreAsRead], StoreAsRead]:
    return lambda store: change(store, id, link=NAMES[other])


def name(id: str, target: str | None) -> t.Callable[[StoreAsRead], StoreAsRead]:
    return lambda store: store._replace(names={**store.names, NAMES[id]: target})


def no_lower(id: str, left: bytes | None = None) -> t.Callable[[StoreAsRead], StoreAsRead]:
    values = {"lowers": (), "has_lower": left is not None, "whole": left is None, "text": left or b""}
    return lambda store: change(store, id, **values)


def lower(id: str, *names: str) -> t.Callable[[StoreAsRead], StoreAsRead]:
    return lambda store: change(store, id, lowers=names, has_lower=True, text=text(*names))


def lost(id: str, **values: t.Any) -> t.Callable[[StoreAsRead], StoreAsRead]:
    return lambda store: change(store, id, **values)


ALL = tuple(NAMES)
RESTORED = "restored"
# By damage: what is done without records, and with records: RESTORED, or what the doubt needs.
ROWS: dict[str, tuple[tuple[t.Callable[[StoreAsRead], StoreAsRead], ...], str, str]] = {
    "an empty link file": ((no_link("mid"),), RESTORED, RESTORED),
    "a cut link file": ((no_link("top", "TTT"),), RESTORED, RESTORED),
    "a link file cut from another name": ((no_link("top", "X"),), "", RESTORED),
    "a name that is missing": ((no_name("mid"),), RESTORED, RESTORED),
    "no names at all": ((no_name(*ALL),), RESTORED, RESTORED),
    "no link files at all": (tuple(map(no_link, ALL)), RESTORED, RESTORED),
    "neither link file nor name, with children": ((no_link("mid"), no_name("mid")), RESTORED, RESTORED),
    "neither link file nor name, without children": ((no_link("lone"), no_name("lone")), "a new name", RESTORED),
    "two siblings without names": ((no_link("top"), no_link("kid"), no_name("top", "kid")), "a new name", RESTORED),
    "a name that leads to another layer": ((name("mid", "base"),), RESTORED, RESTORED),
    "a name that leads to a layer that is gone": ((name("mid", "gone"),), RESTORED, RESTORED),
    "a name that leads out of the store": ((name("mid", None),), RESTORED, RESTORED),
    "names that lead to each other's layers": ((name("top", "kid"), name("kid", "top")), "link_astray", RESTORED),
    "another layer's name in a link file": ((link("top", "mid"),), RESTORED, RESTORED),
    "the same, and its own name lost": ((link("mid", "top"), no_name("mid")), RESTORED, RESTORED),
    "link files that are swapped": ((link("top", "kid"), link("kid", "top")), "link_astray", RESTORED),
    "a lower that is missing, with children": ((no_lower("mid"),), RESTORED, RESTORED),
    "a lower that is empty, with children": ((no_lower("mid", b""),), RESTORED, RESTORED),
    "neither lower nor work, with children": ((no_lower("mid"), lost("mid", work=False)), RESTORED, RESTORED),
    "a lower that is missing, without children": ((no_lower("top"),), "parents", RESTORED),
    "a lower of NULs, without children": ((no_lower("top", b"\0" * 57),), "parents", RESTORED),
    "a lower cut behind its first name": ((no_lower("top", text(*chain("top"))[:40]),), RESTORED, RESTORED),
    "a lower cut in its first name": ((no_lower("top", text(*chain("top"))[:20]),), "parents", RESTORED),
    "a lower that ends with a line": ((no_lower("top", text(*chain("top")) + b"\r\n"),), RESTORED, RESTORED),
    "a lower cut at a colon": ((lower("top", NAMES["mid"]),), "parents", RESTORED),
    "a lower that names itself, with children": ((lower("mid", NAMES["mid"]),), RESTORED, RESTORED),
    "a lower that names itself": ((lower("top", NAMES["top"]),), "parents", RESTORED),
    "children that contradict each other": ((no_lower("mid"), lower("top", NAMES["mid"])), "parents", RESTORED),
    "a parent whose lower is another's, with children": ((lower("mid", NAMES["lone"]),), "parents", RESTORED),
    "a lower that no layer without parent has": ((lower("lone", NAMES["base"]),), "not found", RESTORED),
    "a lower of another chain": ((lower("top", NAMES["lone"]),), "not found", RESTORED),
    "a seal that is lost, with children": ((lost("mid", marked=False),), RESTORED, RESTORED),
    "a work that is lost": ((lost("top", work=False),), RESTORED, RESTORED),
    "a directory that is renamed": (
        (
            lambda store: store._replace(
                layers={
                    "new" if id == "mid" else id: layer._replace(id="new" if id == "mid" else id)
                    for id, layer in store.layers.items()
                }
            ),
        ),
        RESTORED,
        RESTORED,
    ),
}


@pytest.mark.parametrize("with_records", [False, True], ids=["without records", "with records"])
@pytest.mark.parametrize("row", ROWS)
def test_each_damage_is_restored_or_told_with_what_would_decide(row, with_records):
    steps, without, within = ROWS[row]
    store = sound(recorded=with_records)
    for step in steps:
        store = step(store)
    solution = solved(store)
    expected = within if with_records else without
    kinds = {repair.kind for repair in solution.repairs}
    assert all(repair.evidence for repair in solution.repairs)
    if expected == RESTORED:
        truth = sound(recorded=with_records)
        assert solution.doubts == ()
        assert {name: id.replace("new", "mid") for name, id in solution.after.names.items()} == truth.names
        for layer in solution.after.layers.values():
            was = truth.layers[layer.id.replace("new", "mid")]
            assert (layer.link, layer.lowers, layer.has_lower) == (was.link, was.lowers, was.has_lower)
        for kind, flag in (("seal", "marked"), ("work", "work")):
            missing = {id for id, layer in store.layers.items() if not getattr(layer, flag) and id in truth.layers}
            wanted = {id for id in missing if getattr(truth.layers[id], flag)}
            assert {repair.layer for repair in solution.repairs if repair.kind == kind} == wanted
    elif expected == "a new name":
        assert kinds == {"new_name"} and solution.doubts == ()
    elif expected == "not found":
        assert not solution.doubts and not kinds - {"work", "seal"}
    else:
        assert {doubt.needs for doubt in solution.doubts} - {""} == ({expected} if expected else set())
        assert solution.doubts
        assert not kinds - {"seal"}


@pytest.mark.parametrize("id", ["top", "lone"])
def test_a_seal_without_children_is_made_again_only_if_a_record_tells(id):
    store = change(sound(recorded=True), id, sealed=True)
    assert [(repair.kind, repair.layer) for repair in solved(store).repairs] == [("seal", id)]
    assert solved(change(store, id, sealed=False)).repairs == ()


def test_the_users_word_decides_where_no_file_does():
    store = no_lower("top", b"")(sound(recorded=False))
    for parent in PARENTS:
        repairs = solved(store, told={"top": parent}).repairs if parent != "top" else ()
        assert [repair.parent for repair in repairs if repair.kind == "lower"] == [parent] * (parent != "top")
    (repair,) = solved(store, told={"top": ""}).repairs
    assert repair.kind == "no_lower"
    assert solved(store, told={"top": "gone"}).repairs == ()
    assert solved(store, told={"top": "top"}).repairs == ()


def test_a_name_that_leads_astray_is_taken_back_if_the_user_accepts():
    store = name("top", "kid")(name("kid", "top")(sound(recorded=False)))
    assert solved(store).repairs == ()
    repairs = solved(store, accept_astray=True).repairs
    assert {(repair.kind, repair.layer, repair.link) for repair in repairs} == {
        ("name", "top", NAMES["top"]),
        ("name", "kid", NAMES["kid"]),
    }


def test_what_is_no_file_is_not_written():
    for part, damage in (("link", no_link("mid")), ("lower", no_lower("top", b""))):
        id = "mid" if part == "link" else "top"
        store = change(damage(sound(recorded=True)), id, blocked=frozenset((part,)))
        assert not [repair for repair in solved(store).repairs if repair.kind == part]


def test_the_order_of_the_ids_makes_no_difference():
    ids = {"base": "z", "mid": "y", "top": "x", "kid": "w", "lone": "v"}
    store = sound(recorded=True)
    layers = {
        ids[id]: layer._replace(id=ids[id], parent=ids.get(layer.parent or "", ""))
        for id, layer in reversed(list(store.layers.items()))
    }
    store = StoreAsRead(layers, {name: ids[id] for name, id in store.names.items()})
    for id in ("x", "y"):
        (repair,) = solved(lower(id, layers[id].link)(store)).repairs
        assert (repair.kind, repair.layer, repair.lowers) == ("lower", id, layers[id].lowers)


def test_a_long_chain_and_a_circle_end():
    layers, lowers, names = {}, (), {}
    for number in range(120):
        name = f"{'A' * 20}{number:06}".translate(str.maketrans("0189", "WXYZ"))
        id = f"layer{number}"
        layers[id] = LayerAsRead(id, name, lowers=lowers, has_lower=bool(lowers), text=text(*lowers), work=bool(lowers))
        names[name] = id
        lowers = (name, *lowers)
    store = StoreAsRead(layers, names)
    assert all(found is not None for found in solved(store).chains.values())
    around = change(change(store, "layer1", lowers=(layers["layer2"].link,)), "layer2", lowers=(layers["layer1"].link,))
    assert solved(around).chains["layer1"] is None
