# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a whole store: the size, the uses and the age of each layer, and the litter. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ..._errors import StoreCorrupt
from ..._linux.boot import boot_time
from ..._store import holders
from ..._store.engine import SOMEBODY
from ..._store.last_use import Times, read_times
from ..._store.layout import STAGING, VANISHED
from ..._store.leftovers import leftovers
from ..._store.lock import is_free
from ..._store.lost import find_lost
from ..._store.recognition import layer_ids
from ..layers.disk_usage import BLOCK, Moved, Tree, why_unread
from ..layers.images import read_images
from ..layers.litter import Litter, find_litter
from ..layers.users import users_of
from ..state import LayerState
from ..store import Store
from .held import read_held
from .sizes import _UNKNOWN, Sizes
from .state import FoundLayer, Held, PruneState

if t.TYPE_CHECKING:
    from ..in_use.engine import EngineUse, Known


def observe_to_prune(store: Store, sizes: Sizes, *, shared: bool, drop_after: int | None = None) -> PruneState:
    """Return the state of a store, with all that plan_prune needs.

    shared: test the locks of layers as a reader does: check mode must not keep another run waiting.
    drop_after: as for read_held.
    raises: as is_store; StoreCorrupt if the store's own file is damaged or of a newer format; OSError.
    """
    home = store.home
    if not store.exists:
        return PruneState(home, False)
    store.settings  # noqa: B018 - raises if the store's own file is damaged: then no layer is removed
    whose = store.owner
    engine = None if whose == SOMEBODY else whose
    layers, damage, unread = _layers(store, bool(engine))
    known = _read_records(store, engine) if engine else None
    orphans = known.orphans if known else ()
    users = users_of(store, layers)
    space = os.statvfs(home)
    litter = _litter(store, {*damage, *unread}, sizes)
    dead = {found.subject for found in litter if found.code == "dead_holder"}
    looks = ((id, _measure(home, id, sizes, foreign=bool(engine), was_held=id in dead)) for id in layers)
    measured = {id: result for id, result in looks if result is not None}
    held = {} if whose else read_held(store, (layer for id, layer in layers.items() if id not in damage), drop_after)
    return PruneState(
        home=home,
        exists=True,
        working=frozenset(id for id in measured if not _is_free(store.path(id), shared=shared)),
        found={
            id: FoundLayer(
                layers[id],
                tree,
                times,
                damage.get(id, ""),
                users.get(id, "") or moving,
                known.needed.get(id, "") if known else "",
                id in orphans,
                unread=unread.get(id, "") or tree.unread,
                held=held.get(id, Held()),
            )
            for id, (tree, times, moving) in measured.items()
        },
        litter=tuple(litter),
        now=time.time(),
        size=space.f_blocks * space.f_frsize,
        free=space.f_bavail * space.f_frsize,
        engine=engine,
        engine_users=_engine_users(store, engine) if engine else None,
        error=known.error if known else None,
        unclaimed=whose == SOMEBODY,
        lost=tuple(lost for lost in find_lost(store.files) if lost.id not in orphans),
        images=read_images(home),
    )


def _read_records(store: Store, engine: str) -> Known:
    from ..in_use.engine import read_users  # most stores are ours, and each import is compiled on every host

    return read_users(store.files, engine)


def _engine_users(store: Store, engine: str) -> EngineUse | None:
    from ..in_use.engine import engine_users  # as above

    return engine_users(store.home, engine, store.all_mounts)


def _litter(store: Store, damaged: t.Iterable[str], sizes: Sizes) -> list[Litter]:
    """Return the litter with its size. damaged: ids of layers whose lowers a repair needs, so their links stay."""
    needed = {name for id in damaged for name in store.files.lower(id).names}
    found = find_litter(store.home, store.files.ids, store.files.links, needed)
    return [_with_size(store.home, litter, sizes) for litter in found]


def _is_free(directory: str, *, shared: bool) -> bool:
    """Tell whether no other run works on the layer in *directory*. Return True for a layer that cannot be read."""
    try:
        return is_free(directory, shared=shared)
    except OSError:  # plan_prune keeps an unreadable layer in any case
        return True


