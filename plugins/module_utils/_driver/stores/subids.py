# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Id maps from /etc/subuid and /etc/subgid, as dockerd makes them. PRIVATE to the collection."""

from __future__ import annotations

import grp
import os
import pwd
import re
import typing as t

from ..._errors import InvalidInput, printable
from ..._store.settings import IdRange, check_map

DEFAULT_USER = "dockremap"
SUBUID = "/etc/subuid"
SUBGID = "/etc/subgid"

Map = tuple[IdRange, ...]

ID_RANGE_FIELDS = IdRange._fields

_NUMBER = re.compile(r"\d{1,10}")  # no id has more digits, and int() limits their number


def id_map(ranges: t.Sequence[t.Mapping[str, int]] | None, option: str) -> Map | None:
    """Return the id map in the value of *option*, whose items have the keys of IdRange. Raises InvalidInput."""
    return None if ranges is None else check_map([IdRange(**item) for item in ranges], option)


def remapped(text: str, subuid: str = SUBUID, subgid: str = SUBGID) -> tuple[Map, Map]:
    """Return the uid map and the gid map for dockerd's option userns-remap; two empty maps for "" and for root.

    text:   "user" or "user:group", names or numbers; the user "default" is dockremap.
    raises: InvalidInput for an unknown user or group, or for a user without ranges; OSError.
    source: moby's daemon: it looks for the user in both files; older versions looked for the group in the second.
    """
    if not text:
        return (), ()
    user, colon, group = text.partition(":")
    if user == "default":
        user = DEFAULT_USER
    names = _user_names(user)
    group_names = _group_names(group) if colon else ()
    if names[1] == "0":
        return (), ()
    return (
        _map(subuid, (names,), user),
        _map(subgid, (names, group_names), group or user),
    )


def _user_names(user: str) -> tuple[str, str]:
    try:
        found = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError, ValueError):  # ValueError: a NUL, or too many digits
        raise _unknown_error(f"there is no user '{printable(user)}'") from None
    return found.pw_name, str(found.pw_uid)


def _group_names(group: str) -> tuple[str, str]:
    try:
        found = grp.getgrgid(int(group)) if group.isdecimal() else grp.getgrnam(group)
    except (KeyError, OverflowError, ValueError):  # as above
        raise _unknown_error(f"there is no group '{printable(group)}'") from None
    return found.gr_name, str(found.gr_gid)


def _map(path: str, owners: t.Iterable[t.Sequence[str]], subject: str) -> Map:
    """Return the ranges of the first of *owners* that has ranges, joined in the order of the file."""
    for names in owners:
        joined: list[IdRange] = []
        for start, size in _ranges(path, names):
            following = sum(item.size for item in joined)
            joined.append(IdRange(following, start, size))
        if joined:
            return check_map(joined, path)
    raise _unknown_error(f"{path} has no range for '{printable(subject)}'")


def _ranges(path: str, names: t.Sequence[str]) -> t.Iterator[tuple[int, int]]:
    """Yield first id and size of each line "name:first:size" of *names*. Raises InvalidInput, OSError."""
    try:
        with open(path, "rb") as file:
            lines = os.fsdecode(file.read()).split("\n")
    except FileNotFoundError:
        return
    for line in lines:
        name, *numbers = line.strip().split(":")
        if name not in names:
            continue
        if len(numbers) != 2 or not all(map(_NUMBER.fullmatch, numbers)):
            raise _unknown_error(f"{path} has a line that is not a range: '{printable(line)}'")
        yield int(numbers[0]), int(numbers[1])


def _unknown_error(why: str) -> InvalidInput:
    return InvalidInput(
        f"userns_remap: {why}",
        hint=f"add the user, and lines such as user:100000:65536 to {SUBUID} and {SUBGID}; or give uid_map and gid_map",
    )
