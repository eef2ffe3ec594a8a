# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a whole store: how much each layer takes, who needs it, and what is litter. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import time

from ..._errors import StoreCorrupt
from ..._linux.boot import booted
from ..._store import holders
from ..._store.engine import SOMEBODY
from ..._store.last_use import Times, read_times
from ..._store.layout import STAGING, VANISHED
from ..._store.leftovers import leftovers
from ..._store.links import all_links
from ..._store.lost import find_lost
from ..._store.owner import owner
from ..._store.recognition import is_store, layer_ids
from ..._store.settings import read_settings
from ..in_use import engine as foreign_layers
from ..layers.disk_usage import BLOCK, Moved, Tree, why_unread
from ..layers.litter import Litter, find_litter
from ..layers.observe import users_of
from ..layers.read import Observer
from ..layers.stuck import why_stuck
from ..state import LayerState
from .sizes import _UNKNOWN, Sizes
from .state import Found, PruneState


def look_to_prune(home: str, sizes: Sizes) -> PruneState:
    """Return the state of a store, with all that a plan of what may go needs.

    raises: what is_store does for a home that is no store, StoreCorrupt for one of a newer format, or whose own file
            cannot be read; OSError.
    """
    if not is_store(home):
        return PruneState(home, False)
    read_settings(home)
    observer = Observer(home)
    whose = owner(home)
    engine = None if whose == SOMEBODY else whose
    layers, damage, unread = _layers(observer, bool(engine))
    known = foreign_layers.read_records(observer.store, engine) if engine else foreign_layers.Known()
    users = users_of(home, layers)
    space = os.statvfs(home)
    links = all_links(home)
    needed = {name for id in {*damage, *unread} for name in observer.store.lower(id).names}
    litter = [_weighed(home, found, sizes) for found in find_litter(home, observer.store.ids, links, needed)]
    dead = {found.subject for found in litter if found.code == "dead_holder"}
    looks = ((id, _measured(home, id, sizes, foreign=bool(engine), was_held=id in dead)) for id in layers)
    measured = {id: told for id, told in looks if told is not None}
    return PruneState(
        home=home,
        exists=True,
        found={
            id: Found(
                layers[id],
                tree,
                times,
                damage.get(id, ""),
                users.get(id, "") or moving,
                known.needed.get(id, ""),
                id in known.orphans,
                unread=unread.get(id, "") or tree.unread,
            )
            for id, (tree, times, moving) in measured.items()
        },
        litter=tuple(litter),
        now=time.time(),
        size=space.f_blocks * space.f_frsize,
        free=space.f_bavail * space.f_frsize,
        engine=engine,
        engine_users=foreign_layers.engine_users(home, engine) if engine else None,
        error=known.error,
        unclaimed=whose == SOMEBODY,
        lost=tuple(lost for lost in find_lost(observer.store) if lost.id not in known.orphans),
    )


def pending_bytes(home: str) -> int:
    """Return how much is freed by what is out of sight and still to be deleted, as far as it can be read.

    Raises OSError for home itself.
    """
    places = ["", *layer_ids(home)] if os.path.isdir(home) else []
    sizes = Sizes(home)
    total = 0
    for id in places:
        with contextlib.suppress(OSError):  # what cannot be read has been told
            for path in leftovers(os.path.join(home, id)) if _has_staging(home, id) else ():
                total += sizes.of(path).bytes
    return total


def _has_staging(home: str, id: str) -> bool:
    return not id or os.path.lexists(f"{home}/{id}/{STAGING}")


def _times(home: str, id: str, was_held: bool) -> Times:
    """Return when a layer was made and last used. Raises OSError.

    One that was held when the host went down was in use until then. Nobody noted when that was, so it is taken for
    when the host came up again: who held it may be about to mount it.
    """
    times = read_times(home, id)
    return times._replace(used=max(times.used, booted())) if was_held else times


def _measured(home: str, id: str, sizes: Sizes, *, foreign: bool, was_held: bool) -> tuple[Tree, Times, str] | None:
    """Return what a layer takes, its times, and in words what keeps it from being measured, "" for nothing.

    None for a layer that another engine, which does not ask for our lock, has just removed. Raises OSError.
    """
    times = Times(0.0, 0.0)
    try:
        times = _times(home, id, was_held)
        return sizes.of_layer(id), times, ""
    except Moved:
        return _UNKNOWN, times, "it is being changed: directories in it are moved"
    except VANISHED:
        if not foreign:
            raise
        return None
    except OSError as error:
        return _UNKNOWN._replace(unread=why_unread(error, f"{home}/{id}")), times, ""


def _weighed(home: str, found: Litter, sizes: Sizes) -> Litter:
    """Return litter with its size, of a leftover what could be counted; 0 where another run is sweeping it."""
    if found.code == "leaked_project":
        return found
    path = os.path.join(home, found.path)
    try:
        if found.code == "staging_leftover":
            tree = sizes.of(path)
            return found._replace(bytes=tree.bytes, unread=tree.unread, stuck=found.stuck or why_stuck(path))
        return found._replace(bytes=os.lstat(path).st_blocks * BLOCK)
    except (Moved, *VANISHED):
        return found
    except OSError as error:
        return found._replace(unread=why_unread(error, path))


def _layers(observer: Observer, foreign: bool) -> tuple[dict[str, LayerState], dict[str, str], dict[str, str]]:
    """Return the layers, what is wrong with them, and what could not be read in them, by id.

    Of one that is damaged, or could not be read, there is what can be told.
    """
    layers: dict[str, LayerState] = {}
    damage: dict[str, str] = {}
    unread: dict[str, str] = {}
    store = observer.store
    observer.store.read_ahead(store.ids)
    for id in sorted(store.ids):
        try:
            layer = _layer(observer, id, damage)
        except VANISHED:  # another engine, which does not ask for our lock, has just removed it
            if not foreign:
                raise
            continue
        except OSError as error:
            unread[id] = why_unread(error, f"{observer.home}/{id}")
            layer = LayerState(id, None, _remaining_lowers(observer, id), mounted=observer.mount(id) is not None)
        if layer is not None:
            layers[id] = layer
    return layers, damage, unread


def _layer(observer: Observer, id: str, damage: dict[str, str]) -> LayerState | None:
    """Return a layer as far as it can be told, and note in *damage* what is wrong with it."""
    try:
        return observer.layer(id)
    except StoreCorrupt as error:
        damage[id] = str(error)
        return _remains(observer, id)


def _remains(observer: Observer, id: str) -> LayerState | None:
    """Return what can be read of a damaged layer."""
    lowers = _remaining_lowers(observer, id)
    try:
        layer = observer.remains(id)
    except StoreCorrupt:  # its record cannot be read
        mounted = observer.mount(id) is not None
        return LayerState(id, None, lowers, mounted=mounted, holders=holders.read(observer.home, id))
    return layer and layer._replace(lowers=lowers)


def _remaining_lowers(observer: Observer, id: str) -> tuple[str, ...]:
    """Return the ids of this store's layers that a damaged layer is built on, as far as known."""
    return tuple(lower for lower in observer.store.chains.remaining(id) if lower in observer.store.ids)
