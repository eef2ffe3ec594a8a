# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of random layers as StoreAsRead, and damage of each kind that is planted in one."""

from __future__ import annotations

import json
import os
import random
import re
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._store.as_read import LayerAsRead, StoreAsRead

if t.TYPE_CHECKING:
    from ansible_collections.strata.overlay2.plugins.module_utils._store.solve import Solution

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
COUNT = 14
Layers = dict[str, LayerAsRead]
Names = dict[str, t.Optional[str]]


def a_name(chance: random.Random) -> str:
    return "".join(chance.choices(LETTERS, k=26))


def sound_store(chance: random.Random, *, recorded: bool) -> StoreAsRead:
    """Return a sound store of COUNT layers in one or more trees; recorded: our records tell names and parents."""
    layers: Layers = {}
    names: Names = {}
    parents: dict[str, str] = {}
    for number in range(COUNT):
        id = f"layer{number:02}"
        parent = chance.choice(["", *layers, *list(layers)[-2:]]) if layers else ""
        parents[id] = parent
        name = a_name(chance)
        lowers = (layers[parent].link, *layers[parent].lowers) if parent else ()
        text = ":".join(f"l/{lower}" for lower in lowers).encode()
        layers[id] = LayerAsRead(id, name, True, "", lowers, bool(lowers), True, text, True, bool(lowers))
        names[name] = id
    for id in layers:
        sealed = id in parents.values() or chance.random() < 0.2
        layers[id] = layers[id]._replace(marked=sealed)
        if recorded:
            layers[id] = layers[id]._replace(parent=parents[id], name=layers[id].link, sealed=sealed)
    return StoreAsRead(layers, names)


class Planter:
    """Plants damage in a store, at random."""

    def __init__(self, store: StoreAsRead, chance: random.Random) -> None:
        self.truth = store
        self.layers: Layers = dict(store.layers)
        self.names: Names = dict(store.names)
        self.chance = chance
        self.kinds: list[str] = []
        self.link_files: dict[str, str | None] = {}  # damaged ones

    @property
    def store(self) -> StoreAsRead:
        return StoreAsRead(self.layers, self.names)

    def plant(self, kind: str) -> None:
        """Plant damage of *kind*, the name of one of the functions below, in a random layer."""
        id = self.chance.choice(list(self.layers))
        self.kinds.append(kind)
        getattr(self, kind)(id)

    def _set(self, id: str, **values: t.Any) -> None:
        self.layers[id] = self.layers[id]._replace(**values)

    def _other(self, id: str) -> str:
        return self.chance.choice([other for other in self.layers if other != id])

    def _lower(self, id: str, text: bytes | None) -> None:
        """Give a layer a lower file with *text*, None for no file."""
        whole = text is None or re.fullmatch(rb"l/[A-Z2-7]{26}(?::l/[A-Z2-7]{26})*", text) is not None
        lowers = tuple((text or b"").decode("latin-1").replace("l/", "").split(":")) if text and whole else ()
        self._set(id, lowers=lowers, whole=whole, has_lower=text is not None, text=text or b"")

    def _link(self, id: str, text: str | None) -> None:
        self.link_files[id] = text
        letters = re.match(r"[A-Z2-7]{0,26}", text or "").group()  # type: ignore[union-attr]
        whole = bool(text) and re.fullmatch(r"[A-Z2-7]{26}", text or "") is not None
        rest = (text or "")[26:].strip("\0 \t\r\n")
        held = letters if len(letters) == 26 and not rest else ""
        self._set(id, link=held, link_is_whole=whole, letters="" if whole else letters)

    # What a crash, or a filesystem's repair, does.
    def link_lost(self, id: str) -> None:
        self._link(id, self.chance.choice([None, "", "\0" * 26]))

    def link_cut(self, id: str) -> None:
        self._link(id, self.truth.layers[id].link[: self.chance.randrange(1, 26)])

    def name_lost(self, id: str) -> None:
        self.names.pop(self.truth.layers[id].link, None)

    def lower_lost(self, id: str) -> None:
        if self.truth.layers[id].lowers:
            self._lower(id, self.chance.choice([None, b"", b"\0" * 60]))

    def lower_cut(self, id: str) -> None:
        text = self.truth.layers[id].text
        if len(text) > 1:
            end = self.chance.randrange(1, len(text))
            self._lower(id, text[:end] + self.chance.choice([b"", b"\0" * 9]))
            if self.layers[id].whole:
                self.kinds.append("lower_cut_at_a_colon")

    def mark_lost(self, id: str) -> None:
        self._set(id, marked=False)

    def work_lost(self, id: str) -> None:
        self._set(id, work=False)

    def record_lost(self, id: str) -> None:
        self._set(id, parent=None, name="", sealed=False)

    def all_names_lost(self, id: str) -> None:
        self.names.clear()

    def all_links_lost(self, id: str) -> None:
        for other in self.layers:
            self._link(other, "")

    # What a person does, by hand or with bad intent.
    def link_ends_line(self, id: str) -> None:
        self._link(id, self.truth.layers[id].link + self.chance.choice(["\n", "\r\n", "\0"]))

    def link_in_small_letters(self, id: str) -> None:
        self._link(id, self.truth.layers[id].link.lower())

    def link_of_another(self, id: str) -> None:
        self._link(id, self.truth.layers[self._other(id)].link)

    def links_swapped(self, id: str) -> None:
        other = self._other(id)
        self._link(id, self.truth.layers[other].link)
        self._link(other, self.truth.layers[id].link)

    def name_astray(self, id: str) -> None:
        self.names[self.truth.layers[id].link] = self.chance.choice([None, "gone", self._other(id)])

    def second_name(self, id: str) -> None:
        self.names[a_name(self.chance)] = id

    def lower_ends_line(self, id: str) -> None:
        text = self.truth.layers[id].text
        if text:
            self._lower(id, text + self.chance.choice([b"\n", b"\r\n"]))

    def lower_of_another(self, id: str) -> None:
        other = self.truth.layers[self._other(id)]
        self._lower(id, other.text or None)

    def record_of_another(self, id: str) -> None:
        other = self.truth.layers[self._other(id)]
        self._set(id, parent=other.parent, name=other.name, sealed=other.sealed)

    def lower_itself(self, id: str) -> None:
        self._lower(id, f"l/{self.truth.layers[id].link}".encode())

    def lower_nowhere(self, id: str) -> None:
        self._lower(id, f"l/{a_name(self.chance)}".encode())

    def renamed(self, id: str) -> None:
        """Give the directory of a layer another id. The truth is then that the name leads there."""
        new = f"{id}-renamed"
        if id.endswith("-renamed"):
            return
        self.layers = {new if other == id else other: layer for other, layer in self.layers.items()}
        self.layers[new] = self.layers[new]._replace(id=new)
        if id in self.link_files:
            self.link_files[new] = self.link_files.pop(id)
        truth = {new if other == id else other: layer for other, layer in self.truth.layers.items()}
        truth[new] = truth[new]._replace(id=new)
        names = {name: new if target == id else target for name, target in self.truth.names.items()}
        self.truth = StoreAsRead(truth, names)


