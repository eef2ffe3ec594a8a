# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing layers from another engine's store: what is in the way of that. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import Overlay2Error, StoreCorrupt, printable
from .._linux import mountinfo
from .._store.foreign import SOMEBODY, find_engine, store_foreign
from .._store.layer import Store
from .._store.records import orphans, references
from . import busy


class Known(t.NamedTuple):
    """What an engine's records tell of its layers.

    needed: by id, what needs a layer, in words. orphans: layers that nothing needs. error: why neither can be told.
    """

    needed: t.Mapping[str, str] = {}
    orphans: t.Collection[str] = ()
    error: StoreCorrupt | None = None


def read_records(store: Store, engine: str) -> Known:
    """Return what *engine*'s records tell of the layers of *store*. Raises OSError."""
    try:
        needed = references(store, engine)
    except StoreCorrupt as error:
        return Known(error=error)
    return Known(needed, frozenset(orphans(store, needed)))


def removal_refusals(home: str, engine: str, ids: t.Iterable[str]) -> dict[str, Overlay2Error]:
    """Return by id why a layer of *engine*'s store must not be removed; those that may have no key. Raises OSError."""
    ids = tuple(ids)
    if engine == SOMEBODY:
        return {id: _refusal(home, engine, id, "") for id in ids}
    known = read_records(Store(home), engine)
    if known.error:
        return {id: _refusal(home, engine, id, f"and {known.error}", known.error.hint) for id in ids}
    # Only then: it costs a scan of /proc.
    users = engine_users(home) if any(id in known.orphans for id in ids) else ""
    found = {}
    for id in ids:
        if id not in known.orphans:
            found[id] = _refusal(home, engine, id, f"and {known.needed.get(id, 'it is no layer')}")
        elif users:
            found[id] = _refusal(home, engine, id, f"which runs: {users}", f"stop {engine}, and end what it left")
    return found


def engine_users(home: str) -> str:
    """Return in words who is at work in the data root of the engine that *home* belongs to; "" if nobody is.

    An engine that runs has files open there; what it started may have mounts, or stand in one. Both engines mount home
    on itself and leave that behind. Raises OSError.
    """
    engine = find_engine(home)
    root = engine.root if engine else os.path.dirname(home)
    own = (root, home, engine.home if engine else home)
    for mount in mountinfo.read():
        if mountinfo.is_below(mount.mount_point, root) and mount.mount_point not in own:
            return f"{printable(mount.fstype)} is mounted on {printable(mount.mount_point)}"
    places = [root]
    if not _lies_within(home, root):
        places.append(home)
    for place in places:
        users = {
            mount.pid: busy.User(mount.pid, mount.command, "mount", mount.mount_point)
            for mounts in busy.mounts_elsewhere(place).values()
            for mount in mounts
            if mount.mount_point not in own
        }
        held = [user for found in busy.scan(place, whole=True).values() for user in found]
        users.update({user.pid: user for user in held if user.how not in ("mount", "mount inside")})
        if users:
            return "its data root is " + busy.describe_users(sorted(users.values()))
    return ""


def _lies_within(home: str, root: str) -> bool:
    """Tell whether a scan of *root*, which looks at one directory of one filesystem, looks at *home*, too."""
    mounts = mountinfo.read()
    try:
        (dev, within), (root_dev, above) = (mountinfo.place_of(place, mounts) for place in (home, root))
    except OSError:
        return False
    return dev == root_dev and mountinfo.is_below(within, above)


def _refusal(home: str, engine: str, layer_id: str, why: str, hint: str = "") -> Overlay2Error:
    return store_foreign(home, engine, f"remove layer {layer_id}", why, hint)
