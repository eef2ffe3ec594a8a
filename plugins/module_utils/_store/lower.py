# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer is built on, as its ``lower`` file tells, or what tells that it has lost that. Only read. PRIVATE.

A layer without parent has no ``lower``. These tell that one without the file has lost it, the first that can tell:

    our own record     it names the parent, or says that there is none
    work               our layers and Docker's have one only where they have a parent; containers-storage's have one
                       always, and ``empty`` beside it where they have no parent
    children's lower   they go on below the layer (Store.layer sees to this one)

Source: moby daemon/graphdriver/overlay2/overlay.go, containers/storage drivers/overlay/overlay.go: create().
"""

from __future__ import annotations

import os
import re
import typing as t

from .._errors import StoreCorrupt
from .._linux.noatime import read_quietly
from .damage import Damage, unread
from .engine import CONTAINERS_STORAGE, managed_by
from .json_file import NO_FILE, read_file
from .layout import LINK_NAME_WITHIN, LINKS, LOWER, MAX_DEPTH, OWN_FILE, WORK, is_id
from .recognition import is_directory

PARENT = "parent"  # in our own record
_WHOLE = re.compile(rb"l/[A-Z2-7]{26}(?::l/[A-Z2-7]{26})*")
_EMPTY = "empty"  # containers-storage's, in layers without parent


class Lower(t.NamedTuple):
    """names: in l/, nearest first; of a damaged file those that it still holds.

    whole:  the layer is built on those names, and on nothing else.
    parent: where the file is not whole, the id of the layer's parent as our own record has it; "" if it has none.
    """

    names: tuple[str, ...]
    damage: Damage | None = None
    whole: bool = True
    parent: str = ""

    @property
    def lost(self) -> bool:
        """Whether nothing of the layer's own tells what it is built on."""
        return not self.whole and not self.parent


def read_lower(home: str, layer_id: str) -> Lower:
    """Read the ``lower`` of a layer, or what tells that it is lost. Where its names lead is not looked at.

    raises: OSError.
    """
    path = f"{home}/{layer_id}/{LOWER}"
    try:
        text = read_quietly(path)
    except FileNotFoundError:  # only this: any other error must not look like a layer without parent
        return _without(home, layer_id)
    except OSError as error:
        no_file = error.errno in NO_FILE
        damage = Damage("lower_malformed", path, "its lower is no file") if no_file else unread(path, error)
        return Lower((), damage, False, recorded_parent(home, layer_id) or "")
    if not _WHOLE.fullmatch(text):
        held = tuple(name.decode() for name in LINK_NAME_WITHIN.findall(text))
        damage = Damage("lower_malformed", path, "its lower file is empty or malformed")
        return Lower(held, damage, False, recorded_parent(home, layer_id) or "")
    names = tuple(text.decode().replace(f"{LINKS}/", "").split(":"))  # no name has a "/"
    if len(names) > MAX_DEPTH:
        return Lower(names, Damage("lower_malformed", path, f"its lower file names more than {MAX_DEPTH} layers"))
    return Lower(names)


def missing_lower(home: str, layer_id: str, why: str) -> Damage:
    """Return the damage of a layer that has lost its ``lower``; why: what tells so."""
    return Damage("lower_missing", f"{home}/{layer_id}/{LOWER}", f"its lower file is missing: {why}")


def _without(home: str, layer_id: str) -> Lower:
    parent = recorded_parent(home, layer_id)
    if parent:
        damage = missing_lower(home, layer_id, f"its record says that it is built on {parent}")
        return Lower((), damage, False, parent)
    if parent is None and _has_work(f"{home}/{layer_id}") and managed_by(home) != CONTAINERS_STORAGE:
        damage = missing_lower(home, layer_id, "it has a work directory, as only layers with a parent have")
        return Lower((), damage, False)
    return Lower(())


def _has_work(directory: str) -> bool:
    return is_directory(f"{directory}/{WORK}") and not os.path.lexists(f"{directory}/{_EMPTY}")


def recorded_parent(home: str, layer_id: str) -> str | None:
    """Return the parent that our own record of a layer names, "" for none; None where it does not tell."""
    try:
        parent = (read_file(f"{home}/{layer_id}/{OWN_FILE}") or {}).get(PARENT)
    except (StoreCorrupt, OSError):
        return None
    return parent if isinstance(parent, str) and (not parent or is_id(parent)) else None
