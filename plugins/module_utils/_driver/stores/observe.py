# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole store, for overlay2_init. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..._errors import InvalidInput, printable
from ..._linux import mountinfo
from ..._linux.overlayfs import overlay_options
from ..._store import holders
from ..._store.engine import graph_driver_directory
from ..._store.layer import examine
from ..._store.layout import LINKS, LOST_AND_FOUND, MERGED, OWN_FILE, QUOTA_DEVICE, STAGING
from ..._store.recognition import is_store, layer_ids, names_in
from ..._store.settings import Settings
from ..layers.observe import mounted_in
from ..probe import features
from ..state import LayerState
from ..store import Store
from .state import DirectoryAccess, StoreState

_PARTS = (LINKS, OWN_FILE, OWN_FILE + ".new", STAGING, QUOTA_DEVICE)


def observe_present(store: Store, given: str) -> StoreState:
    """Return the state of a store that is to be there.

    given:  home as the user wrote it.
    raises: OSError, Overlay2Error.
    """
    have = _observe(store, store.exists)
    return have._replace(
        taken="" if store.exists else _taken_path(store.home, given),
        refusal=features.not_supported_error(store.features),
        quota=features.quota_not_supported_error(store.features),
    )


def observe_unmounted(store: Store, *, users: bool) -> StoreState:
    """Return the state of a store with its mounts and holders.

    users:  look for what keeps a mount from ending; costs a scan of /proc.
    raises: OSError, Overlay2Error.
    """
    return _with_use(store, _observe(store, store.exists), users)


def observe_absent(store: Store, *, users: bool) -> StoreState:
    """Return the state of a store that is to go, damaged or not; users: as for observe_unmounted.

    raises: OSError, StoreCorrupt, StoreForeign.
    """
    names = _names(store.home)
    have = _with_use(store, _observe(store, _is_there(store.home, names)), users)
    ours = (*_PARTS, LOST_AND_FOUND, *have.layers)
    keeps = sorted(name for name in names if name not in ours and not name.startswith(STAGING))
    stays = bool(keeps) or LOST_AND_FOUND in names or _is_mount_point(store.home)
    layers = {layer.id: _with_files(store.home, layer) for layer in have.layers.values()}
    inside = mounted_in(store.home, layers) if layers and not users else {}
    return have._replace(keeps=tuple(keeps), home_stays=stays, layers=layers, inside=inside)


def _observe(store: Store, exists: bool) -> StoreState:
    settings = store.settings  # also where l/ is missing: a newer version may have lost it, or not made it yet
    return StoreState(
        home=store.home,
        exists=exists,
        access=_access(store.home),
        settings=settings if exists else Settings(),
        layers={id: LayerState(id, None, ()) for id in layer_ids(store.home)} if exists else {},
        engine=store.owner if exists else store.managed_by,
    )


def _is_there(home: str, names: t.Collection[str]) -> bool:
    """Tell whether there is a store to remove. To remove no store is not an error. Raises what is_store() raises."""
    if LINKS in names:
        is_store(home)  # raises for an l/ that does not hold the links of a store
        return True
    with contextlib.suppress(InvalidInput):
        is_store(home)  # raises for a store that has lost its l/
    return False


def _taken_path(home: str, given: str) -> str:
    """Return the directory in which dockerd would find a new store; "" for none."""
    return next(filter(None, map(graph_driver_directory, dict.fromkeys((home, given)))), "")


def _names(home: str) -> list[str]:
    try:
        return [entry.name for entry in names_in(home)]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        is_store(home)  # raises the error that says so
        raise


def _access(home: str) -> dict[str, DirectoryAccess]:
    found = {}
    for name in ("", LINKS):
        try:
            status = os.lstat(os.path.join(home, name))
        except FileNotFoundError:
            continue
        found[name] = DirectoryAccess(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    return found


def _with_use(store: Store, have: StoreState, users: bool) -> StoreState:
    """Return *have* with the layers that are mounted, held and in use."""
    mounts = store.mount_table.seen
    mounted, covers, volatile = _mounted(have, mounts)
    layers = {
        id: layer._replace(mounted=id in mounted, holders=holders.read(store.home, id))
        for id, layer in have.layers.items()
    }
    in_use = _users(store.home, mounted, mounts) if mounted and users else {}
    return have._replace(layers=layers, covers=covers, volatile=volatile, users=in_use)


def _is_mount_point(home: str) -> bool:
    try:
        fd = os.open(home, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        mount = mountinfo.mount_of_fd(fd, mountinfo.read())
    finally:
        os.close(fd)
    return mount is not None and mount.mount_point == home


def _mounted(have: StoreState, mounts: t.Sequence[mountinfo.Mount]) -> tuple[set[str], dict[str, str], frozenset[str]]:
    """Return the layers with an overlay on merged, what lies on top of such, and which of them are volatile."""
    merged = {f"{have.home}/{id}/{MERGED}": id for id in have.layers}
    overlays: set[str] = set()
    covers: dict[str, str] = {}
    volatile: set[str] = set()
    for mount in mounts:
        id = merged.get(mount.mount_point)
        if id is None:
            continue
        if mount.fstype != "overlay":
            covers[id] = printable(f"{mount.fstype} {mount.source}")
            continue
        overlays.add(id)
        if overlay_options(mount).volatile:
            volatile.add(id)
    return overlays, {id: what for id, what in covers.items() if id in overlays}, frozenset(volatile)


def _users(home: str, ids: t.Collection[str], mounts: t.Sequence[mountinfo.Mount]) -> dict[str, str]:
    """Return what keeps a mount of *ids* from ending, in words: processes, mounts below, and copies elsewhere."""
    from ..in_use.users import describe_users, mounts_elsewhere, user_of, users_of_layers  # most runs do not need it

    users = users_of_layers(home, ids)
    elsewhere = mounts_elsewhere(home, ids)
    found: dict[str, str] = {}
    for id in ids:
        merged = f"{home}/{id}/{MERGED}"
        below = [mount.mount_point for mount in mounts if mount.mount_point.startswith(merged + "/")]
        why = [f"{printable(mount_point)} is mounted below it" for mount_point in below]
        inside = [user for user in users.get(id, ()) if mountinfo.is_below(user.path, merged)]
        for copy in elsewhere.get(id, ()):
            if copy.shows == "merged" and not copy.goes_with_ours:
                inside.append(user_of(copy))
        if inside:
            why.append(describe_users(inside))
        if why:
            found[id] = ", ".join(why)
    return found


def _with_files(home: str, layer: LayerState) -> LayerState:
    """Return *layer* with what its files say, as far as they can be read: a damaged layer goes, too."""
    found, _damage = examine(home, layer.id)
    return layer._replace(link=found.link, lowers=found.lowers) if found else layer
