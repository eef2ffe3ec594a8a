# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the content of a layer's files. PRIVATE to the collection."""

from __future__ import annotations

import os

from .checksum import crc32, crc32_of_hole
from .tar_reader import TarReader


def write_pieces(reader: TarReader, fd: int, size: int) -> int:
    """Write the data of the current sparse file at the offsets in its map, and set its *size*; return its CRC."""
    os.ftruncate(fd, size)
    rest = memoryview(b"")
    crc = end = 0
    for offset, left in reader.sparse.pieces() if reader.sparse else ():
        crc = crc32_of_hole(crc, offset - end)
        end = offset + left
        os.lseek(fd, offset, os.SEEK_SET)
        while left:
            rest = rest or memoryview(reader.piece())
            piece, rest = rest[:left], rest[left:]
            crc = crc32(piece, crc)
            write_rest(fd, piece)
            left -= len(piece)
    return crc32_of_hole(crc, size - end)


def write_rest(fd: int, rest: memoryview) -> None:
    """Write the rest after a short write(2): the disk is nearly full (the next call fails), or a signal came."""
    while rest:
        rest = rest[os.write(fd, rest) :]
