# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompress a stream in pieces of bounded size. PRIVATE to the collection.

bz2, lzma and the zstd command are loaded only when an archive needs them; they may be missing.
"""

from __future__ import annotations

import typing as t
import zlib

from .._errors import ArchiveRejected, NotSupported
from .formats import BZIP2, GZIP, WITH_GZIP_HEADER, XZ, ZSTD
from .tar import CHUNK, Read

# The limit of memory for one archive, in bytes. xz's strongest preset needs 65 MiB; moby accepts zstd windows up to
# this size.
_MEMORY = 1 << 29
_XZ_PADDING = 4  # bytes: the padding after a stream is a multiple of 4
_PADDED = (GZIP, XZ)  # the formats that allow zeros after a member


class _Decompressor(t.Protocol):
    """The interface of bz2 and lzma for one member of a stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib with the interface of _Decompressor. zlib verifies the checksum."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(WITH_GZIP_HEADER)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


def decompress(read: Read, compression: str) -> t.Generator[bytes, None, None]:
    """Yield the decompressed bytes of a stream. A caller that does not read to the end must close the generator.

    read:   returns the next bytes, at most so many, b"" at the end. Called in another thread for zstd.
    raises: ArchiveRejected if the stream is damaged or cut off; NotSupported if the target cannot decompress it; the
            errors of *read*.
    """
    if compression == ZSTD:
        yield from _by_zstd(read)
    else:
        yield from _by_library(read, compression)


def _by_library(read: Read, compression: str) -> t.Iterator[bytes]:
    new_member = _member_maker(compression)
    member, data, ended = new_member(), b"", False
    while True:
        if member.needs_input and not data and not ended:
            data = read(CHUNK)
            ended = not data
        try:
            piece = member.decompress(data, CHUNK)
        except Exception as error:  # each library has its own errors; bz2 raises OSError
            raise _decompression_error(compression, str(error)) from error
        data = b""
        if piece:
            yield piece
        elif ended and not member.eof:
            raise _damaged_error(compression, "it was cut off")
        if member.eof:
            data = _next_member(read, compression, member.unused_data)
            if not data:
                return
            member = new_member()


def _next_member(read: Read, compression: str, data: bytes) -> bytes:
    """Return the first bytes of the next member, b"" at the end. data: the bytes after the last member."""
    padding = 0
    while data or (data := read(CHUNK)):
        if compression in _PADDED:
            rest = data.lstrip(b"\0")
            padding += len(data) - len(rest)
            data = rest
        if data:
            break
    if compression == XZ and padding % _XZ_PADDING:
        cause = f"{padding} bytes of padding follow a stream, which is not a multiple of {_XZ_PADDING}"
        raise _damaged_error(XZ, cause)
    return data


def _member_maker(compression: str) -> t.Callable[[], _Decompressor]:
    """Return the function that makes a decompressor for one member. Raises NotSupported."""
    try:
        if compression == BZIP2:
            from bz2 import BZ2Decompressor

            return BZ2Decompressor
        if compression == XZ:
            from lzma import FORMAT_XZ, LZMADecompressor

            return lambda: LZMADecompressor(FORMAT_XZ, _MEMORY)
    except ImportError as error:
        raise NotSupported(
            f"the archive is compressed with {compression}, which the target's Python was built without",
            hint="compress the archive with gzip or zstd, or set another Python (ansible_python_interpreter)",
        ) from error
    return _GzipMember


def _by_zstd(read: Read) -> t.Iterator[bytes]:
    from .zstd_tool import ZstdFailed, ZstdTool

    tool = ZstdTool("-d", f"--memory={_MEMORY >> 20}MB")
    try:
        tool.feed(read)
        yield from iter(lambda: tool.output.read(CHUNK), b"")
        tool.finish()
    except ZstdFailed as error:
        raise _decompression_error(ZSTD, str(error)) from error
    finally:
        tool.close()


def _decompression_error(compression: str, cause: str) -> ArchiveRejected:
    """Return the error for *cause*, the message of a library or command about its input."""
    if "memory" not in cause.lower() and "window" not in cause.lower():
        return _damaged_error(compression, cause)
    return ArchiveRejected(
        f"to decompress the archive, {compression} needs more than {_MEMORY >> 20} MiB of memory",
        hint=f"compress the tar again with a smaller {'dictionary' if compression == XZ else 'window'}, or with gzip",
    )


def _damaged_error(compression: str, cause: str) -> ArchiveRejected:
    return ArchiveRejected(
        f"the archive is not a complete {compression} file: {cause}",
        hint="the archive is damaged or was cut off; get it again",
    )
