# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What forbids to remove layers from another engine's store. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import os
import shlex
import typing as t

from ..._errors import SHOWN, Overlay2Error, StoreCorrupt, printable, shorten
from ..._linux import mountinfo
from ..._store.engine import SOMEBODY, find_engine, store_foreign_error
from ..._store.engine_records import named_by_records, orphans, references
from ..._store.layer import LayerFiles
from .users import User, describe_users, users_of_layers

_BUILD_CACHE = "buildkit/"  # records there name no image
_SHORT_ID = 12  # characters, as docker ps shows them
# The first letters of the names of an engine's processes, and the command that stops the engine.
PROGRAMS = {
    "docker": ("dockerd", "containerd", "buildkitd"),
    "containers-storage": ("podman", "buildah", "conmon", "crio", "skopeo"),
}
STOP = {
    "docker": "systemctl stop docker.socket docker",
    "containers-storage": "podman stop --all",
}


class EngineUse(t.NamedTuple):
    """The users of an engine's data root.

    why:  in words, behind "the store belongs to docker, ". hint: what to do. runs: the engine itself runs.
    """

    why: str
    hint: str
    runs: bool = False


class Known(t.NamedTuple):
    """The facts about layers in an engine's records.

    needed: by id, in words, what needs a layer. orphans: layers that nothing needs. error: why neither is known.
    """

    needed: t.Mapping[str, str] = {}
    orphans: t.Collection[str] = ()
    error: StoreCorrupt | None = None


def read_records(store: LayerFiles, engine: str) -> Known:
    """Return the facts in *engine*'s records about the layers of *store*. Raises OSError."""
    try:
        needed = references(store, engine)
    except StoreCorrupt as error:
        return Known(error=error)
    return Known(needed, frozenset(orphans(store, needed)))


def read_users(store: LayerFiles, engine: str) -> Known:
    """Return what read_records() does, with the images and containers that need a layer, by name. Raises OSError."""
    from ..._store.gone import users_of  # not every run shows them, and each import is compiled on every host

    try:
        named = named_by_records(store, engine)
        needed = references(store, engine, named)
    except StoreCorrupt as error:
        return Known(error=error)
    found = find_engine(store.home)
    root = found.root if found else os.path.dirname(store.home)
    here = {id: path for id, path in named.items() if id in store.ids and not path.startswith(_BUILD_CACHE)}
    for id, users in users_of(root, engine, here).items():
        if users:  # otherwise the record's path is all that is known
            needed[id] = shorten([f"{user.kind} {printable(user.name or _short(user.id))}" for user in users])
    return Known(needed, frozenset(orphans(store, needed)))


def _short(id: str) -> str:
    return id.rpartition(":")[2][:_SHORT_ID]


def removal_errors(
    store: LayerFiles, engine: str, ids: t.Iterable[str], known: mountinfo.Snapshot | None = None
) -> dict[str, Overlay2Error]:
    """Return by id the error that forbids to remove a layer of *engine*'s store.

    known: our own mounts; None to read them now. Raises OSError.
    """
    home = store.home
    ids = tuple(ids)
    if engine == SOMEBODY:
        return {id: _refusal_error(home, engine, id, "") for id in ids}
    records = read_records(store, engine)
    if records.error:
        return {id: _refusal_error(home, engine, id, f"and {records.error}", records.error.hint) for id in ids}
    # Look for users only if an orphan may go: it costs a scan of /proc.
    users = engine_users(home, engine, known) if any(id in records.orphans for id in ids) else None
    found = {}
    for id in ids:
        if id not in records.orphans:
            found[id] = _refusal_error(home, engine, id, f"and {records.needed.get(id, 'it is not a layer')}")
        elif users:
            found[id] = _refusal_error(home, engine, id, users.why, users.hint)
    return found


def engine_users(home: str, engine: str, known: mountinfo.Snapshot | None = None) -> EngineUse | None:
    """Return the users of the data root of *engine*, which *home* belongs to; None without users. Raises OSError.

    A running engine has files open there. Its containers may have mounts there, or run in one. Both engines mount home
    on itself and leave this mount behind, so it does not count. known: as for removal_errors.
    """
    known = known or mountinfo.Snapshot()
    its = find_engine(home, known)
    root = its.root if its else os.path.dirname(home)
    own = (root, home, its.home if its else home)
    found: dict[tuple[int, str], User] = {}
    for place in (root, home):  # in home, overlays are found by their layers
        for users in users_of_layers(place, whole=True, ignored=own, known=known).values():
            found.update({user.key: user for user in users if user.how != "mount inside"})
    programs = PROGRAMS.get(engine, (engine,))
    mounts = [mount for mount in mountinfo.below(root, known).seen if mount.mount_point not in own]
    for mount in mounts:
        found.pop((0, mount.mount_point), None)
    order = sorted(found.values(), key=lambda user: (not user.command.startswith(programs), user))
    if not order and not mounts:
        return None
    return _use_in_words(engine, order, mounts, bool(order) and order[0].command.startswith(programs))


def _use_in_words(engine: str, users: t.Sequence[User], mounts: t.Sequence[mountinfo.Mount], runs: bool) -> EngineUse:
    """Describe the users: processes first, then the mounts, last one first, in the order to unmount them."""
    told = [f"its data root is {describe_users(users)}"] if users else []
    points = [mount.mount_point for mount in reversed(mounts)]
    if mounts:
        shown = [f"{mount.fstype} on {printable(mount.mount_point)}" for mount in reversed(mounts)]
        told.append(f"mounts are left in its data root: {shorten(shown)}")
    remedies = [*map(_remedy, users[:SHOWN])]
    if points:
        remedies.append("umount " + " ".join(map(shlex.quote, points[:SHOWN])))
    commands = printable("; ".join(dict.fromkeys(remedies)))
    if runs:
        stop = STOP.get(engine, f"systemctl stop {engine}")
        return EngineUse(f"which runs: {'; '.join(told)}", f"stop {engine}: {stop}; then end what it left", True)
    hint = f"{engine} does not seem to run; end the uses of its data root: {commands}"
    return EngineUse(f"and {'; '.join(told)}", hint)


def _remedy(user: User) -> str:
    """Return the command that ends a use."""
    if user.how == "mount" and not user.pid:
        return f"umount {shlex.quote(user.path)}"
    if user.how == "mount":
        return f"nsenter --target {user.pid} --mount umount {shlex.quote(user.path)}"
    if user.how == "loop device":
        return f"losetup --detach {user.command}"
    return f"swapoff {shlex.quote(user.path)}" if user.how == "swap file" else f"kill {user.pid}"


def _refusal_error(home: str, engine: str, layer_id: str, why: str, hint: str = "") -> Overlay2Error:
    return store_foreign_error(home, engine, f"remove layer {layer_id}", why, hint)
