# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_init: a usable store exists, is unmounted, or is gone. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .._driver.facts import status as facts
from .._driver.layers.observe import mounted_in
from .._driver.plan import Plan
from .._driver.probe import features as probe
from .._driver.state import LayerState
from .._driver.stores.plan import plan_absent, plan_present, plan_unmounted
from .._driver.stores.state import Access, Wanted, WholeStore
from .._errors import InvalidInput, printable
from .._linux import mountinfo
from .._linux.overlayfs import overlay_options
from .._store import holders
from .._store.engine import graph_driver_directory, managed_by
from .._store.layer import examine
from .._store.layout import LINKS, LOST_AND_FOUND, MERGED, OWN_FILE, QUOTA_DEVICE, STAGING, check_home
from .._store.owner import owner
from .._store.recognition import is_store, layer_ids, names_in
from .._store.settings import Settings, read_settings

_NO_ADOPT = "leave adopt out, or take the store over first, with state: present"
_PARTS = (LINKS, OWN_FILE, OWN_FILE + ".new", STAGING, QUOTA_DEVICE)


class InitTask:
    """The store at *home* is ``present`` as *wanted*, ``unmounted`` or ``absent``."""

    layers: t.Sequence[str] = ()
    lengthy = False
    reading = False
    again = False

    def __init__(self, home: str, wanted: Wanted, state: str, *, force: bool = False) -> None:
        self.home = check_home(home)
        self._given = os.path.normpath(home)
        if wanted.adopt and state != "present":
            raise InvalidInput(f"adopt: true with state {state}: only a store that stays is taken over", hint=_NO_ADOPT)
        self._wanted = wanted
        self._state = state
        self._force = force

    def observe(self) -> WholeStore:
        """Read of the store what the state asked for needs."""
        names = self._names()
        exists = self._exists(names)
        have = WholeStore(
            home=self.home,
            exists=exists,
            access=self._access(),
            settings=self._settings(exists),
            layers={id: LayerState(id, None, ()) for id in layer_ids(self.home)} if exists else {},
            engine=owner(self.home) if exists else managed_by(self.home),
        )
        if self._state == "present":
            have = have._replace(taken="" if exists else self._taken())
            features = probe.probe(self.home)
            return have._replace(
                refusal=probe.not_supported_error(features), quota=probe.quota_not_supported_error(features)
            )
        have = self._with_use(have)
        if self._state == "absent":
            ours = (*_PARTS, LOST_AND_FOUND, *have.layers)
            keeps = sorted(name for name in names if name not in ours and not name.startswith(STAGING))
            stays = bool(keeps) or LOST_AND_FOUND in names or self._is_mount_point()
            layers = {layer.id: _as_found(self.home, layer) for layer in have.layers.values()}
            inside = mounted_in(self.home, layers) if layers and self._force else {}
            have = have._replace(keeps=tuple(keeps), home_stays=stays, layers=layers, inside=inside)
        return have

    def plan(self, have: WholeStore, predicting: bool) -> Plan:
        """See Task."""
        if self._state == "present":
            return plan_present(self._wanted, have)
        if self._state == "unmounted":
            return plan_unmounted(have, self._force)
        return plan_absent(have, self._force)

    def root(self, have: WholeStore) -> tuple[int, int]:
        """See Task."""
        return have.settings.root

    def difference(self, before: WholeStore, after: WholeStore) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return what changes of the store."""
        sides = _view(before), _view(after)
        changed = [key for key in {**sides[0], **sides[1]} if sides[0].get(key) != sides[1].get(key)]
        left, right = ({key: side[key] for key in changed if key in side} for side in sides)
        return left, right

    def report(self, have: WholeStore, after: WholeStore, predicting: bool) -> dict[str, t.Any]:
        """Return what the filesystem and the kernel offer, as facts do."""
        known = after.exists if have.exists or after.exists else None  # else what is there may be no store's place
        features = facts.features(self.home, exists=known)
        if predicting:
            features["layer_count"] = len(after.layers)
            if self._state != "present":
                features["mount_count"] = sum(layer.mounted for layer in after.layers.values())
        return {"status": features["status"], "features": features}

    def _exists(self, names: t.Collection[str]) -> bool:
        """Tell whether there is a store. To remove none is no error, whatever lies there. Raises as is_store."""
        if self._state != "absent":
            return is_store(self.home)
        if LINKS in names:
            is_store(self.home)  # raises for an l/ that is none
            return True
        with contextlib.suppress(InvalidInput):
            is_store(self.home)  # raises for a store that has lost it
        return False

    def _settings(self, exists: bool) -> Settings:
        """Return the store's settings. Raises StoreCorrupt for those that cannot be read."""
        found = read_settings(self.home)  # also without l/: a newer version may have lost, or not yet made it
        return found if exists else Settings()

    def _taken(self) -> str:
        """Return where dockerd would find a new store; "" if nowhere."""
        return next(filter(None, map(graph_driver_directory, dict.fromkeys((self.home, self._given)))), "")

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in names_in(self.home)]
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            is_store(self.home)  # raises what that means
            raise

    def _access(self) -> dict[str, Access]:
        found = {}
        for name in ("", LINKS):
            try:
                status = os.lstat(os.path.join(self.home, name))
            except FileNotFoundError:
                continue
            found[name] = Access(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        return found

    def _with_use(self, have: WholeStore) -> WholeStore:
        """Add which layers are mounted, held and busy."""
        mounts = mountinfo.below(self.home).seen
        mounted, covers, volatile = _mounted(have, mounts)
        layers = {
            id: layer._replace(mounted=id in mounted, holders=holders.read(self.home, id))
            for id, layer in have.layers.items()
        }
        users: dict[str, str] = {}
        if mounted and not self._force:
            users = _users(self.home, mounted, mounts)
        return have._replace(layers=layers, covers=covers, volatile=volatile, users=users)

    def _is_mount_point(self) -> bool:
        try:
            fd = os.open(self.home, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            mount = mountinfo.mount_of_fd(fd, mountinfo.read())
        finally:
            os.close(fd)
        return mount is not None and mount.mount_point == self.home


def _mounted(have: WholeStore, mounts: t.Sequence[mountinfo.Mount]) -> tuple[set[str], dict[str, str], frozenset[str]]:
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
    from .._driver.in_use.users import (
        describe_users,
        mounts_elsewhere,
        user_of,
        users_of_layers,
    )  # most runs get by without

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


def _as_found(home: str, layer: LayerState) -> LayerState:
    """Return *layer* with what its files say, as far as they can be read: it goes, damaged or not."""
    found, _unused = examine(home, layer.id)
    return layer._replace(link=found.link, lowers=found.lowers) if found else layer


def _view(store: WholeStore) -> dict[str, t.Any]:
    """Return what a diff may show of a store."""
    shown: dict[str, t.Any] = {"state": "present" if store.exists else "absent"}
    if store.exists:
        shown.update(store.settings._asdict())
        for key in ("uid_map", "gid_map"):
            shown[key] = [item._asdict() for item in shown[key]]
        shown["ours"] = store.engine is None
        shown["layers"] = sorted(store.layers)
        shown["mounted"] = sorted(layer.id for layer in store.layers.values() if layer.mounted)
        shown["holders"] = {id: list(layer.holders) for id, layer in store.layers.items() if layer.holders}
    for name, access in store.access.items():
        shown[f"mode of {name or 'home'}"] = f"{access.mode:04o} {access.uid}:{access.gid}"
    return shown
