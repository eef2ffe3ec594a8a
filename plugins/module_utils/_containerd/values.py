# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values in containerd's databases: numbers, times, texts, labels. Pure. PRIVATE to the collection.

Source: containerd core/metadata/boltutil/helpers.go, Go's encoding/binary, time.
"""

from __future__ import annotations

import datetime
import os
import re
import struct
import typing as t

from .._bolt.meta import Unreadable

if t.TYPE_CHECKING:
    from .._bolt.tree import Bucket

_TIME = struct.Struct(">BqiH")  # version, seconds since the year 1, nanoseconds, minutes east of UTC
_YEAR_1970 = 62135596800  # seconds since the year 1
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
_MOST_BYTES = 10  # of a number of 64 bits


def unsigned(data: bytes) -> int:
    """Return a number without sign. Raises Unreadable."""
    value = 0
    for place, byte in enumerate(data[:_MOST_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value
    raise Unreadable("a number in it is cut off or too long")


def signed(data: bytes) -> int:
    """Return a number with sign. Raises Unreadable."""
    value = unsigned(data)
    return ~(value >> 1) if value & 1 else value >> 1


def seconds(data: bytes | None) -> float | None:
    """Return a time as seconds since 1970, None if there is none. Raises Unreadable."""
    if not data:
        return None
    if len(data) < _TIME.size:
        raise Unreadable("a time in it is cut off")
    _version, whole, nanoseconds, _zone = _TIME.unpack_from(data)
    result: float = whole - _YEAR_1970 + nanoseconds / 1e9
    return result


def expiry(text: str | None) -> float | None:
    """Return a time in RFC 3339 as whole seconds since 1970, None if it is not valid: containerd ignores it then."""
    match = _RFC3339.fullmatch(text or "")
    if not match:
        return None
    zone = "+00:00" if match[2] == "Z" else match[2]
    try:
        return datetime.datetime.fromisoformat(match[1] + zone).timestamp()
    except (ValueError, OverflowError):
        return None


def text(data: bytes | None) -> str:
    """Return a text, "" if there is none; bytes that are not UTF-8 as in a file name."""
    return os.fsdecode(data or b"")


def texts(bucket: Bucket | None) -> dict[str, str]:
    """Return the values of a bucket, which may be missing, as texts. Raises Unreadable."""
    return {text(key): text(value) for key, value in bucket.values().items()} if bucket else {}
