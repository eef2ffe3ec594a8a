# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode the fields of a tar header. PRIVATE to the collection.

The functions here raise ValueError with the cause; the reader adds the entry's name.
Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5); Go src/archive/tar/reader.go.
"""

from __future__ import annotations

import functools

from .pax import as_id, check_owner, check_time

_POSIX, GNU = b"ustar\0", b"ustar  \0"
_STAR_TRAILER = b"tar\0"  # the end of star's header, whose prefix is shorter
_STAR_PREFIX_SIZE = 131


def prefix(block: bytes, magic: bytes, field: bytes) -> bytes:
    """Return the path before the name, without the slash; b"" if the format has other fields there."""
    if magic.startswith(_POSIX):
        return text(field[:_STAR_PREFIX_SIZE] if block.endswith(_STAR_TRAILER) else field)
    if magic == GNU:
        try:  # GNU has two times here, but Go before 1.8 wrote a prefix
            number(field[:12])
            number(field[12:24])
        except ValueError:
            found = text(field)
            return found if found.isascii() else b""
    return b""


def has_devices(magic: bytes) -> bool:
    """Tell whether the format has device numbers; Unix V7 had none."""
    return magic.startswith(_POSIX) or magic == GNU


def text(field: bytes) -> bytes:
    """Return the text in a field: it ends at a NUL, or fills the field."""
    return field.partition(b"\0")[0]


@functools.lru_cache(maxsize=4096)
def expected_adler(field: bytes) -> int:
    """Return the low half of adler32 over a block with this checksum field; -1 if the field is not a number.

    The low half of adler32 is 1 + the sum of the bytes, modulo 65521: as good as the sum, and much faster.
    """
    try:
        return (number(field) - 256 + sum(field) + 1) % 65521
    except ValueError:
        return -1


def adds_up(block: bytes, field: bytes) -> bool:
    """Tell whether *field* is the sum of the block's bytes as signed numbers, which some old writers used."""
    try:
        return sum(block) - sum(field) + 256 - 256 * sum(byte > 127 for byte in block) == number(field)
    except ValueError:
        return False


@functools.lru_cache(maxsize=4096)  # small files have few sizes
def number(field: bytes) -> int:
    """Return the number in a field: octal, or base 256 if the first bit is set; the second bit is then the sign."""
    digits = field.strip(b" \0")
    try:
        if digits.isdigit():  # int() alone would take signs, underscores and 0o
            return int(digits, 8)
        if not digits:
            return 0
        if field[0] & 0x80:
            return int.from_bytes(bytes((field[0] & 0x7F | (field[0] & 0x40) << 1,)) + field[1:], "big", signed=True)
        if b"\0" in digits:  # bytes after the first NUL are left from an earlier use of the buffer
            return number(text(digits))
    except ValueError:
        pass
    raise ValueError(f"{field!r} in its header is not a number")


@functools.lru_cache(maxsize=256)  # a layer has few owners and modes
def owner_of(field: bytes) -> tuple[int, int, int]:
    """Return mode, uid and gid from these three fields."""
    mode, uid, gid = number(field[:8]), as_id(number(field[8:16])), as_id(number(field[16:]))
    check_owner(uid, gid)
    return mode & 0o7777, uid, gid


@functools.lru_cache(maxsize=256)  # neighbours often have the same
def nanoseconds(field: bytes) -> int:
    """Return the time in a field as nanoseconds."""
    seconds = number(field)
    check_time(seconds)
    return seconds * 10**9
