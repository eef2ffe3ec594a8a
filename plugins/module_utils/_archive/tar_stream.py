# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write headers and bodies as a stream of large pieces. PRIVATE to the collection."""

from __future__ import annotations

import os

from .tar import BLOCK, CHUNK, Write
from .walk import changed_meanwhile_error


class Stream:
    """Gathers the stream in one buffer, so that small entries need no write of their own."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._buffer = memoryview(bytearray(CHUNK))
        self._used = 0

    def put(self, blocks: bytes) -> None:
        """Add header blocks."""
        end = self._used + len(blocks)
        if end > CHUNK:
            self.flush()
            end = len(blocks)
            if end > CHUNK:  # a header larger than the buffer: a path of several hundred KiB
                self._write(blocks)
                return
        self._buffer[self._used : end] = blocks
        self._used = end

    def put_file(self, head: bytes, fd: int, size: int, path: bytes) -> None:
        """Add header blocks and *size* bytes from *fd*, padded. Raises LayerInUse if the file has another size."""
        start = self._used + len(head)
        end = start + size
        if end + BLOCK > CHUNK or not size:
            self.put(head)
            if size:
                self._put_body(fd, size, path)
            return
        # A small file, in as few steps as possible.
        buffer = self._buffer
        buffer[self._used : start] = head
        got = _read_into(buffer[start : end + 1], fd, path)  # one byte more, to notice a file that has grown
        if got != size:
            raise changed_meanwhile_error(path, "grew" if got > size else "shrank")
        self._used = end + -size % BLOCK
        buffer[end : self._used] = bytes(self._used - end)

    def _put_body(self, fd: int, size: int, path: bytes) -> None:
        if size >= CHUNK - self._used:
            self.flush()  # one read then gets a whole small file, and a short read proves its end
        left = size
        while True:
            room = self._buffer[self._used :]
            got = _read_into(room, fd, path)
            left -= got
            if left < 0:
                raise changed_meanwhile_error(path, "grew")
            if not got:
                break
            self._used += got
            if got == len(room):
                self.flush()
            elif not left:
                break
        if left:
            raise changed_meanwhile_error(path, "shrank")
        padding = -size % BLOCK
        self._buffer[self._used : self._used + padding] = bytes(padding)
        self._used += padding

    def flush(self) -> None:
        """Pass the gathered bytes to *write*."""
        if self._used:
            self._write(self._buffer[: self._used])
            self._used = 0


def _read_into(room: memoryview, fd: int, path: bytes) -> int:
    try:
        return os.readv(fd, [room])
    except OSError as error:
        error.filename = os.fsdecode(path)
        raise
