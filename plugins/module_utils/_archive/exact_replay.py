# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a tar again, from its exact record and the files of the layer. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
import zlib

from .._errors import printable
from .._linux.noatime import open_quietly
from .digests import Digest
from .exact import END, FILE, LENGTH, LITERAL, PIECE, PIECES, SIZE
from .exact_head import HEAD_SIZE, parse_head
from .tar import CHUNK, Read, Write
from .walk import MAX_PATH

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_PATH_MAX = MAX_PATH + 256  # bytes: of a directory, and of a name in it


class NotExact(Exception):
    """The tar cannot be written again. The message says why."""


def replay(read: Read, root: str, write: Write) -> None:
    """Write the tar of a layer to *write*.

    read:   reads the record from its start.
    root:   the directory with the files of the layer.
    raises: NotExact if the result is not the tar of the record: a file has changed, or the record is damaged; what was
            written is then worthless. OSError; the errors of *read* and *write*.
    """
    head = parse_head(_whole(read, HEAD_SIZE))
    if head is None:
        raise NotExact("its exact record is not whole")
    digest = Digest()

    def put(piece: bytes) -> None:
        digest.update(piece)
        if digest.size > head.size:
            raise NotExact(_OTHER)
        write(piece)

    segments = _Segments(read)
    with _Files(root) as files:
        while True:
            kind = segments.take(1)
            if kind == LITERAL:
                segments.copy(LENGTH.unpack(segments.take(LENGTH.size))[0], put)
            elif kind == FILE:
                path = segments.path()
                files.copy_whole(path, SIZE.unpack(segments.take(SIZE.size))[0], put)
            elif kind == PIECES:
                path = segments.path()
                files.copy_pieces(path, segments.pieces(), put)
            elif kind == END:
                break
            else:
                raise NotExact(_DAMAGED)
    if (str(digest), digest.size) != head:
        raise NotExact(_OTHER)


_DAMAGED = "its exact record is damaged"
_OTHER = "the tar that its files and its exact record give is another one: a file has changed"


def _whole(read: Read, size: int) -> bytes:
    """Return the next *size* bytes, fewer at the end."""
    found = b""
    while len(found) < size:
        piece = read(size - len(found))
        if not piece:
            break
        found += piece
    return found


class _Segments:
    """The bytes of the zlib stream that *read* reads. Raises NotExact if the stream is damaged or cut off."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._stream = zlib.decompressobj()
        self._piece = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        end = self._at + size
        if end <= len(self._piece):
            found = self._piece[self._at : end]
            self._at = end
            return found
        pieces: list[bytes] = []
        self.copy(size, pieces.append)
        return b"".join(pieces)

    def copy(self, size: int, put: t.Callable[[bytes], object]) -> None:
        """Give the next *size* bytes to *put*."""
        while size:
            if self._at == len(self._piece):
                self._piece, self._at = self._next(), 0
            found = self._piece[self._at : self._at + size]
            self._at += len(found)
            size -= len(found)
            put(found)

    def path(self) -> bytes:
        """Return the path that comes next."""
        size = LENGTH.unpack(self.take(LENGTH.size))[0]
        if not 0 < size <= _PATH_MAX:
            raise NotExact(_DAMAGED)
        return self.take(size)

    def pieces(self) -> t.Iterator[tuple[int, int]]:
        """Yield the pieces of a file that come next: offset and length."""
        for _unused in range(LENGTH.unpack(self.take(LENGTH.size))[0]):
            yield t.cast("tuple[int, int]", PIECE.unpack(self.take(PIECE.size)))

    def _next(self) -> bytes:
        while not self._stream.eof:
            data = self._stream.unconsumed_tail or self._read(CHUNK)
            try:
                piece = self._stream.decompress(data, CHUNK)
            except zlib.error:
                break
            if piece:
                return piece
            if not data:
                break
        raise NotExact(_DAMAGED)


class _Files:
    """The files below the directory *root*, opened name by name: no symlink leads out. Use it as a context."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._top = -1
        self._parent = b""
        self._directory = -1  # of the file before: a tar has the files of a directory together

    def __enter__(self) -> _Files:
        self._top = open_quietly(self._root, os.O_DIRECTORY)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._leave()
        os.close(self._top)

    def copy_whole(self, path: bytes, size: int, put: t.Callable[[bytes], object]) -> None:
        """Give the content of a file to *put*. Raises NotExact unless it is a regular file of that *size*; OSError."""
        fd = self._open(path)
        try:
            if os.fstat(fd).st_size != size:
                raise NotExact(f"{printable(path)} has another size than when the tar was applied")
            while size:
                piece = os.read(fd, min(size, CHUNK))
                if not piece:
                    raise NotExact(f"{printable(path)} became shorter")
                size -= len(piece)
                put(piece)
        finally:
            os.close(fd)

    def copy_pieces(self, path: bytes, pieces: t.Iterable[tuple[int, int]], put: t.Callable[[bytes], object]) -> None:
        """Give pieces of a file to *put*. Raises NotExact unless it is a regular file that has them; OSError."""
        fd = self._open(path)
        try:
            for offset, size in pieces:
                at, end = offset, offset + size
                while at < end:
                    piece = os.pread(fd, min(end - at, CHUNK), at) if at < 1 << 63 else b""
                    if not piece:
                        raise NotExact(f"{printable(path)} is shorter than when the tar was applied")
                    at += len(piece)
                    put(piece)
        finally:
            os.close(fd)

    def _open(self, path: bytes) -> int:
        """Open a regular file. Raises NotExact if there is none."""
        parent, _slash, name = path.rpartition(b"/")
        try:
            if parent != self._parent:
                self._leave()
                self._enter(parent)
            at = self._top if self._directory < 0 else self._directory
            fd = open_quietly(_checked(name), os.O_NOFOLLOW | os.O_NONBLOCK, at)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            raise NotExact(f"{printable(path)} is missing") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NotExact(f"{printable(path)} is not a regular file any more")
        return fd

    def _enter(self, parent: bytes) -> None:
        for part in parent.split(b"/") if parent else ():
            at = self._top if self._directory < 0 else self._directory
            fd = open_quietly(_checked(part), os.O_NOFOLLOW | os.O_DIRECTORY, at)
            self._close()
            self._directory = fd
        self._parent = parent

    def _leave(self) -> None:
        self._close()
        self._parent = b""

    def _close(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1


def _checked(name: bytes) -> bytes:
    """Return *name*. Raises NotExact for a name that leads elsewhere: the record was changed."""
    if name in (b"", b".", b"..") or b"\0" in name:
        raise NotExact(_DAMAGED)
    return name