def pending_bytes(home: str) -> int:
    """Return the bytes that the deletion of all leftovers will free. Leftovers that cannot be read do not count.

    raises: OSError for home itself.
    """
    places = ["", *layer_ids(home)] if os.path.isdir(home) else []
    sizes = Sizes(home)
    total = 0
    for id in places:
        with contextlib.suppress(OSError):  # a warning names what cannot be read
            for path in leftovers(os.path.join(home, id)) if _has_staging(home, id) else ():
                total += sizes.of(path).bytes
    return total


def _has_staging(home: str, id: str) -> bool:
    return not id or os.path.lexists(f"{home}/{id}/{STAGING}")


def _times(home: str, id: str, was_held: bool) -> Times:
    """Return when a layer was made and last used. Raises OSError.

    A layer that was held when the host went down was in use until then. No file records when the host went down, so
    the time of the boot counts as the last use: the former holder may be about to mount the layer again.
    """
    times = read_times(home, id)
    return times._replace(used=max(times.used, boot_time())) if was_held else times


def _measure(home: str, id: str, sizes: Sizes, *, foreign: bool, was_held: bool) -> tuple[Tree, Times, str] | None:
    """Return the size of a layer, its times, and why the layer cannot be measured, in words; "" if it can.

    Return None for a layer that another engine has just removed: other engines do not take our lock. Raises OSError.
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


def _with_size(home: str, found: Litter, sizes: Sizes) -> Litter:
    """Return *found* with its size: the bytes that can be counted; 0 if another run is sweeping the litter."""
    if found.code == "leaked_project":
        return found
    path = os.path.join(home, found.path)
    try:
        if found.code == "staging_leftover":
            from ..layers.stuck import why_stuck  # most stores have no leftovers

            tree = sizes.of(path)
            return found._replace(bytes=tree.bytes, unread=tree.unread, stuck=found.stuck or why_stuck(path))
        return found._replace(bytes=os.lstat(path).st_blocks * BLOCK)
    except (Moved, *VANISHED):
        return found
    except OSError as error:
        return found._replace(unread=why_unread(error, path))


def _layers(store: Store, foreign: bool) -> tuple[dict[str, LayerState], dict[str, str], dict[str, str]]:
    """Return, by id: the layers, their damage, and which parts of them cannot be read.

    The state of a damaged or unreadable layer holds only what could be read.
    """
    layers: dict[str, LayerState] = {}
    damage: dict[str, str] = {}
    unread: dict[str, str] = {}
    store.files.read_ahead(store.files.ids)
    for id in sorted(store.files.ids):
        try:
            layer = _layer(store, id, damage)
        except VANISHED:  # another engine has just removed the layer: it does not take our lock
            if not foreign:
                raise
            continue
        except OSError as error:
            unread[id] = why_unread(error, f"{store.home}/{id}")
            layer = LayerState(id, None, _remaining_lowers(store, id), mounted=store.mount(id) is not None)
        if layer is not None:
            layers[id] = layer
    return layers, damage, unread


def _layer(store: Store, id: str, damage: dict[str, str]) -> LayerState | None:
    """Return as much of a layer's state as can be read; add its damage to *damage*."""
    try:
        return store.layer(id)
    except StoreCorrupt as error:
        damage[id] = str(error)
        return _salvage(store, id)


def _salvage(store: Store, id: str) -> LayerState | None:
    """Return as much of a damaged layer's state as can be read."""
    lowers = _remaining_lowers(store, id)
    try:
        layer = store.salvage(id)
    except StoreCorrupt:  # the layer's record cannot be read
        mounted = store.mount(id) is not None
        return LayerState(id, None, lowers, mounted=mounted, holders=holders.read(store.home, id))
    return layer and layer._replace(lowers=lowers)


def _remaining_lowers(store: Store, id: str) -> tuple[str, ...]:
    """Return the known lowers of a damaged layer: ids of layers in this store."""
    return tuple(lower for lower in store.files.chains.remaining(id) if lower in store.files.ids)
