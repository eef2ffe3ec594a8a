# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompressing in a thread, a little ahead of who unpacks. PRIVATE to the collection.

Python lets others run while it decompresses or hashes, so on two cores unpacking a .tar.gz takes three quarters of the
time. Hashing alone, of a tar that lies there uncompressed, is too little work for a thread of its own.
"""

from __future__ import annotations

import queue
import threading
import typing as t

DEPTH = 4  # pieces: enough that neither side waits for the other at once, and little memory


class ReadAhead:
    """Iterates over *pieces* (none of them empty), which a thread takes from there, at most DEPTH ahead.

    raises: what *pieces* raises, at its place; after that, and at the end, it gives no more.
    """

    def __init__(self, pieces: t.Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._ready: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()  # b"" is the end
        self._room = threading.Semaphore(DEPTH)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __iter__(self) -> ReadAhead:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        piece = self._ready.get()
        self._room.release()
        if not piece or isinstance(piece, BaseException):
            self._ended = True
            self._thread.join()
            raise piece or StopIteration
        return piece

    def close(self) -> None:
        """Stop the thread, and close *pieces*."""
        self._ended = True
        self._room.release()
        self._thread.join()
        self._pieces.close()

    def _run(self) -> None:
        last: bytes | BaseException = b""
        try:
            for piece in self._pieces:
                self._room.acquire()
                if self._ended:
                    return
                self._ready.put(piece)
        except BaseException as error:  # for who iterates
            last = error
        self._ready.put(last)