def outcome(planter: Planter, solution: Solution) -> str:
    """Return what came of planted damage: restored, told, silent (something is wrong, nothing is told) or wrong.

    wrong: something was written that was not so before the damage. A layer that nobody needs may get a new name.
    """
    truth, after = planter.truth.layers, solution.after
    named = {repair.layer for repair in solution.repairs if repair.kind == "new_name"}
    for repair in solution.repairs:
        layer = truth[repair.layer]
        if repair.kind in ("link", "name") and repair.link != layer.link:
            return "wrong"
        if repair.kind in ("lower", "no_lower") and repair.lowers != layer.lowers:
            return "wrong"
        if repair.kind == "work" and not layer.work:
            return "wrong"
    restored = all(
        (found.lowers, found.has_lower, found.whole) == (layer.lowers, layer.has_lower, True)
        and (id in named or (found.link == layer.link and found.link_is_whole and after.names.get(layer.link) == id))
        for id, layer, found in ((id, layer, after.layers[id]) for id, layer in truth.items())
    )
    if restored:
        return "restored"
    return "told" if solution.doubts or None in solution.chains.values() else "silent"


def write_store(home: Path, store: StoreAsRead, link_files: t.Mapping[str, str | None] | None = None) -> None:
    """Write a store to disk, sound or damaged. link_files: what damaged link files hold; None for no file."""
    (home / "l").mkdir(parents=True, mode=0o700)
    home.chmod(0o710)
    (home / ".strata.json").write_text('{"format": 1}\n')
    for name, target in store.names.items():
        os.symlink(f"../{target}/diff" if target else "../../etc", home / "l" / name)
    for layer in store.layers.values():
        place = home / layer.id
        place.mkdir(mode=0o710)
        (place / "diff").mkdir()
        (place / "diff" / "file").write_text(layer.id[:7])
        link = (link_files or {}).get(layer.id, layer.link)
        if link is not None:
            (place / "link").write_bytes(link.encode())
        if layer.has_lower:
            (place / "lower").write_bytes(layer.text)
        if layer.work:
            (place / "work").mkdir(mode=0o700)
        if layer.marked:
            (place / "committed").touch(mode=0o600)
        if layer.name:
            sealed = {"committed": True} if layer.sealed else {}
            record = {"read_write": False, "parent": layer.parent, "link": layer.name, **sealed, "format": 1}
            (place / ".strata.json").write_text(json.dumps(record))


def content_of(home: Path) -> dict[str, object]:
    """Return all names of a store, with what they hold; without records, and without what was moved aside."""
    found: dict[str, object] = {}
    for path in sorted(home.rglob("*")):
        if path.name.startswith(".strata.json") or ".damaged-" in path.name:
            continue
        name = str(path.relative_to(home))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "directory"
    return found


BY_CRASH = ("link_lost", "link_cut", "name_lost", "lower_lost", "lower_cut", "mark_lost", "work_lost", "record_lost")
OF_ALL = ("all_names_lost", "all_links_lost")
BY_HAND = (
    *("link_ends_line", "link_in_small_letters", "link_of_another", "links_swapped", "name_astray", "second_name"),
    *("lower_ends_line", "lower_of_another", "lower_itself", "lower_nowhere", "renamed", "record_of_another"),
)
