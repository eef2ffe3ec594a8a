# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has exactly one right repair in a store, and what is in doubt, as data. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .layout import LINK, LOWER, WORK

if t.TYPE_CHECKING:
    from .as_read import LayerAsRead
    from .damage import Damage

NAME_FITS = "all lower files that hold the name go on as its own"

Kind = t.Literal["link", "name", "new_name", "unname", "lower", "no_lower", "seal", "work", "record"]


class Repair(t.NamedTuple):
    """One step of a repair. link: the name in l/. lowers: names in l/. parent: an id. evidence: sentences."""

    kind: Kind
    layer: str
    link: str = ""
    lowers: tuple[str, ...] = ()
    parent: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What the repair does, in words that can be predicted."""
        return _SENTENCES[self.kind].format(id=self.layer, parent=self.parent)


class Doubt(t.NamedTuple):
    """What cannot be repaired by what is left. part: of the layer. why: a sentence. needs: what would decide."""

    part: t.Literal["link", "lower"]
    layer: str
    why: str
    needs: str = ""


class Verdicts(t.NamedTuple):
    """The repairs, each after those that it builds on, and the doubts."""

    repairs: list[Repair]
    doubts: list[Doubt]


_SENTENCES: dict[str, str] = {
    "link": "write the link file of layer {id} again",
    "name": "make the name of layer {id} in l/ lead to it again",
    "new_name": "give layer {id} a new name",
    "unname": "remove the second name of layer {id} from l/",
    "lower": "write the lower file of layer {id} again, which is built on {parent}",
    "no_lower": "move the lower file of layer {id} aside, which is built on no layer",
    "seal": "seal layer {id} again",
    "work": "make the work directory of layer {id} again",
    "record": "move the record of layer {id} aside, and write a new one",
}


_KINDS: dict[str, tuple[Kind, ...]] = {  # by code: what repairs the damage, in the layer that has it
    "link_missing": ("link", "name", "new_name"),
    "link_empty": ("link", "new_name"),
    "link_doubled": ("link",),
    "link_astray": ("link", "name", "new_name"),
    "lower_missing": ("lower", "no_lower"),
    "lower_malformed": ("lower", "no_lower"),
    "lower_unresolved": ("lower",),
    "work_missing": ("work",),
    "committed_missing": ("seal",),
}


def repairs_of(damage: Damage, repairs: t.Iterable[Repair]) -> list[Repair]:
    """Return those of *repairs* that end the damage; none for damage that stays."""
    if damage.cause == "second_name":
        return []
    layers = {damage.layer}
    if damage.cause == "same_name" and damage.layer == damage.target:
        layers = {*damage.others} - {damage.layer}
    elif damage.cause == "lower_cut":
        layers.add(damage.target)
    kinds = _KINDS.get(damage.code, ())
    found = [repair for repair in repairs if repair.layer in layers and repair.kind in kinds]
    if damage.code == "lower_unresolved":
        found += [repair for repair in repairs if repair.kind == "name" and repair.link == damage.link]
    return found


def shown_by(home: str, repair: Repair, *, has_lower: bool) -> Damage | None:
    """Return the damage that a repair ends, and that no file but a record shows; None if it is not such a repair."""
    from .damage import Damage
    from .unusable import missing_directory  # only the stores of other engines need it

    path = f"{home}/{repair.layer}"
    if repair.kind == "work":
        return missing_directory(repair.layer, f"{path}/{WORK}", WORK)
    if repair.kind != "lower":
        return None
    if has_lower:
        return Damage("lower_malformed", repair.layer, f"{path}/{LOWER}", "recorded_other", target=repair.parent)
    return Damage("lower_missing", repair.layer, f"{path}/{LOWER}", "recorded_parent", target=repair.parent)


def as_file(layer: LayerAsRead, name: str, *why: str) -> tuple[Repair, ...]:
    """Return the repair of a link file; none if something else than a file is there."""
    return () if LINK in layer.blocked else (Repair("link", layer.id, name, evidence=why),)


def as_name(layer: LayerAsRead, name: str, *why: str) -> tuple[Repair, ...]:
    """Return the repair of a name in l/."""
    return (Repair("name", layer.id, name, evidence=why),)


def as_lower(layer: LayerAsRead, lowers: tuple[str, ...], parent: str, *why: str) -> tuple[Repair, ...]:
    """Return the repair of a lower file; none if something else than a file is there."""
    if LOWER in layer.blocked:
        return ()
    if not lowers:
        return (Repair("no_lower", layer.id, evidence=why),)
    return (Repair("lower", layer.id, lowers=lowers, parent=parent, evidence=why),)


def new_name(layer_id: str) -> Repair:
    """Return the repair of a layer whose name no file holds, and that no layer needs."""
    return Repair("new_name", layer_id, evidence=("no file holds its old name", "no layer is built on it"))
