# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the candidates that hold a store. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .places import Place, Untouched, is_usable, open_place
from .recognize import MOVED, inner_roots, recognize
from .state import Candidate, Found

_MOST, _MOST_OF_A_USER = 500, 20  # data roots that are looked at, of root and of each user
_DEPTH = 2  # data roots in data roots: userns-remap's in dockerd's, and containerd's in there


class Root(t.NamedTuple):
    """A data root with stores, and the ways that led to it."""

    place: Place
    found_by: set[str]
    stores: list[Found]


class Unseen(t.NamedTuple):
    """A candidate that cannot be looked at. why: in words."""

    candidate: Candidate
    why: str


Roots = dict[tuple[int, int], Root]  # by device and inode


def open_roots(found: t.Iterable[Candidate], slow: t.Container[str], roots: Roots) -> t.Iterator[Unseen]:
    """Open the candidates that hold a store, into *roots*. Yield those that were asked for and cannot be opened.

    Yield also those that a user's configuration names, and that are not the user's or not to be entered.
    """
    for candidate in found:
        if not candidate.path.startswith("/") or not is_usable(candidate.path):
            if candidate.found_by == "asked":
                yield Unseen(candidate, "it is not an absolute path")
            continue
        try:
            opened = _add(candidate, candidate.path, slow, roots)
            if not opened and candidate.found_by in ("asked", "mount"):  # the path may be that of a store
                opened = _add(candidate, os.path.dirname(candidate.path), slow, roots)
        except OSError as error:
            if candidate.found_by == "asked":
                yield Unseen(candidate, error.strerror or str(error))
            continue
        except Untouched as error:
            if candidate.found_by == "asked" or (candidate.found_by == "config" and candidate.uid is not None):
                yield Unseen(candidate, str(error))
            continue
        if not opened and candidate.found_by == "asked":
            yield Unseen(candidate, "it holds no store")


def _add(candidate: Candidate, path: str, slow: t.Container[str], roots: Roots, depth: int = 0) -> bool:
    """Add a candidate's data root, and those in it; return whether it holds a store. Raises Untouched, OSError."""
    place = open_place(path, slow)
    try:
        if candidate.uid not in (None, place.owner):
            if _key(place) in roots:  # somebody whose word counts has named it
                return False
            raise Untouched(f"user {candidate.uid} names it, and it belongs to user {place.owner}")
        stores = recognize(place.fd)
        inner = inner_roots(place.fd) if depth < _DEPTH and candidate.found_by != "home" else []
        if stores and (stores[0].engine is None or stores[0].kind == MOVED):
            # The home of an engine's store looks like this, too; the records of the engine lie beside it.
            with contextlib.suppress(OSError, Untouched):
                _add(candidate, os.path.dirname(place.path), slow, roots, depth + 1)
            if place.path in _homes(roots):
                return True
            if os.path.basename(place.path) == "snapshots":  # BuildKit's own directory looks like a snapshotter's
                stores = [one for one in stores if one.kind != MOVED]
        if stores:
            _keep(place, stores, candidate.found_by, roots)
    finally:
        os.close(place.fd)
    added = bool(stores)
    for name in inner:
        with contextlib.suppress(OSError, Untouched):
            added |= _add(candidate, f"{place.path}/{name}", slow, roots, depth + 1)
    return added


def _keep(place: Place, stores: list[Found], found_by: str, roots: Roots) -> None:
    """Put a data root into *roots* once, whatever its paths. A user can make up many, and crowds out nobody else's."""
    key = _key(place)
    if key not in roots:
        there = sum(root.place.owner == place.owner for root in roots.values())
        if there >= (_MOST_OF_A_USER if place.owner else _MOST):
            return
        roots[key] = Root(place._replace(fd=os.dup(place.fd)), set(), stores)
    roots[key].found_by.add(found_by)


def _key(place: Place) -> tuple[int, int]:
    status = os.fstat(place.fd)
    return status.st_dev, status.st_ino


def _homes(roots: Roots) -> set[str]:
    return {os.path.join(root.place.path, found.below) for root in roots.values() for found in root.stores}
