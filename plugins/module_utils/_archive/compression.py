# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write a layer archive, compressed or not, and compute both digests. PRIVATE to the collection.

Source: RFC 1952 (gzip), RFC 8878 (zstd), the .xz file format 1.2; moby/go-archive compression.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t
import zlib

from .._errors import ArchiveRejected, InvalidInput
from .decompress import decompress
from .digests import Digest
from .formats import GZIP, MAGIC_SIZE, NONE, WITH_GZIP_HEADER, ZSTD, compression_of
from .tar import CHUNK, LARGE, MAX_IDLE, Bytes, Read, Write

if t.TYPE_CHECKING:
    from .read_ahead import ReadAhead
    from .zstd_tool import ZstdTool

LEVELS = {NONE: range(0), GZIP: range(1, 10), ZSTD: range(1, 20)}  # the compressions that can be written
DEFAULT_LEVELS = {GZIP: 6, ZSTD: 3}  # the defaults of the tools


def check_level(compression: str, level: int | None, option_name: str) -> None:
    """Raise InvalidInput with the option's name if *compression* lacks *level*; None is the default level."""
    levels = LEVELS[compression]
    if level is None or level in levels:
        return
    if not levels:
        raise InvalidInput(
            f"{option_name}: compression {compression} has no levels",
            hint=f"leave {option_name} out, or choose another compression",
        )
    raise InvalidInput(
        f"{option_name}: {compression} has no level {level}",
        hint=f"give a number from {levels.start} to {levels.stop - 1}",
    )


def check_writable(compression: str) -> None:
    """Raise NotSupported if this host cannot write *compression*."""
    if compression == ZSTD:
        from .zstd_tool import check_installed

        check_installed()


class ArchiveReader:
    """Reads the tar in a file. At its end, `digest` and `diff_id` are the digests of the whole.

    read:   returns the file's next bytes, at most so many, b"" at its end. Called in a thread if compressed.
    ahead:  whether a thread decompresses and hashes ahead of the caller, or hashes what the caller reads in pieces of
            LARGE from a plain tar; not where other processes use the processors.
    raises: the errors of *read*.
    """

    def __init__(self, read: Read, ahead: bool = True) -> None:
        self._file_read = read
        self._file, self._tar = Digest(), Digest()
        self._rest = memoryview(b"")  # the part of the last piece that is not returned yet
        self._head = self._first_bytes()
        self.compression = compression_of(self._head)
        self._pieces: ReadAhead | t.Generator[bytes, None, None] | None = None  # of a compressed tar
        self._beside = ahead and self.compression == NONE and len(os.sched_getaffinity(0)) > 1
        if self.compression != NONE:
            self._pieces = self._count(decompress(self._next_bytes, self.compression))
            if ahead:
                from .read_ahead import ReadAhead

                self._pieces = ReadAhead(self._pieces)

    @property
    def digest(self) -> str:
        """The digest of the file's bytes read so far."""
        return str(self._file)

    @property
    def diff_id(self) -> str:
        """The digest of the tar's bytes read so far."""
        return str(self._file if self.compression == NONE else self._tar)

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes of the tar, b"" at its end.

        raises: ArchiveRejected if the file is damaged or cut off; NotSupported if the target cannot decompress it; the
                errors of the file's *read*.
        """
        if not self._rest:
            whole = next(self._pieces, b"") if self._pieces else self._next_bytes(size)
            if len(whole) <= size:  # nearly always: no copy is needed
                return whole
            self._rest = memoryview(whole)
        piece = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return piece

    def close(self) -> None:
        """Stop the threads and the command, if they run."""
        if self._pieces:
            self._pieces.close()
        self._file.close()

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _first_bytes(self) -> bytes:
        head = b""
        while len(head) < MAGIC_SIZE:
            piece = self._file_read(CHUNK)
            if not piece:
                break
            head += piece
        self._file.update(head)
        return head

    def _next_bytes(self, size: int) -> bytes:
        """Return the file's next bytes."""
        if self._head:
            piece, self._head = self._head, b""
            return piece
        piece = self._file_read(size)
        if self._beside and len(piece) >= LARGE:
            self._file.update_beside(piece)
        else:
            self._file.update(piece)
        if self.compression != NONE and self._file.size > 2 * self._tar.size + MAX_IDLE:
            raise ArchiveRejected(
                f"more than {MAX_IDLE} bytes of the {self.compression} file decompress to nothing",
                hint="the file is damaged or hostile; get it again from a source you trust",
            )
        return piece

    def _count(self, pieces: t.Generator[bytes, None, None]) -> t.Generator[bytes, None, None]:
        """Yield the *pieces* of the tar, and add them to its digest."""
        with contextlib.closing(pieces):
            for piece in pieces:
                self._tar.update(piece)
                yield piece


class ArchiveWriter:
    """Compresses a tar into a file. After finish(), `digest` and `diff_id` are the digests of the whole.

    write:  takes the file's next bytes. Called in a thread for zstd.
    level:  see `check_level`.
    raises: NotSupported if the target has no zstd.
    The same tar, compression and level make the same bytes: the file holds no name and no time.
    """

    def __init__(self, write: Write, compression: str = NONE, level: int | None = None) -> None:
        self.compression = compression
        self._file_write = write
        self._file, self._tar = Digest(), Digest()
        self._tool: ZstdTool | None = None
        if level is None:
            level = DEFAULT_LEVELS.get(compression)
        if compression == GZIP:
            self._gzip = zlib.compressobj(level or 0, zlib.DEFLATED, WITH_GZIP_HEADER)
        elif compression == ZSTD:
            from .zstd_tool import ZstdTool

            self._tool = ZstdTool("--single-thread", f"-{level}")  # the number of threads changes the bytes
            self._tool.collect(self._put)

    @property
    def digest(self) -> str:
        """The digest of the file's bytes written so far."""
        return str(self._file)

    @property
    def diff_id(self) -> str:
        """The digest of the tar's bytes written so far."""
        return str(self._file if self.compression == NONE else self._tar)

    def write(self, piece: Bytes) -> None:
        """Write the tar's next bytes. Raises OSError and, perhaps in a later call, the errors of the file's *write*."""
        if self.compression == NONE:
            self._put(piece)
            return
        self._tar.update(piece)
        if self._tool:
            self._feed(self._tool, piece)
        else:
            self._put(self._gzip.compress(piece))

    def finish(self) -> None:
        """Write the end of the file. Raises as `write`."""
        if self._tool:
            self._tool.input.close()
            self._end(self._tool)
        elif self.compression == GZIP:
            self._put(self._gzip.flush())

    def close(self) -> None:
        """Stop the command, if it runs. Without finish() the file is not complete."""
        if self._tool:
            self._tool.close()

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _put(self, piece: Bytes) -> None:
        if piece:
            self._file.update(piece)
            self._file_write(piece)

    def _feed(self, tool: ZstdTool, piece: Bytes) -> None:
        from .zstd_tool import write_all

        try:
            write_all(tool.input, piece)
        except BrokenPipeError:
            self._end(tool)
            raise

    def _end(self, tool: ZstdTool) -> None:
        from .zstd_tool import ZstdFailed

        try:
            tool.finish()
        except ZstdFailed as error:
            raise OSError(errno.EIO, f"zstd: {error}") from error
