# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the part of a store that a plan is about. PRIVATE to the collection."""

from __future__ import annotations

import os
import time
import typing as t

from ..._errors import Overlay2Error, printable
from ..._linux.quotactl import BASIC_BLOCK
from ..._store.engine import managed_by
from ..._store.owner import owner
from ..._store.recognition import is_store, require_store
from ..._store.settings import read_settings
from ..probe import features as probe
from ..quota.projects import block_size
from ..state import LayerState
from .read import Observer
from .state import StoreState

if t.TYPE_CHECKING:
    from ..._store.layer import Store
    from ..._store.lost import Lost

_PAUSE = 0.1  # seconds


def look(
    home: str,
    ids: t.Iterable[str],
    *,
    above: bool = False,
    users: bool = False,
    creating: bool = False,
    removing: bool = False,
) -> StoreState:
    """Return the state of the layers *ids*, of those right on them, and of what the plan needs beside.

    above:    also of all that is built on them.
    users:    look for processes that have them busy; costs a scan of /proc.
    creating: layers may be made or mounted: tell what the filesystem and the kernel have against it.
    removing: layers may go: damaged ones are told as far as they can be read, and so is what another engine, if the
              store is one's, has against it.
    raises:   what is_store does for a home that is no store, StoreCorrupt, OSError.
    """
    ids = list(dict.fromkeys(ids))
    exists = is_store(home)
    layers: dict[str, LayerState] = {}
    children: dict[str, tuple[str, ...]] = {}
    engine = owner(home) if exists else managed_by(home)
    lost: tuple[tuple[Lost, str], ...] = ()
    if exists:
        observer = Observer(home)
        todo = list(ids)
        observer.store.read_ahead(todo)
        for layer_id in todo:
            layer = observer.remains(layer_id) if removing else observer.layer(layer_id)
            if layer is None or layer_id in layers:
                continue
            if creating and _is_written_elsewhere(home, layer):
                layer = layer._replace(writable=True)
            layers[layer_id] = layer
            if above or removing:
                children[layer_id] = observer.children(layer_id, by_any_name=removing)
            if above:
                todo += children[layer_id]
        if removing and layers and not engine:  # another engine's records tell what it needs
            lost = _lost(observer.store)
    refusal, quota = _refusals(home) if creating else (None, None)
    settings = read_settings(home) if exists else None
    return StoreState(
        home=home,
        exists=exists,
        layers=layers,
        children=children,
        users=users_of(home, layers) if users and layers else {},
        inside=mounted_in(home, layers) if removing and layers else {},
        refusal=refusal,
        quota=quota,
        defaults=(settings.size, settings.inodes) if settings else (0, 0),
        block=block_size(home) if exists and creating else BASIC_BLOCK,
        root=settings.root if settings else (0, 0),
        engine=engine,
        strangers=frozenset(id for id in ids if id not in layers and os.path.lexists(f"{home}/{id}")),
        needed=_needed(home, engine, layers) if engine and removing and layers else {},
        lost=lost,
    )


def require(home: str, exists: bool, predicting: bool) -> tuple[str, ...]:
    """Raise StoreNotFound if there is no store; return warnings instead where the run is only predicted."""
    if exists:
        return ()
    if not predicting:
        require_store(home)
    return (f"there is no store at {printable(home)} yet: this is what would be after a default overlay2_init",)


def _lost(store: Store) -> tuple[tuple[Lost, str], ...]:
    """Return the damaged layers that may be built on any other, each with the command that mends it, "" for none."""
    from ..._store.lost import find_lost  # not needed by most runs, and each import is compiled on every host

    return tuple((one, store.mending.command(one.damage)) for one in find_lost(store))


def _refusals(home: str) -> tuple[Overlay2Error | None, Overlay2Error | None]:
    features = probe.probe(home)
    return probe.refusal(features), probe.quota_refusal(features)


def users_of(home: str, layers: t.Collection[str]) -> dict[str, str]:
    """Return in words who has layers busy, by id; costs a scan of /proc. Raises OSError."""
    from ..in_use import users as busy  # not needed by most runs, and each import is compiled on every host

    users = busy.scan(home, layers)
    if users:  # one that only looks, such as facts, is through in a moment
        time.sleep(_PAUSE)
        again = {id: {user.pid for user in found} for id, found in busy.scan(home, users).items()}
        both = {id: [user for user in found if user.pid in again.get(id, ())] for id, found in users.items()}
        users = {id: found for id, found in both.items() if found}
    return {id: busy.describe_users(found) for id, found in users.items()}


def mounted_in(home: str, layers: t.Collection[str]) -> dict[str, str]:
    """Return in words what is mounted in layers' directories, not on merged, by id. Raises OSError."""
    from ..in_use import users as busy  # as above

    return busy.mounted_in(home, layers)


def _is_written_elsewhere(home: str, layer: LayerState) -> bool:
    """Tell whether a layer that somebody holds is mounted with it as upper where we do not see that. Raises OSError.

    Asked only of what is held: an overlay that no holder of ours tells of is for who mounted it to see to.
    """
    if not layer.holders or layer.mounted or layer.marked or not layer.lowers:
        return False
    from ..in_use import users as busy  # as above

    return bool(busy.independent_mounts(home, layer.id))


def _needed(home: str, engine: str, layers: t.Mapping[str, LayerState]) -> dict[str, Overlay2Error]:
    from ..in_use.engine import removal_refusals  # as above

    return removal_refusals(home, engine, layers)
