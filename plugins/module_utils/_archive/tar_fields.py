# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fields of a tar header say. PRIVATE to the collection.

Everything here that cannot be read raises ValueError with the cause; the reader knows the entry's name.
Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5); Go src/archive/tar/reader.go.
"""

from __future__ import annotations

import functools

from .pax import as_id, check_owner, check_time

_POSIX, GNU = b"ustar\0", b"ustar  \0"
_STAR_TRAILER = b"tar\0"  # ends star's header, whose prefix is shorter
_STAR_PREFIX_SIZE = 131


def prefix(block: bytes, magic: bytes, field: bytes) -> bytes:
    """Return what goes before the name and a slash; none where the format has other fields in its place."""
    if magic.startswith(_POSIX):
        return text(field[:_STAR_PREFIX_SIZE] if block.endswith(_STAR_TRAILER) else field)
    if magic == GNU:
        try:  # times of access and change; Go before 1.8 wrote a prefix all the same
            number(field[:12])
            number(field[12:24])
        except ValueError:
            found = text(field)
            return found if found.isascii() else b""
    return b""


def has_devices(magic: bytes) -> bool:
    """Tell whether the format has numbers of devices; Unix V7 had none."""
    return magic.startswith(_POSIX) or magic == GNU


def text(field: bytes) -> bytes:
    """Return a field's text, which ends at a NUL or fills it."""
    return field.partition(b"\0")[0]


@functools.lru_cache(maxsize=4096)
def expected_adler(field: bytes) -> int:
    """Return the low half of adler32 over a block with this checksum field; -1 if that holds no number.

    adler32 is 1 + the sum of the bytes there, modulo 65521: as good as the sum, and much faster.
    """
    try:
        return (number(field) - 256 + sum(field) + 1) % 65521
    except ValueError:
        return -1


def adds_up(block: bytes, field: bytes) -> bool:
    """Tell whether the block's bytes, taken as signed, add up to *field*, as some old writers had it."""
    try:
        return sum(block) - sum(field) + 256 - 256 * sum(byte > 127 for byte in block) == number(field)
    except ValueError:
        return False


@functools.lru_cache(maxsize=4096)  # small files have few sizes
def number(field: bytes) -> int:
    """Return a number: octal, or base 256 where the first bit is set, the second then being the sign."""
    digits = field.strip(b" \0")
    try:
        if digits.isdigit():  # int() alone would take signs, underscores and 0o
            return int(digits, 8)
        if not digits:
            return 0
        if field[0] & 0x80:
            return int.from_bytes(bytes((field[0] & 0x7F | (field[0] & 0x40) << 1,)) + field[1:], "big", signed=True)
        if b"\0" in digits:  # what follows the first NUL is left from an earlier use of the buffer
            return number(text(digits))
    except ValueError:
        pass
    raise ValueError(f"{field!r} in its header is no number")


@functools.lru_cache(maxsize=256)  # a layer has few owners and modes
def owner_of(field: bytes) -> tuple[int, int, int]:
    mode, uid, gid = number(field[:8]), as_id(number(field[8:16])), as_id(number(field[16:]))
    check_owner(uid, gid)
    return mode & 0o7777, uid, gid


@functools.lru_cache(maxsize=256)  # neighbours often have the same
def nanoseconds(field: bytes) -> int:
    seconds = number(field)
    check_time(seconds)
    return seconds * 10**9
