# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image in a tar, plain or compressed. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._archive.tar import REGULAR, Read
from .._errors import NotSupported, printable
from .._linux.subject import about
from .files import File, Files, reader_of
from .members import Headers, Member, Members, ReadAt
from .strict_json import LIMIT

_KEPT = 8 << 20  # bytes of documents kept from a compressed tar
_PASSES = 8  # times that a compressed tar is decompressed
_JSON_STARTS = (b"{", b"[")
_SMALL = 64 << 10  # bytes of a file that is kept until the next one is read: an image may have a small layer many times


class TarFiles(Files):
    """The *members* of a tar. read_at: reads the tar."""

    def __init__(self, members: Members, read_at: ReadAt) -> None:
        self._members = members
        self._read_at = read_at

    def find(self, name: str) -> File | None:
        """Return the regular file *name*; None if it is missing. Raises ArchiveRejected."""
        member = self._members.find(_raw(name))
        return member and File(name, member.size, member.offset)

    @contextlib.contextmanager
    def open(self, file: File) -> t.Iterator[Read]:
        """Yield a function that reads *file* from its start. The function raises ArchiveRejected, OSError."""
        yield reader_of(file, lambda offset, size: self._read_at(file.offset + offset, size))

    def is_doubled(self, name: str) -> bool:
        """Tell whether the archive has several files *name*."""
        return self._members.is_doubled(_raw(name))


class CompressedFiles(TarFiles):
    """The members of a compressed tar. kept: by offset, the content of files that may be documents.

    Also kept is the last small file that was read.
    """

    in_order = True

    def __init__(self, members: Members, read_at: ReadAt, kept: t.Mapping[int, bytes]) -> None:
        super().__init__(members, read_at)
        self._kept = kept
        self._last: tuple[int, bytes] | None = None  # offset, content

    @contextlib.contextmanager
    def open(self, file: File) -> t.Iterator[Read]:
        """Yield a function that reads *file* from its start. The function raises ArchiveRejected, OSError."""
        kept = self._content(file)
        if kept is None:
            with super().open(file) as read:
                yield read
        else:
            data = kept
            yield reader_of(file, lambda offset, size: data[offset:][:size])

    def _content(self, file: File) -> bytes | None:
        """Return the content of a file that is kept, or that is small; None for another one."""
        if file.offset in self._kept or file.size > _SMALL:
            return self._kept.get(file.offset)
        if self._last is None or self._last[0] != file.offset:
            self._last = file.offset, self._read_at(file.offset, file.size)
        return self._last[1]


def plain_files(path: str, fd: int) -> TarFiles:
    """Return the files of the plain tar *fd*. Raises ArchiveRejected, OSError."""
    end = os.fstat(fd).st_size

    def read_at(offset: int, size: int) -> bytes:
        if offset > end:
            raise EOFError
        with about(path):
            return os.pread(fd, size, offset)

    members = Members()
    for name, member in Headers(read_at):
        members.add(name, member)
    return TarFiles(members, read_at)


def compressed_files(stream: Stream) -> CompressedFiles:
    """Return the files of a compressed tar. Raises ArchiveRejected, NotSupported, OSError.

    The index of an image often comes last. So each file that may be a document is kept when it comes by.
    """
    members, kept, room = Members(), {}, _KEPT
    for name, member in Headers(stream.read_at):
        members.add(name, member)
        if member.kind == REGULAR and 0 < member.size <= min(LIMIT, room) and _may_be_json(stream, member):
            kept[member.offset] = stream.read_at(member.offset, member.size)
            room -= member.size
    return CompressedFiles(members, stream.read_at, kept)


def _may_be_json(stream: Stream, member: Member) -> bool:
    return stream.read_at(member.offset, 1) in _JSON_STARTS


class Stream:
    """A compressed file. It is decompressed from its start again if an offset lies before the current piece."""

    def __init__(self, path: str, fd: int, compression: str) -> None:
        self._path = path
        self._fd = fd
        self._compression = compression
        self._pieces: t.Generator[bytes, None, None] | None = None
        self._piece = memoryview(b"")
        self._start = 0  # the offset of the piece
        self._passes = 0

    def read_at(self, offset: int, size: int) -> bytes:
        """Return *size* bytes from *offset*: fewer at the end.

        raises: EOFError beyond the end; ArchiveRejected, NotSupported, OSError.
        """
        if self._pieces is None or offset < self._start:
            self._restart()
        while offset >= self._start + len(self._piece):
            if not self._next():
                if offset > self._start:
                    raise EOFError
                return b""
        found = bytes(self._piece[offset - self._start :][:size])
        while len(found) < size and self._next():
            found += self._piece[: size - len(found)]
        return found

    def close(self) -> None:
        """Stop the command, if it runs."""
        if self._pieces is not None:
            self._pieces.close()

    def _next(self) -> bool:
        """Go to the next piece, and tell whether there is one; at the end, the piece is empty."""
        self._start += len(self._piece)
        pieces = t.cast("t.Generator[bytes, None, None]", self._pieces)
        self._piece = memoryview(next(pieces, b""))
        return len(self._piece) > 0

    def _restart(self) -> None:
        self.close()
        self._passes += 1
        if self._passes > _PASSES:
            raise NotSupported(
                f"{printable(self._path)} would have to be decompressed more than {_PASSES} times",
                hint="decompress the archive first: the files of a plain tar are read in any order",
            )
        self._start, self._piece, at = 0, memoryview(b""), 0

        def read(size: int) -> bytes:
            nonlocal at
            with about(self._path):
                piece = os.pread(self._fd, size, at)
            at += len(piece)
            return piece

        from .._archive.decompress import decompress  # a plain tar does not need it

        self._pieces = decompress(read, self._compression)


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
