# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the exact record of a tar: all of its bytes that no file of the layer holds. PRIVATE to the collection.

The diff id of a layer is a digest of its tar. Two tars of the same files differ: in their order, their headers and
their padding. So the same tar can be written again only from a record of these bytes, and from the files.

A record is a line of text, and a zlib stream of segments behind it:

    strata-tar 1 sha256:... 00000000000000012288\\n     format, diff id and size of the tar; NULs until it is whole

    L, length (4 bytes), bytes                          bytes of the tar
    F, length of the path (4), path, size (8)           the whole content of a file, whose size this is
    P, length of the path (4), path, number (4),        pieces of a sparse file; for each of them
       offset (8), length (8)
    E                                                   the end

Numbers are little-endian. Paths are relative to the root of the layer, without symlinks.
"""

from __future__ import annotations

import struct
import typing as t
import zlib

from .exact_head import HEAD_SIZE
from .tar import Read

LITERAL, FILE, PIECES, END = b"L", b"F", b"P", b"E"
LENGTH, SIZE, PIECE = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<QQ")

_LEVEL = 1  # headers are nearly all zeros and repetitions: higher levels cost more and gain little


class ExactWriter:
    """Writes the record of a tar to a new *file* while the tar is read, in constant memory.

    Give the reader of the tar what tap() returns. is_whole: finish() was called, and the record tells the whole tar.
    Each method raises the errors of *file*.
    """

    def __init__(self, file: t.BinaryIO) -> None:
        self.is_whole = False
        self._file = file
        self._stream = zlib.compressobj(_LEVEL)
        self._has_head = False
        self._is_lost = False
        self._piece = b""  # the last piece of the tar that was read
        self._start = 0  # the offset of the piece in the tar
        self._done = 0  # the offset up to which all is recorded
        self._bodies: list[tuple[int, int, bytes]] = []  # in the piece or right behind: offset, size, segment

    def tap(self, read: Read) -> Read:
        """Return a function that reads a tar as *read* does, and records what it read."""

        def tapped(size: int) -> bytes:
            piece = read(size)
            self._record()
            self._start += len(self._piece)
            self._piece = piece
            return piece

        return tapped

    def add_file(self, path: bytes, at: int, size: int) -> None:
        """Note that the *size* bytes of the tar from the offset *at* are the content of the file *path*."""
        self._bodies.append((at, size, b"%b%b%b%b" % (FILE, LENGTH.pack(len(path)), path, SIZE.pack(size))))

    def add_pieces(self, path: bytes, at: int, size: int, pieces: t.Iterable[tuple[int, int]]) -> None:
        """Note that the *size* bytes from *at* are pieces of the file *path*: offset and length of each in the file."""
        packed = b"".join(PIECE.pack(*piece) for piece in pieces)
        number = len(packed) // PIECE.size
        start = b"%b%b%b%b" % (PIECES, LENGTH.pack(len(path)), path, LENGTH.pack(number))
        self._bodies.append((at, size, start + packed))

    def lose(self) -> None:
        """Note that content of the tar is in no file: another entry has replaced it. There will be no record."""
        self._is_lost = True
        self._bodies.clear()

    def finish(self, diff_id: str) -> None:
        """Write the end. diff_id: of the tar, which was read to its end."""
        self._record()
        if self._is_lost:
            return
        self._write(self._stream.compress(END) + self._stream.flush())
        self._file.seek(0)
        self._file.write(b"strata-tar 1 %b %020d\n" % (diff_id.encode("ascii"), self._start + len(self._piece)))
        self._file.flush()
        self.is_whole = True

    def _record(self) -> None:
        """Record the last piece, without the content of files."""
        if self._is_lost:
            return
        piece, start, done = self._piece, self._start, self._done
        found: list[bytes] = []
        for at, size, segment in self._bodies:
            if at > done:
                found += (LITERAL, LENGTH.pack(at - done), piece[done - start : at - start])
            found.append(segment)
            done = at + size
        end = start + len(piece)
        if end > done:
            found += (LITERAL, LENGTH.pack(end - done), piece[done - start :])
            done = end
        self._done = done
        self._bodies.clear()
        self._write(self._stream.compress(b"".join(found)))

    def _write(self, data: bytes) -> None:
        if not self._has_head:
            self._file.write(bytes(HEAD_SIZE))
            self._has_head = True
        if data:
            self._file.write(data)
