# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The homes of users, and where users have their stores. Only reads. PRIVATE to the collection.

A storage.conf in a home is its user's word. So it names only stores of this user: the owner of a directory that it
names is compared before anything in the directory is read.
Source: containers/storage types/options.go, types/utils.go; containers-storage.conf(5).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import typing as t

from ..._linux.noatime import read_quietly
from ..._linux.nofollow import open_below
from .places import Untouched, open_place
from .state import Candidate
from .toml import NotToml, parse_toml

_PASSWD = "/etc/passwd"
_HOME = "/home"
_MOST = 10_000  # homes
_LIMIT = 64 << 10  # bytes of a user's file
_IN_A_HOME = (
    ".local/share/docker",
    ".local/share/containerd",
    ".local/share/buildkit",
    ".local/share/containers/storage",
    ".rancher/k3s/agent/containerd",
)
_CONFIG = ".config/containers"
_STORAGE_CONF = "storage.conf"
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


class User(t.NamedTuple):
    """name: "" if the host does not know the user."""

    name: str
    uid: int
    home: str


def users() -> list[User]:
    """Return the users of /etc/passwd. A directory service is not asked: its server may keep us waiting."""
    found = []
    for line in os.fsdecode(read_quietly(_PASSWD)).splitlines()[:_MOST]:
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit():
            found.append(User(fields[0], int(fields[2]), fields[5]))
    return found


def of_homes(patterns: t.Iterable[str], slow: t.Container[str]) -> t.Iterator[Candidate]:
    """Yield the candidates of users. patterns: root's word, where each user has a store, with variables."""
    known = users()
    homes = _homes(known, slow)
    for home in homes:
        for name in _IN_A_HOME:
            yield Candidate(f"{home}/{name}", "home", None)
    for pattern in patterns:
        for user in known:
            yield Candidate(_expanded(pattern, user), "config", None)
    for home in homes:
        yield from _of_storage_conf(home, known, slow)


def _homes(known: t.Iterable[User], slow: t.Container[str]) -> list[str]:
    """Return the homes of users, also of those who are gone or in a directory service, below /home."""
    found = dict.fromkeys(user.home for user in known if user.home.startswith("/") and user.home != "/")
    with contextlib.suppress(OSError, Untouched):
        place = open_place(_HOME, slow)
        try:
            with os.scandir(place.fd) as entries:
                for _number, entry in zip(range(_MOST), entries):
                    found.setdefault(f"{_HOME}/{entry.name}")
        finally:
            os.close(place.fd)
    return list(found)


def _of_storage_conf(home: str, known: t.Iterable[User], slow: t.Container[str]) -> t.Iterator[Candidate]:
    """Yield what the storage.conf in a home names. root's Podman does not read the one in root's home."""
    with contextlib.suppress(OSError, Untouched, NotToml, RecursionError):
        place = open_place(f"{home}/{_CONFIG}", slow)
        try:
            found = parse_toml(_content(place.fd, place.owner) if place.owner else "")
        finally:
            os.close(place.fd)
        uid = place.owner
        user = next((one for one in known if one.uid == uid and one.home == home), User("", uid, home))
        root = [*found.get(("storage", "graphroot"), []), *found.get(("storage", "rootless_storage_path"), [])][:1]
        for path in (*root, *found.get(("storage", "imagestore"), [])):
            yield Candidate(_expanded(path, user), "config", uid)


def _content(directory: int, uid: int) -> str:
    """Return the text of storage.conf in a directory of the user *uid*. Raises Untouched, OSError."""
    with open(open_below(directory, _STORAGE_CONF), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, uid) or status.st_size > _LIMIT:
            raise Untouched("it is not a file of this user, or too large")
        return os.fsdecode(file.read(_LIMIT))


def _expanded(pattern: str, user: User) -> str:
    """Return a path with the variables that are known of a user; others stay, so the path leads nowhere."""
    values = {"HOME": user.home, "UID": str(user.uid), "USER": user.name, "LOGNAME": user.name}
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2]) or match[0], pattern)
