# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that repair a damaged layer, for a person to run. Nothing is run here. PRIVATE to the collection."""

from __future__ import annotations

import functools
import os
import shlex
import typing as t

from .._errors import StoreCorrupt, printable
from .cures import KEEP_NAME, MOVE_AWAY, MOVE_BACK, REPAIR, cure
from .damage import Damage
from .engine import SOMEBODY
from .layout import DIFF, LINK, LINKS, LOWER, WORK
from .links import read_link
from .lower import Lower, read_lower, recorded_parent
from .recognition import has_content, layer_ids
from .repairs import repairs_of
from .unusable import UNREAD_CURE
from .witnesses import RECORDING, allowed

if t.TYPE_CHECKING:
    from .layer import LayerFiles

_LOWER = (
    f"cd {{home}} && {{{{ printf {LINKS}/; cat {{parent}}/{LINK}; "
    f"[ ! -e {{parent}}/{LOWER} ] || {{{{ printf :; cat {{parent}}/{LOWER}; }}}}; }}}} >{{id}}/{LOWER}"
)
# Causes that the link file of the layer repairs, and those that its name in l/ does.
_LINK_FILE = frozenset(
    ("no_link_file", "link_not_a_file", "empty_link", "not_a_link_name", "name_of_another", "same_name")
)
_NAME = frozenset(("no_name", "name_elsewhere"))


