# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in a store's own file: defaults for new layers, and the id maps. PRIVATE to the collection.

Settings are kept in the store; a state is what a run has observed.
"""

from __future__ import annotations

import functools
import os
import typing as t

from .._errors import InvalidInput, StoreCorrupt, printable
from .json_file import is_count, read_file, unreadable_error
from .layout import OWN_FILE

ID_MAX = 2**32 - 2  # the last uid there is
LEFT = -1  # in place of an id: no change, as for chown(2)

MapIds = t.Callable[[int, int], tuple[int, int]]

_CONTAINER, _HOST = 0, 1  # places in an IdRange
_SIDES = ("container", "host")
_LIMIT_MAX = 2**63 - 1  # bytes, files
_CURE = (
    "it was damaged or edited: restore it; or remove it, and let strata.overlay2.overlay2_init with adopt: true write"
    " it anew, with the default limits and id maps that it held"
)
_CACHED = 4096  # results that a mapping function caches


class IdRange(t.NamedTuple):
    """The *size* ids from container_id on in a user namespace are the ids from host_id on outside."""

    container_id: int
    host_id: int
    size: int


class Settings(t.NamedTuple):
    """The settings of a store, kept there so that a task need not repeat them.

    size, inodes:     limits of every new read-write layer: bytes, and files with directories; 0 means no limit.
    uid_map, gid_map: user namespace remapping; empty means no remapping.
    """

    size: int = 0
    inodes: int = 0
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()

    @property
    def root(self) -> tuple[int, int]:
        """uid and gid of the remapped root."""
        return self._host_ids(0, 0)

    @property
    def host_ids(self) -> MapIds | None:
        """A function from a container's (uid, gid) to the host's; None without remapping.

        The function keeps an id of -1. It raises ValueError, with the cause, for an id that the map lacks.
        source: moby's IdentityMapping.ToHost, which also keeps the ids of the remapped root; this function does not.
        """
        return functools.lru_cache(_CACHED)(self._host_ids) if self.remaps else None

    @property
    def container_ids(self) -> MapIds | None:
        """As host_ids, the other way round."""
        return functools.lru_cache(_CACHED)(self._container_ids) if self.remaps else None

    @property
    def remaps(self) -> bool:
        """Whether ids in a container differ from those on disk."""
        return bool(self.uid_map or self.gid_map)

    def _host_ids(self, uid: int, gid: int) -> tuple[int, int]:
        return self._translate(uid, gid, _CONTAINER, _HOST)

    def _container_ids(self, uid: int, gid: int) -> tuple[int, int]:
        return self._translate(uid, gid, _HOST, _CONTAINER)

    def _translate(self, uid: int, gid: int, source: int, target: int) -> tuple[int, int]:
        return (
            _translate(self.uid_map, uid, "uid", source, target),
            _translate(self.gid_map, gid, "gid", source, target),
        )


def read_settings(home: str) -> Settings:
    """Return the settings of the store at *home*; the defaults for a store without our file (dockerd's).

    raises: StoreCorrupt for a file that is damaged or of a newer format; OSError.
    """
    path = os.path.join(home, OWN_FILE)
    content = read_file(path, _CURE) or {}
    try:
        maps = [check_map(_ranges(content.get(key, [])), key) for key in ("uid_map", "gid_map")]
    except (InvalidInput, ValueError):
        raise StoreCorrupt(
            f"the id maps in {printable(path)} are not as this collection writes them",
            hint="it was damaged or edited: restore it; without its maps, files would get wrong owners",
            path=printable(path),
        ) from None
    size, inodes = content.get("size", 0), content.get("inodes", 0)
    if not all(is_count(limit) and limit <= _LIMIT_MAX for limit in (size, inodes)):
        raise unreadable_error(path, _CURE)
    return Settings(size, inodes, *maps)


def _ranges(found: t.Any) -> list[IdRange]:
    """Return the ranges of an id map as JSON holds it. Raises ValueError."""
    if not isinstance(found, list):
        raise ValueError(found)
    for item in found:
        if not isinstance(item, list) or len(item) != len(IdRange._fields) or not all(map(is_count, item)):
            raise ValueError(item)
    return [IdRange(*item) for item in found]


def write_settings(home: str, settings: Settings) -> None:
    """Keep *settings* in the store, durably. Raises OSError."""
    from .json_writer import replace_file  # most runs only read the file, and each import is compiled on every host

    replace_file(os.path.join(home, OWN_FILE), settings._asdict())


def check_map(ranges: t.Sequence[IdRange], option: str) -> tuple[IdRange, ...]:
    """Return *ranges*, sorted, if they make an id map that has root. Raises InvalidInput, which names the *option*."""
    ordered = sorted(ranges)
    for item in ordered:
        if item.size < 1 or min(item) < 0 or max(item.container_id, item.host_id) + item.size - 1 > ID_MAX:
            raise InvalidInput(
                f"{option}: {item.container_id}:{item.host_id}:{item.size} is not a range of ids",
                hint=f"ids go from 0 to {ID_MAX}, and size is at least 1",
            )
    for kind in (0, 1):
        by_start = sorted(ordered, key=lambda item, kind=kind: item[kind])  # type: ignore[misc]
        if any(one[kind] + one.size > other[kind] for one, other in zip(by_start, by_start[1:])):
            raise InvalidInput(f"{option}: two ranges overlap", hint="give each id to one range only")
    if ordered and not ordered[0].container_id == 0:
        raise InvalidInput(f"{option}: container id 0 has no host id", hint="start a range at container_id 0")
    return tuple(ordered)


def _translate(ranges: t.Sequence[IdRange], number: int, word: str, source: int, target: int) -> int:
    """Return the id that *number* maps to. source, target: _CONTAINER or _HOST. Raises ValueError."""
    if not ranges or number == LEFT:
        return number
    for item in ranges:
        if item[source] <= number < item[source] + item.size:
            return item[target] + number - item[source]
    raise ValueError(f"{_SIDES[source]} {word} {number} has no {_SIDES[target]} {word} in the store's {word} map")
