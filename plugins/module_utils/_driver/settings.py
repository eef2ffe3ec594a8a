# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store's own file says: defaults for new layers, and the id maps. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import InvalidInput
from .._store.layout import OWN_FILE
from .._store.own_file import read_file, replace_file, unreadable

ID_MAX = 2**32 - 2  # the last uid there is


class IdRange(t.NamedTuple):
    """container_id.. of a user namespace is host_id.. outside, for *size* ids."""

    container_id: int
    host_id: int
    size: int


class Settings(t.NamedTuple):
    """Kept in the store, so that not every task has to repeat it.

    size:    bytes, inodes: files and directories, of every new read-write layer; 0 means no limit.
    uid_map, gid_map: user namespace remapping; empty means none.
    """

    size: int = 0
    inodes: int = 0
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()

    @property
    def root(self) -> tuple[int, int]:
        """uid and gid of the remapped root."""
        return to_host(self.uid_map, 0), to_host(self.gid_map, 0)


def read_settings(home: str) -> Settings:
    """Return the settings of the store at *home*; the defaults for one without our file (dockerd's).

    raises: StoreCorrupt for a file that is damaged or of a newer format; OSError.
    """
    path = os.path.join(home, OWN_FILE)
    content = read_file(path) or {}
    try:
        maps = (tuple(IdRange(*item) for item in content.get(key, ())) for key in ("uid_map", "gid_map"))
        settings = Settings(content.get("size", 0), content.get("inodes", 0), *maps)
    except TypeError:
        raise unreadable(path) from None
    numbers = [
        settings.size,
        settings.inodes,
        *(number for item in settings.uid_map + settings.gid_map for number in item),
    ]
    if not all(isinstance(number, int) for number in numbers):
        raise unreadable(path)
    return settings


def write_settings(home: str, settings: Settings) -> None:
    """Keep *settings* in the store, durably. Raises OSError."""
    replace_file(os.path.join(home, OWN_FILE), settings._asdict())


def check_map(ranges: t.Sequence[IdRange], option: str) -> tuple[IdRange, ...]:
    """Return *ranges* if they make an id map that knows root. Raises InvalidInput, naming the *option*."""
    ordered = sorted(ranges)
    for item in ordered:
        if item.size < 1 or min(item) < 0 or max(item.container_id, item.host_id) + item.size - 1 > ID_MAX:
            raise InvalidInput(
                f"{option}: {item.container_id}:{item.host_id}:{item.size} is no range of ids",
                hint=f"ids go from 0 to {ID_MAX}, and size is 1 at least",
            )
    for kind in (0, 1):
        by_start = sorted(ordered, key=lambda item, kind=kind: item[kind])  # type: ignore[misc]
        if any(one[kind] + one.size > other[kind] for one, other in zip(by_start, by_start[1:])):
            raise InvalidInput(f"{option}: two ranges overlap", hint="give each id to one range only")
    if ordered and not ordered[0].container_id == 0:
        raise InvalidInput(f"{option}: container id 0 has no host id", hint="start a range at container_id 0")
    return tuple(ordered)


def to_host(ranges: t.Sequence[IdRange], container_id: int) -> int:
    """Return the host's id for *container_id*; itself without a map.

    raises: InvalidInput for one the map does not know. source: moby's IdentityMapping.ToHost.
    """
    if not ranges:
        return container_id
    for item in ranges:
        if item.container_id <= container_id < item.container_id + item.size:
            return item.host_id + container_id - item.container_id
    raise InvalidInput(
        f"container id {container_id} has no host id in the store's id map",
        hint="widen the map, or use content whose owners it knows",
    )


def to_container(ranges: t.Sequence[IdRange], host_id: int) -> int:
    """Return the container's id for *host_id*; itself without a map. Raises InvalidInput as to_host does."""
    if not ranges:
        return host_id
    for item in ranges:
        if item.host_id <= host_id < item.host_id + item.size:
            return item.container_id + host_id - item.host_id
    raise InvalidInput(
        f"host id {host_id} has no container id in the store's id map",
        hint="widen the map, or give the file to an owner it knows",
    )
