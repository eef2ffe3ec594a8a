# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompressing a stream, in pieces of bounded size whatever it decompresses to. PRIVATE to the collection.

bz2, lzma and the zstd command are only loaded by who needs them, and may be missing.
"""

from __future__ import annotations

import typing as t
import zlib

from .._errors import ArchiveRejected, NotSupported
from .tar import CHUNK, Read

NONE = "none"
GZIP = "gzip"
BZIP2 = "bzip2"
XZ = "xz"
ZSTD = "zstd"

WITH_GZIP_HEADER = 31  # zlib's wbits

# Bytes, so that a hostile archive cannot take more; xz's strongest preset needs 65 MiB. Of zstd's windows moby takes
# those up to it.
_MEMORY = 1 << 29
_XZ_PADDING = 4  # bytes: the padding behind a stream is a multiple of it
_PADDED = (GZIP, XZ)  # zeros may follow their members


class _Decompressor(t.Protocol):
    """The interface that bz2 and lzma share: for one member of a stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib with that interface. zlib verifies the checksum."""

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
    """Yield what the stream that *read* gives decompresses to. It must be closed if it is not gone through.

    read:   gives the next bytes, at most so many, none at the end. For zstd it is called in another thread.
    raises: ArchiveRejected for a stream that is damaged or cut off, NotSupported where the target has no means for
            it, what *read* raises.
    """
    if compression == NONE:
        yield from iter(lambda: read(CHUNK), b"")
    elif compression == ZSTD:
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
        except Exception as error:  # each library has its own; bz2's is OSError
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
    """Return the first bytes of the next member, *data* being what followed the last one; none at the end."""
    padding = 0
    while data or (data := read(CHUNK)):
        if compression in _PADDED:
            rest = data.lstrip(b"\0")
            padding += len(data) - len(rest)
            data = rest
        if data:
            break
    if compression == XZ and padding % _XZ_PADDING:
        raise _damaged_error(XZ, f"{padding} bytes of padding follow a stream, which is no multiple of {_XZ_PADDING}")
    return data


def _member_maker(compression: str) -> t.Callable[[], _Decompressor]:
    """Return what makes a decompressor for one member. Raises NotSupported."""
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
            hint="compress it with gzip or zstd, or have the task use another Python (ansible_python_interpreter)",
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
    """Return the error for what a library or command says about its input."""
    if "memory" not in cause.lower() and "window" not in cause.lower():
        return _damaged_error(compression, cause)
    return ArchiveRejected(
        f"to decompress the archive, {compression} needs more than {_MEMORY >> 20} MiB of memory",
        hint=f"compress it again with a smaller {'dictionary' if compression == XZ else 'window'}, or with gzip",
    )


def _damaged_error(compression: str, cause: str) -> ArchiveRejected:
    return ArchiveRejected(
        f"the archive is no whole {compression} file: {cause}", hint="it is damaged or was cut off; get it again"
    )
