# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAX records, and their effect on an entry. PRIVATE to the collection.

The functions here raise ValueError with the cause; the reader adds the entry's name.
Source: POSIX.1-2017 pax, "pax Extended Header"; Go src/archive/tar/strconv.go.
"""

from __future__ import annotations

import re
import typing as t

from .tar import REGULAR, XATTR_PREFIX, Entry, xattr_name

MAX_ID = 0xFFFFFFFE  # for chown(2), the next number means "do not change"
MAX_SIZE = (1 << 63) - 1  # of a file: off_t

Records = dict[bytes, bytes]

SPARSE_PREFIX = b"GNU.sparse."  # see sparse.py
SPARSE_NAME = SPARSE_PREFIX + b"name"  # the real name of a sparse file; ``path`` is for readers that do not know holes
SPARSE_MAP = SPARSE_PREFIX + b"map"

_NAMES = (b"path", b"linkpath", SPARSE_NAME)
_PAIR = (SPARSE_PREFIX + b"offset", SPARSE_PREFIX + b"numbytes")  # these two alternate, and together are the map
_NUMBERS = frozenset((b"uid", b"gid", b"size"))
_USED = _NUMBERS.union(_NAMES, (b"mtime",))
_PREFIXES = (XATTR_PREFIX, SPARSE_PREFIX)
_MAX_DIGITS = 20  # of a record's length, or a number that fits 64 bits
_DECIMAL = re.compile(rb"([-+]?)0*([0-9]{1,20})")  # the numbers that Go's ParseInt accepts
_TIME = re.compile(_DECIMAL.pattern + rb"(?:\.([0-9]*))?")


def parse_records(body: bytes) -> Records:
    """Return the records of an extended header that this collection uses. Of two with one key, the later one counts."""
    found: Records = {}
    pairs: list[bytes] = []
    at = 0
    while at < len(body):
        key, value, at = _record(body, at)
        if key not in _USED and not key.startswith(_PREFIXES):
            continue
        if b"\0" in key or (key in _NAMES and b"\0" in value):
            raise ValueError(f"its PAX record {key!r} has a NUL in a name")
        if key in _PAIR:
            if key != _PAIR[len(pairs) % 2] or b"," in value:
                raise ValueError("its map of holes is malformed")
            pairs.append(value)
        else:
            found[key] = value
    if pairs:
        found[SPARSE_MAP] = b",".join(pairs)
    return found


def _record(body: bytes, at: int) -> tuple[bytes, bytes, int]:
    """Return key, value and the offset of the next record; a record is ``LENGTH KEY=VALUE`` and a newline."""
    digits, blank, _unused = body[at : at + _MAX_DIGITS].partition(b" ")
    end = at + int(digits) if blank and digits.isdigit() else 0
    key, equals, value = body[at + len(digits) + 1 : end].partition(b"=")
    if not at < end <= len(body) or not key or not equals or not value.endswith(b"\n"):
        raise ValueError("a PAX record is malformed")
    return key, value[:-1], end


def amended(entry: Entry, records: Records) -> Entry:
    """Return *entry* changed by the records, except its name. An empty value counts for an xattr only."""
    changes: dict[str, t.Any] = {}
    xattrs = {}
    for key, value in records.items():
        if key.startswith(XATTR_PREFIX):
            xattrs[xattr_name(key)] = value
        elif key == b"linkpath":
            changes["linkname"] = value or entry.linkname
        elif key == b"mtime" and value:
            changes["mtime_ns"] = _nanoseconds(value)
        elif value and key in _NUMBERS and (key != b"size" or entry.type == REGULAR):
            changes[key.decode()] = decimal(key, value) if key == b"size" else _id(key, value)
    if xattrs:
        changes["xattrs"] = xattrs
    entry = entry._replace(**changes)
    check_owner(entry.uid, entry.gid)
    check_time(entry.mtime_ns // 10**9)
    return entry


def as_id(number: int) -> int:
    """Return *number* as an id of 32 bits: Solaris writes its nobody as -2. -1, which is not a valid id, stays."""
    return number + (1 << 32) if -(1 << 31) <= number < -1 else number


def check_owner(uid: int, gid: int) -> None:
    """Raise ValueError for an id that the kernel refuses or understands differently."""
    if not (0 <= uid <= MAX_ID and 0 <= gid <= MAX_ID):
        raise ValueError(f"its owner {uid}:{gid} is out of range")


def check_time(seconds: int) -> None:
    """Raise ValueError for a time outside a 64-bit time_t. The filesystem cuts a time outside its own range."""
    if not -(1 << 63) <= seconds < 1 << 63:
        raise ValueError("its mtime is out of range")


def decimal(key: bytes, value: bytes) -> int:
    """Return the number in *value*, the value of the record *key*."""
    match = _DECIMAL.fullmatch(value)
    if not match or match.group(1) == b"-":
        raise ValueError(f"its {key.decode()} {value[:40]!r} is not a number, or is negative")
    return int(match.group(2))


def _id(key: bytes, value: bytes) -> int:
    """Return the id in *value*, the value of the record *key*."""
    if value.startswith(b"-"):
        return as_id(-decimal(key, value[1:]))
    return decimal(key, value)


def _nanoseconds(value: bytes) -> int:
    """Return a time in decimal seconds as nanoseconds; digits after the ninth are cut off."""
    match = _TIME.fullmatch(value)
    if not match:
        raise ValueError(f"its mtime {value[:40]!r} is not a time")
    sign, seconds, fraction = match.groups()
    total = int(seconds) * 10**9 + int((fraction or b"")[:9].ljust(9, b"0"))
    return -total if sign == b"-" else total
