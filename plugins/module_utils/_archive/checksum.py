# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksum of a file's content: a CRC-32, also over holes of any size. PRIVATE to the collection.

A hole counts as zeros. Its zeros are not read: adding n zeros to a CRC is a linear map, and the maps for 4 KiB and
its doubles are kept as tables. So the checksum does not depend on where the filesystem has holes, and a sparse file of
exabytes takes no longer than its data.
"""

from __future__ import annotations

import errno
import functools
import os
import typing as t
import zlib

from .tar import CHUNK

_ALL = 0xFFFFFFFF
_BITS = 12
_ZEROS = bytes(1 << _BITS)
_Table = tuple[tuple[int, ...], ...]  # what each value of each of the four bytes of a CRC becomes

crc32 = zlib.crc32


def crc32_of_hole(crc: int, size: int) -> int:
    """Return the CRC of the content with *crc* and *size* zeros behind it."""
    crc = crc32(_ZEROS[: size & (1 << _BITS) - 1], crc)
    size >>= _BITS
    state = crc ^ _ALL
    power = 0
    while size:
        if size & 1:
            state = _mapped(_table(power), state)
        size >>= 1
        power += 1
    return state ^ _ALL


def crc32_of_file(fd: int, size: int) -> int:
    """Return the CRC of the first *size* bytes of the file *fd*; zeros, where the file is shorter. Raises OSError."""
    crc = at = 0
    while at < size:
        start, end = _next_data(fd, at, size)
        if start > at:
            crc = crc32_of_hole(crc, start - at)
        os.lseek(fd, start, os.SEEK_SET)
        at = start
        while at < end:
            piece = os.read(fd, min(CHUNK, end - at))
            if not piece:  # the file became shorter meanwhile
                return crc32_of_hole(crc, size - at)
            crc = crc32(piece, crc)
            at += len(piece)
    return crc


def _next_data(fd: int, at: int, size: int) -> tuple[int, int]:
    """Return start and end of the first data from *at* on, (size, size) for none."""
    if size <= CHUNK:  # reading costs less than the question
        return at, size
    try:
        start = min(os.lseek(fd, at, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size, size
    return start, min(os.lseek(fd, start, os.SEEK_HOLE), size) if start < size else size


def _mapped(table: _Table, state: int) -> int:
    a, b, c, d = table
    return a[state & 255] ^ b[state >> 8 & 255] ^ c[state >> 16 & 255] ^ d[state >> 24]


@functools.cache  # one for each bit of a size
def _table(power: int) -> _Table:
    """Return the map of 4 KiB << *power* zeros."""
    if power:
        below = _table(power - 1)
        columns = [_mapped(below, _mapped(below, 1 << bit)) for bit in range(32)]
    else:
        columns = [crc32(_ZEROS, _ALL ^ 1 << bit) ^ _ALL for bit in range(32)]
    return tuple(_of_byte(columns[first : first + 8]) for first in range(0, 32, 8))


def _of_byte(columns: t.Sequence[int]) -> tuple[int, ...]:
    """Return the sum of the *columns* of the bits in each value of a byte."""
    found = [0]
    for column in columns:
        found += [column ^ value for value in found]
    return tuple(found)
