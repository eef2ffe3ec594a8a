# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the state of a whole store, for overlay2_init. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..._errors import InvalidInput, printable
from ..._linux import mountinfo
from ..._linux.overlayfs import overlay_options
from ..._store import holders
from ..._store.data_root import graph_driver_directory, trace_of_engine
from ..._store.engine import SOMEBODY
from ..._store.layer import examine
from ..._store.layout import IMAGES, LINKS, LOST_AND_FOUND, MERGED, OWN_FILE, QUOTA_DEVICE, STAGING
from ..._store.listing import names_in
from ..._store.recognition import is_directory, is_store
from ..._store.settings import Settings
from ..layers.observe import mounted_in
from ..probe import features
from ..state import LayerState
from ..store import Store
from .state import DirectoryAccess, StoreState

_PARTS = (LINKS, OWN_FILE, OWN_FILE + ".new", STAGING, QUOTA_DEVICE, IMAGES)


def observe_present(store: Store, given: str) -> StoreState:
    """Return the state of a store that the task makes or changes.

    given:  home as the user wrote it.
    raises: OSError, Overlay2Error.
    """
    have = _observe(store, store.exists)
    return have._replace(
        taken="" if store.exists else _taken_path(store, given),
        refusal=features.not_supported_error(store.features),
        quota=features.quota_not_supported_error(store.features),
    )


def observe_unmounted(store: Store, *, users: bool) -> StoreState:
    """Return the state of a store with its mounts and holders.

    users:  look for what makes an unmount fail; costs a scan of /proc.
    raises: OSError, Overlay2Error.
    """
    return _with_use(store, _observe(store, store.exists), users)


def observe_absent(store: Store, *, users: bool) -> StoreState:
    """Return the state of a store that the task removes, damaged or not; users: as for observe_unmounted.

    raises: OSError, StoreCorrupt, StoreForeign.
    """
    names = _names(store.home)
    have = _with_use(store, _observe(store, _is_there(store.home, names)), users)
    ours = {*_PARTS, LOST_AND_FOUND, *have.layers}
    if not is_directory(f"{store.home}/{IMAGES}"):
        ours.discard(IMAGES)  # a file, or a symlink that may lead out of the store
    keeps = sorted(name for name in names if name not in ours and not name.startswith(STAGING))
    stays = bool(keeps) or LOST_AND_FOUND in names or _is_mount_point(store)
    layers = {layer.id: _with_files(store.home, layer) for layer in have.layers.values()}
    inside = mounted_in(store.home, layers, store.all_mounts) if layers and not users else {}
    return have._replace(keeps=tuple(keeps), home_stays=stays, layers=layers, inside=inside)


def _observe(store: Store, exists: bool) -> StoreState:
    settings = store.settings  # raises for a file of a newer version, even without l/
    engine = store.owner if exists else store.managed_by
    return StoreState(
        home=store.home,
        exists=exists,
        access=_access(store.home),
        settings=settings if exists else Settings(),
        layers={layer_id: LayerState(layer_id, None, ()) for layer_id in store.ids} if exists else {},
        engine=engine,
        trace=trace_of_engine(store.home, store.all_mounts) if engine == SOMEBODY else None,
    )


def _is_there(home: str, names: t.Collection[str]) -> bool:
    """Tell whether there is a store to remove; a missing store is not an error. Raises what is_store() raises."""
    if LINKS in names:
        is_store(home)  # raises for an l/ that does not hold the links of a store
        return True
    with contextlib.suppress(InvalidInput):
        is_store(home)  # raises for a store that has lost its l/
    return False


def _taken_path(store: Store, given: str) -> str:
    """Return the directory in which dockerd would find a new store; "" for none."""
    places = dict.fromkeys((store.home, given))
    return next(filter(None, (graph_driver_directory(place, store.all_mounts) for place in places)), "")


def _names(home: str) -> list[str]:
    try:
        return [entry.name for entry in names_in(home)]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        is_store(home)  # raises the error for a home that is not a directory
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
    """Return *have* with which layers are mounted, held and in use."""
    mounts = store.mount_table.seen
    mounted, covers, volatile = _overlays_on_merged(have, mounts)
    layers = {
        layer_id: layer._replace(mounted=layer_id in mounted, holders=holders.read(store.home, layer_id))
        for layer_id, layer in have.layers.items()
    }
    in_use = _unmount_obstacles(store, mounted) if mounted and users else {}
    return have._replace(layers=layers, covers=covers, volatile=volatile, users=in_use)


def _is_mount_point(store: Store) -> bool:
    try:
        fd = os.open(store.home, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        mount = mountinfo.mount_of_fd(fd, store.all_mounts.mounts)
    finally:
        os.close(fd)
    return mount is not None and mount.mount_point == store.home


def _overlays_on_merged(
    have: StoreState, mounts: t.Sequence[mountinfo.Mount]
) -> tuple[set[str], dict[str, str], frozenset[str]]:
    """Return the ids with an overlay on merged, what is mounted on top of these overlays, and the volatile ones."""
    merged = {f"{have.home}/{layer_id}/{MERGED}": layer_id for layer_id in have.layers}
    overlays: set[str] = set()
    covers: dict[str, str] = {}
    volatile: set[str] = set()
    for mount in mounts:
        layer_id = merged.get(mount.mount_point)
        if layer_id is None:
            continue
        if mount.fstype != "overlay":
            covers[layer_id] = printable(f"{mount.fstype} {mount.source}")
            continue
        overlays.add(layer_id)
        if overlay_options(mount).volatile:
            volatile.add(layer_id)
    return overlays, {layer_id: what for layer_id, what in covers.items() if layer_id in overlays}, frozenset(volatile)


def _unmount_obstacles(store: Store, ids: t.Collection[str]) -> dict[str, str]:
    """Return what makes an unmount of *ids* fail, in words, by id: processes, mounts below, copies elsewhere."""
    from ..in_use.elsewhere import mounts_elsewhere  # most runs do not need these
    from ..in_use.users import describe_users, user_of, users_of_layers

    users = users_of_layers(store.home, ids, known=store.all_mounts)
    elsewhere = mounts_elsewhere(store.home, ids, store.all_mounts)
    found: dict[str, str] = {}
    for layer_id in ids:
        merged = f"{store.home}/{layer_id}/{MERGED}"
        below = [mount.mount_point for mount in store.mount_table.seen if mount.mount_point.startswith(merged + "/")]
        why = [f"{printable(mount_point)} is mounted below it" for mount_point in below]
        inside = [user for user in users.get(layer_id, ()) if mountinfo.is_below(user.path, merged)]
        for copy in elsewhere.get(layer_id, ()):
            if copy.shows == "merged" and not copy.goes_with_ours:
                inside.append(user_of(copy))
        if inside:
            why.append(describe_users(inside))
        if why:
            found[layer_id] = ", ".join(why)
    return found


def _with_files(home: str, layer: LayerState) -> LayerState:
    """Return *layer* with its link and lowers, or unchanged if it is damaged so far that no file can be read."""
    found, _damage = examine(home, layer.id)
    return layer._replace(link=found.link, lowers=found.lowers) if found else layer
