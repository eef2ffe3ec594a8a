# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of a sparse file, as GNU tar and libarchive write it. PRIVATE to the collection.

Four forms: old GNU headers of type S, with further blocks behind them; PAX 0.0 and 0.1, with the map in records;
PAX 1.0, with the map before the data. No writer makes a map that is out of order or has overlapping pieces.
The functions here raise ValueError with the cause; the reader adds the entry's name.
Source: GNU tar manual, "Storing Sparse Files"; tar(5); Go src/archive/tar/reader.go.
"""

from __future__ import annotations

import array
import typing as t

from .pax import MAX_SIZE, SPARSE_MAP, SPARSE_PREFIX, Records, decimal
from .tar import BLOCK, REGULAR, Entry
from .tar_fields import number

MAX_MAP = 1 << 20  # bytes of a map in the archive, as in Go

_TABLE_AT, _MORE_AT, _SIZE_AT = 41, 137, 138  # offsets in an old GNU header, after byte 345
_TABLE_SIZE = 504  # bytes of a table that fills a block; a flag after it tells whether another block follows
_PAIR_SIZE = 24  # bytes: offset and length
_SIZE, _REAL_SIZE = SPARSE_PREFIX + b"size", SPARSE_PREFIX + b"realsize"
_MAJOR, _MINOR = SPARSE_PREFIX + b"major", SPARSE_PREFIX + b"minor"
_COUNT = SPARSE_PREFIX + b"numblocks"
_IN_RECORDS = ((b"0", b"0"), (b"0", b"1"))  # the older versions; most writers leave these records out
_CUT_OFF = "the archive ends within its map of holes"

Take = t.Callable[[int], bytes]


class SparseMap(t.NamedTuple):
    """The places of the data in a file; the rest of the file are holes.

    size:    bytes of the file, holes included.
    stored:  bytes of the data; the archive holds nothing else of the file.
    numbers: offset and length of each piece of data, in order; an array, because it takes only 16 bytes for a piece.
    """

    size: int
    stored: int
    numbers: array.array[int]

    def pieces(self) -> t.Iterator[tuple[int, int]]:
        """Yield offset and length of each piece of data."""
        return zip(self.numbers[::2], self.numbers[1::2])


def sparse_map(entry: Entry, fields: bytes, records: Records, take: Take) -> SparseMap | None:
    """Return the map of a sparse file; None if *entry* is not a sparse file.

    entry:   its size is the number of bytes in the archive. fields: an old GNU header from byte 345, or b"".
    records: PAX records for this entry. take: returns the next bytes of the archive.
    """
    told = [key for key in records if key.startswith(SPARSE_PREFIX)]
    if not told and not fields:
        return None
    if entry.type != REGULAR:
        raise ValueError("it has a map of holes but is not a regular file")
    if told and fields:
        raise ValueError("it has two maps of holes")
    if fields:
        return _map_of_header(fields, entry.size, take)
    size = records.get(_SIZE, records.get(_REAL_SIZE))
    real_size = entry.size if size is None else decimal(_SIZE, size)
    version = records.get(_MAJOR, b"0"), records.get(_MINOR, b"0")
    if version == (b"1", b"0"):
        return _map_of_body(real_size, entry.size, take)
    if version not in _IN_RECORDS or SPARSE_MAP not in records:
        raise ValueError("it is a sparse file in a form that this collection does not read")
    return _map_of_records(records, real_size, entry.size)


def _map_of_header(fields: bytes, stored: int, take: Take) -> SparseMap:
    """Return the map in an old GNU header and the blocks that follow it."""
    numbers = _empty()
    table, more = fields[_TABLE_AT:_MORE_AT], fields[_MORE_AT]
    read = 0
    while True:
        for at in range(0, len(table), _PAIR_SIZE):
            if not table[at]:
                break
            pair = table[at : at + 12], table[at + 12 : at + _PAIR_SIZE]
            numbers.extend(_check_number(number(field)) for field in pair)
        if not more:
            return _check_map(numbers, number(fields[_SIZE_AT : _SIZE_AT + 12]), stored)
        block = _next_block(take, read)
        read += BLOCK
        table, more = block[:_TABLE_SIZE], block[_TABLE_SIZE]


def _map_of_records(records: Records, size: int, stored: int) -> SparseMap:
    """Return the map in PAX records: offsets and lengths in turn, with commas between them."""
    values = records[SPARSE_MAP].split(b",") if records[SPARSE_MAP] else []
    if len(values) != 2 * decimal(_COUNT, records.get(_COUNT, b"")):
        raise ValueError("its map of holes does not have the stated number of pieces")
    numbers = _empty()
    numbers.extend(_check_number(decimal(SPARSE_MAP, value)) for value in values)
    return _check_map(numbers, size, stored)


def _map_of_body(size: int, stored: int, take: Take) -> SparseMap:
    """Return the map before the data: the number of pieces, then offset and length of each, one number on a line."""
    numbers, wanted, rest, read = _empty(), None, b"", 0
    while wanted is None or len(numbers) < wanted:
        if read >= stored:
            raise ValueError(_CUT_OFF)
        if len(rest) >= BLOCK:
            raise ValueError("its map of holes is malformed")
        *lines, rest = (rest + _next_block(take, read)).split(b"\n")
        read += BLOCK
        if wanted is None:
            wanted = 2 * decimal(SPARSE_MAP, lines.pop(0) if lines else rest)
        numbers.extend(_check_number(decimal(SPARSE_MAP, line)) for line in lines[: wanted - len(numbers)])
    return _check_map(numbers, size, stored - read)


def _next_block(take: Take, read: int) -> bytes:
    """Return the next block of a map. read: the bytes of the map read so far."""
    if read >= MAX_MAP:
        raise ValueError(f"its map of holes has more than {MAX_MAP} bytes")
    block = take(BLOCK)
    if not block:
        raise ValueError(_CUT_OFF)
    return block


def _empty() -> array.array[int]:
    return array.array("q")


def _check_number(value: int) -> int:
    if not 0 <= value <= MAX_SIZE:
        raise ValueError(f"its map of holes has the number {value}, which is out of range")
    return value


def _check_map(numbers: array.array[int], size: int, stored: int) -> SparseMap:
    """Return the map of *numbers*. Raises ValueError if they contradict each other, *size* or *stored*."""
    found = SparseMap(size, stored, numbers)
    end = total = 0
    for offset, length in found.pieces():
        if offset < end:
            raise ValueError("its map of holes is out of order")
        end = offset + length
        total += length
    if end > size:
        raise ValueError(f"its map of holes ends at byte {end}, but the file has {size} bytes")
    if total != stored:
        raise ValueError(f"its map of holes lists {total} bytes of data, but the archive has {stored}")
    return found
