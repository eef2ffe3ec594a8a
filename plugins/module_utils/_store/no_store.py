# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors for a home that is no store, or a damaged one. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import InvalidInput, Overlay2Error, StoreCorrupt, printable
from .._linux.noatime import read_quietly
from .engine import CONTAINERD, managed_by, store_foreign_error
from .layout import (
    LINK,
    LINK_NAME,
    LINKS,
    LINKS_MODE,
    OWN_FILE,
    is_id,
)
from .listing import Name


def stranger_error(home: str, name: str, entries: t.Sequence[Name]) -> Overlay2Error:
    """Return the error for an l/ that holds *name*, which is not the link of a layer. entries: of *home*."""
    why = f"{LINKS}/{printable(name)} is not the link of a layer"
    if not _was_made(home, entries):
        return no_store_error(home, why)
    return _corrupt_error(home, f"{LINKS}/{name}", "stranger", why, f"move it out of {LINKS}/")


def _was_made(home: str, entries: t.Iterable[Name]) -> bool:
    """Tell whether *home*, whose l/ is missing or wrong, was made as a store. Raises OSError."""
    if any(entry.name == OWN_FILE for entry in entries):
        return True
    return any(_has_link(f"{home}/{entry.name}") for entry in entries if entry.is_directory and is_id(entry.name))


def _has_link(directory: str) -> bool:
    try:
        return LINK_NAME.fullmatch(os.fsdecode(read_quietly(f"{directory}/{LINK}"))) is not None
    except OSError:
        return False


def no_links_error(home: str, entries: t.Sequence[Name], why: str) -> Overlay2Error:
    """Return the error for a directory without an l/ that could hold links. Raises OSError."""
    if managed_by(home) == CONTAINERD:
        return store_foreign_error(
            home, CONTAINERD, "use it as a store", "whose snapshotter keeps layers of another layout there"
        )
    if not _was_made(home, entries):
        return no_store_error(home, why)
    in_the_way = any(entry.name == LINKS for entry in entries)
    away = f"move {LINKS} away, and " * in_the_way
    if managed_by(home) is None and any(entry.name == OWN_FILE for entry in entries):
        hint = f"{away}run strata.overlay2.overlay2_repair, which makes {LINKS} again with the names of the layers"
    else:
        hint = (
            f"{away}make the directory {LINKS} in the store, mode {LINKS_MODE:04o}; then gather the subset health with"
            f" strata.overlay2.overlay2_facts, which tells the links that {LINKS} had"
        )
    return _corrupt_error(home, LINKS, "link_missing", why, hint)


def _corrupt_error(home: str, name: str, damage: str, why: str, hint: str) -> StoreCorrupt:
    """Return the error for a store that is damaged at the path *name* in it. damage: the code of the finding."""
    return StoreCorrupt(
        f"the store at {printable(home)} is damaged: {why}",
        hint=hint,
        home=printable(home),
        path=printable(f"{home}/{name}"),
        damage=damage,
    )


def no_store_error(home: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{printable(home)} is not an overlay2 store: {why}",
        hint="give the directory of a store, or make a store in an empty or new directory with"
        " strata.overlay2.overlay2_init",
        home=printable(home),
    )
