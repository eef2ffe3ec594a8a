# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompress in a thread, a little ahead of the caller that unpacks. PRIVATE to the collection.

Python lets other threads run while it decompresses or hashes, so on two cores unpacking a .tar.gz takes three quarters
of the time. For an uncompressed tar there is only the hash to compute, which is too little work for a thread.
"""

from __future__ import annotations

import queue
import threading
import typing as t

DEPTH = 4  # pieces: enough to keep both sides busy, in little memory


class ReadAhead:
    """Iterates over *pieces*, none of them empty. A thread reads at most DEPTH pieces ahead.

    raises: the errors of *pieces*, after the pieces before the error. After an error the iteration ends.
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
        except BaseException as error:  # __next__ raises it
            last = error
        self._ready.put(last)
