# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a layer is built on from its ``lower`` file. Only read. PRIVATE to the collection.

A layer without a parent has no ``lower``. The first source that knows tells whether a layer has lost its file:

    our own record     names the parent, or says that the layer has none
    work               our layers and Docker's have a work directory only if they have a parent; containers-storage's
                       always have one, and ``empty`` beside it if they have no parent
    children's lower   goes on below the layer (Chains.lost_lower reads this source)

Source: moby daemon/graphdriver/overlay2/overlay.go, containers/storage drivers/overlay/overlay.go: create().
"""

from __future__ import annotations

import functools
import os
import re
import typing as t

from .._errors import StoreCorrupt
from .._linux.noatime import read_quietly
from .damage import Damage
from .engine import CONTAINERS_STORAGE, managed_by
from .json_file import NO_FILE, read_file
from .layout import LINK_NAME_WITHIN, LINKS, LOWER, MAX_DEPTH, OWN_FILE, WORK, is_id
from .recognition import is_directory

PARENT = "parent"  # in our own record
_NO_PARENT = b'"parent": ""'  # as our record is written: a quote within a value would have a backslash
_WHOLE = re.compile(rb"l/[A-Z2-7]{26}(?::l/[A-Z2-7]{26})*")
EMPTY = "empty"  # containers-storage's, in layers without parent


class Lower(t.NamedTuple):
    """What a layer is built on.

    names:  in l/, nearest first; of a damaged file the names that it still holds.
    whole:  the layer is built on these names, and on nothing else.
    parent: if the file is not whole, the id of the layer's parent in our own record; "" if our record has no parent.
    text:   what the file holds; None if there is no file, or if it cannot be read.
    """

    names: tuple[str, ...]
    damage: Damage | None = None
    whole: bool = True
    parent: str = ""
    text: bytes | None = None

    @property
    def lost(self) -> bool:
        """Tell whether no file of the layer says what the layer is built on."""
        return not self.whole and not self.parent


def read_lower(home: str, layer_id: str, parent: t.Callable[[], str | None] | None = None) -> Lower:
    """Return what the ``lower`` file of a layer says, or that the file is lost; does not follow the names in it.

    parent: returns what recorded_parent would return, for a caller that has read the record.
    raises: OSError.
    """
    parent = parent or functools.partial(recorded_parent, home, layer_id)
    path = f"{home}/{layer_id}/{LOWER}"
    try:
        text = read_quietly(path)
    except FileNotFoundError:  # only this: any other error must not look like a layer without parent
        return _without(home, layer_id, parent())
    except OSError as error:
        if error.errno in NO_FILE:
            damage = Damage("lower_malformed", layer_id, path, "lower_not_a_file")
        else:
            from .unusable import unread  # few files are damaged, and each import is compiled on every host

            damage = unread(layer_id, path, error)
        return Lower((), damage, False, parent() or "")
    if not _WHOLE.fullmatch(text):
        held = tuple(name.decode() for name in LINK_NAME_WITHIN.findall(text))
        damage = Damage("lower_malformed", layer_id, path, "malformed_lower")
        return Lower(held, damage, False, parent() or "", text)
    names = tuple(text.decode().replace(f"{LINKS}/", "").split(":"))  # no name has a "/"
    if len(names) > MAX_DEPTH:
        return Lower(names, Damage("lower_malformed", layer_id, path, "too_many_lowers"), text=text)
    return Lower(names, text=text)


def _without(home: str, layer_id: str, parent: str | None) -> Lower:
    """Return what is known of a layer that has no ``lower`` file. parent: as recorded_parent returns it."""
    path = f"{home}/{layer_id}/{LOWER}"
    if parent:
        return Lower((), Damage("lower_missing", layer_id, path, "recorded_parent", target=parent), False, parent)
    if parent is None and _has_work(f"{home}/{layer_id}") and managed_by(home) != CONTAINERS_STORAGE:
        return Lower((), Damage("lower_missing", layer_id, path, "has_work"), False)
    return Lower(())


def _has_work(directory: str) -> bool:
    return is_directory(f"{directory}/{WORK}") and not os.path.lexists(f"{directory}/{EMPTY}")


def recorded_parent(home: str, layer_id: str) -> str | None:
    """Return the parent in our own record of a layer, "" for no parent; None if there is no such record."""
    path = f"{home}/{layer_id}/{OWN_FILE}"
    try:
        if _NO_PARENT in read_quietly(path):  # JSON is not parsed for each base layer of a store
            return ""
        parent = (read_file(path) or {}).get(PARENT)
    except (StoreCorrupt, OSError):
        return None
    return valid_parent(parent)


def valid_parent(parent: t.Any) -> str | None:
    """Return the parent that a record has, None if the value cannot be the id of a layer."""
    return parent if isinstance(parent, str) and (not parent or is_id(parent)) else None