class Mending:
    """Says how to repair the layers of *files*. Each file is read once, and only when a caller asks for a hint."""

    def __init__(self, files: LayerFiles) -> None:
        self.home = files.home
        self.place = shlex.quote(printable(files.home))
        self._files = files

    @functools.cached_property
    def engine(self) -> str | None:
        """The engine that the store belongs to, as owner() says."""
        return self._files.owner

    def hint(self, damage: Damage) -> str:
        """Return what to do about the damage of a layer. Raises OSError."""
        if damage.cause == "second_name" and damage.others:
            return KEEP_NAME.format(child=min(damage.others), target=damage.target)
        if damage.cause == "work_not_a_directory":
            return MOVE_AWAY.format(path=printable(damage.path))
        if damage.cause == "diff_not_a_directory":
            return MOVE_BACK.format(path=printable(damage.path)) + cure(self.engine, damage.code)
        alone = damage.cause == "second_name"
        if self.is_ours:
            return cure(self.engine, damage.code, self.by_repair(damage), alone=alone, why=UNREAD_CURE)
        if self.engine in RECORDING and repairs_of(damage, allowed(self._files.solution.repairs, self.engine)):
            return cure(self.engine, damage.code, by_repair=True)
        if damage.cause == "same_name":
            return self._hint_of_same_name(damage)
        return cure(self.engine, damage.code, self.command(damage), alone=alone, why=UNREAD_CURE)

    @property
    def is_ours(self) -> bool:
        """Whether overlay2_repair changes the store, perhaps after overlay2_init has taken it over."""
        return self.engine in (None, SOMEBODY)

    def by_repair(self, damage: Damage) -> str:
        """Return how overlay2_repair ends the damage of a layer; "" if it cannot. Raises OSError."""
        solution = self._files.solution
        if repairs_of(damage, solution.repairs):
            return f"{REPAIR} repairs it"
        if damage.cause == "second_name":
            return f"{REPAIR} removes the name with accept: [{damage.code}]"
        needs = {doubt.needs for doubt in solution.doubts if doubt.layer == damage.layer}
        if "parents" in needs and damage.code.startswith("lower"):
            return f"{REPAIR} repairs it with parents: {{{damage.layer}: PARENT}}, if you know what it is built on"
        if "link_astray" in needs and damage.code.startswith("link"):
            return f"{REPAIR} takes the name in its link file with accept: [link_astray]"
        return ""

    def _hint_of_same_name(self, damage: Damage) -> str:
        """Return the hint for a name that several layers have: it is about those to which the name does not lead."""
        wrong = [id for id in damage.others if id != damage.target]
        hints = []
        for id in [damage.layer] if damage.layer in wrong else wrong:
            one = damage._replace(layer=id, path=f"{self.home}/{id}/{LINK}")
            hints.append(f"layer {id}: {cure(self.engine, one.code, self.command(one))}")
        return "; ".join(hints)

    def error(self, damage: Damage) -> StoreCorrupt:
        """Return the error for a damaged layer. Raises OSError."""
        return StoreCorrupt(
            f"layer {damage.layer} is damaged: {damage.message}",
            hint=self.hint(damage),
            id=damage.layer,
            path=printable(damage.path),
            damage=damage.code,
        )

    def command(self, damage: Damage) -> str:
        """Return the shell command that repairs the damage; "" if no command is sure to. Raises OSError."""
        layer_id = damage.layer
        if damage.code == "work_missing":
            work = f"{self.place}/{layer_id}/{WORK}"
            return f"mkdir -m 0700 {work} && chown --reference={self.place}/{layer_id}/{DIFF} {work}"
        if damage.code in ("lower_missing", "lower_malformed"):
            return self._lower(layer_id)
        if damage.code == "lower_unresolved":
            owners = self._by_link.get(damage.link, [])
            return self._name(damage.link, owners[0]) if len(owners) == 1 and has_content(self.home, owners[0]) else ""
        if damage.cause in _LINK_FILE:
            return self._link_file(layer_id)
        if damage.cause == "second_name":
            return f"rm {self.place}/{LINKS}/{damage.link}"
        return self._name(damage.link, layer_id) if damage.cause in _NAME else ""

    def _name(self, link: str, layer_id: str) -> str:
        return f"ln -sfn ../{layer_id}/{DIFF} {self.place}/{LINKS}/{link}"

    def _link_file(self, layer_id: str) -> str:
        """Return the command that writes a link file; "" unless one name leads to the layer and to no other."""
        names = [
            link
            for link, target in self._links.items()
            if target == layer_id and set(self._by_link.get(link, ())) <= {layer_id}
        ]
        path = f"{layer_id}/{LINK}"
        if len(names) != 1 or _is_no_file(f"{self.home}/{path}"):
            return ""
        return f"printf %s {names[0]} >{self.place}/{path}"

    def _lower(self, layer_id: str) -> str:
        """Return the command that writes a lower file, with PARENT in it if the parent is unknown."""
        path = f"{layer_id}/{LOWER}"
        if _is_no_file(f"{self.home}/{path}"):
            return ""
        links = {link for link, target in self._links.items() if target == layer_id}
        for child, lower in self._lowers.items():
            if lower.whole and len(lower.names) > 1 and lower.names[0] in links:
                return f"cd {self.place} && cut -d : -f 2- {child}/{LOWER} | tr -d '\\n' >{path}"
        lower = self._lowers.get(layer_id, Lower(()))
        first = self._links.get(lower.names[0]) if lower.names and lower.whole else None
        parent = recorded_parent(self.home, layer_id) or first
        return _LOWER.format(home=self.place, id=layer_id, parent=self._there(parent, layer_id) or "PARENT")

    def _there(self, parent: str | None, layer_id: str) -> str | None:
        return parent if parent and parent != layer_id and has_content(self.home, parent) else None

    @property
    def _links(self) -> dict[str, str | None]:
        return self._files.links

    @functools.cached_property
    def _lowers(self) -> dict[str, Lower]:
        return {id: read_lower(self.home, id) for id in sorted(layer_ids(self.home))}

    @functools.cached_property
    def _by_link(self) -> dict[str, list[str]]:
        """The ids of the layers, by the name that the link file holds."""
        found: dict[str, list[str]] = {}
        for id in sorted(layer_ids(self.home)):
            found.setdefault(read_link(self.home, id).name, []).append(id)
        return found


def _is_no_file(path: str) -> bool:
    return os.path.islink(path) or os.path.isdir(path)
