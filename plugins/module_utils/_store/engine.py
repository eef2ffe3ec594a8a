# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that a store belongs to. Another engine's store hardly changes. PRIVATE to the collection.

The records beside home tell the engine. A bind mount, a second mount of the filesystem or a symlink shows the same
store in another directory, so the search looks beside all paths to the store.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._errors import Overlay2Error, StoreForeign, printable
from .._linux.mountinfo import Snapshot, paths_to

DOCKER = "docker"
CONTAINERS_STORAGE = "containers-storage"
CONTAINERD = "containerd"
SOMEBODY = "somebody else"  # in place of an engine: the unknown maker of a store that has layers and no file of ours

RECORDS = {DOCKER: "image/overlay2/layerdb", CONTAINERS_STORAGE: "overlay-layers"}  # beside home
# The stores of the packages of distributions: a symlink there may lead to any directory.
_USUAL_HOMES = ("/var/lib/docker/overlay2", "/var/lib/containers/storage/overlay")
_LINKS = "l"
_SNAPSHOTS = "snapshots"
_SNAPSHOTS_DATABASE = "metadata.db"


class Engine(t.NamedTuple):
    """name: as ``managed_by`` returns it. root: the directory of the records. home: the engine's path of the store."""

    name: str
    root: str
    home: str


def find_engine(home: str, known: Snapshot | None = None) -> Engine | None:
    """Return the engine whose records lie beside *home* or another path to the store, or None.

    known: the mounts; None to read them now.
    """
    known = known or Snapshot()
    for path in paths_to_store(home, known):
        root = os.path.dirname(path)
        name = _engine_beside(root)
        if name:
            return Engine(name, root, path)
    return _containerd(home, known)


def managed_by(home: str, known: Snapshot | None = None) -> str | None:
    """Return the name of the engine that the store at *home* belongs to, or None. known: as for find_engine."""
    engine = find_engine(home, known)
    return engine.name if engine else None


def is_led_away(given: str, real: str) -> str | None:
    """Return the engine whose records lie beside the path *given*, but not beside *real*, where it leads."""
    above = os.path.dirname(given)
    return _engine_beside(above) if os.path.realpath(above) != os.path.dirname(real) else None


@contextlib.contextmanager
def refusing(home: str, engine: str | None, what: str) -> t.Iterator[None]:
    """Turn an Overlay2Error of the block into StoreForeign in a store of *engine*, which refuses the cures, too.

    what: as for store_foreign_error.
    """
    try:
        yield
    except Overlay2Error as error:
        if engine:
            raise store_foreign_error(home, engine, what) from error
        raise


def store_foreign_error(home: str, engine: str, what: str, why: str = "", hint: str = "") -> StoreForeign:
    """Return the error for a change of a store of *engine*.

    what: the refused change, behind "cannot "; why: the rest of the reason, behind "belongs to docker, "; hint: "" for
    the usual hint.
    """
    whose = f"belongs to {engine}"
    cure = f"make the change with {engine}, or give the collection its own store"
    if engine == SOMEBODY:
        whose = "was made by somebody else: it has layers, and no .strata.json of this collection"
        cure = "if no engine needs it, take it over with strata.overlay2.overlay2_init and adopt: true"
    return StoreForeign(
        f"cannot {what}: the store at {printable(home)} {whose}{', ' * bool(why)}{why}",
        hint=hint or cure,
        home=printable(home),
        managed_by=None if engine == SOMEBODY else engine,
    )


def paths_to_store(home: str, known: Snapshot | None) -> t.Iterator[str]:
    """Yield all paths to the store at *home*. known: as for find_engine."""
    yield from paths_to(home, known)
    for usual in _USUAL_HOMES:
        if os.path.islink(usual) and os.path.realpath(usual) == home:
            yield usual


def _engine_beside(root: str) -> str | None:
    return next((engine for engine, path in RECORDS.items() if os.path.isdir(os.path.join(root, path))), None)


def _containerd(home: str, known: Snapshot) -> Engine | None:
    """Return containerd if *home* is the directory of its snapshotter, or the directory of the snapshots in there.

    A store of ours has l/, and may have layers with the same names.
    """
    if os.path.lexists(os.path.join(home, _LINKS)):
        return None
    for path in paths_to_store(home, known):
        for root in (path, os.path.dirname(path)) if os.path.basename(path) == _SNAPSHOTS else (path,):
            database, snapshots = os.path.join(root, _SNAPSHOTS_DATABASE), os.path.join(root, _SNAPSHOTS)
            if os.path.isfile(database) and os.path.isdir(snapshots):
                return Engine(CONTAINERD, root, path)
    return None
