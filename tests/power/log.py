# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of all writes and flushes of a device, as QEMU's blklogwrites and the kernel's dm-log-writes write it.

source: docs.kernel.org/admin-guide/device-mapper/log-writes.html
"""

from __future__ import annotations

import struct
import typing as t

SECTOR = 512  # bytes: the unit of an entry's place and size, in this log and here
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8

_MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")  # magic, version, number of entries, size of a sector
_ENTRY = struct.Struct("<QQQQ")  # sector, number of sectors, flags, length of a mark


class Entry(t.NamedTuple):
    """What reached the device. data: what was written from *sector* on; b"" for a flush alone.

    flush: before this data, all that had been written before became durable.
    """

    sector: int
    data: bytes
    flush: bool = False

    def sectors(self) -> t.Iterator[tuple[int, bytes]]:
        """Yield each sector that is written, with its content."""
        for start in range(0, len(self.data), SECTOR):
            yield self.sector + start // SECTOR, self.data[start : start + SECTOR]


def count(log: t.BinaryIO) -> int:
    """Return how many entries the log has now."""
    log.seek(0)
    return _superblock(log.read(_SUPER.size))


def read(log: t.BinaryIO) -> list[Entry]:
    """Return all entries of the log, in order. Raises ValueError if the log is invalid or ends too early."""
    total = count(log)
    log.seek(SECTOR)
    entries: list[Entry] = []
    for _number in range(total):
        sector, sectors, flags, mark = _ENTRY.unpack(_whole(log, SECTOR)[: _ENTRY.size])
        if flags & MARK:
            _whole(log, -(-mark // SECTOR) * SECTOR)
            continue
        if flags & FUA:
            raise ValueError("a log with FUA is not understood: a loop device gives a write and a flush instead")
        data = bytes(sectors * SECTOR) if flags & DISCARD else _whole(log, sectors * SECTOR)
        entries.append(Entry(sector, data, bool(flags & FLUSH)))
    return entries


def _superblock(data: bytes) -> int:
    magic, version, entries, sector_size = _SUPER.unpack(data)
    if (magic, version, sector_size) != (_MAGIC, 1, SECTOR):
        raise ValueError(f"no log of this kind: magic {magic:x}, version {version}, sectors of {sector_size} bytes")
    return t.cast("int", entries)


def _whole(log: t.BinaryIO, size: int) -> bytes:
    data = log.read(size)
    if len(data) != size:
        raise ValueError(f"the log ends {size - len(data)} bytes too early")
    return data
