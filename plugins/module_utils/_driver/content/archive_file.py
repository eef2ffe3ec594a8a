# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the file that a layer's tar comes from or goes to. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._archive.compression import (
    ArchiveReader,
    check_level,
)
from ..._archive.digests import Digest
from ..._archive.formats import MAGIC_SIZE, NONE, compression_of
from ..._archive.tar import CHUNK, Read
from ..._errors import ArchiveRejected, InvalidInput, NotSupported, printable
from ..._linux.noatime import open_quietly
from ..._linux.subject import about

_OVERHEAD = 1 << 20  # bytes: a compressed file is larger than its tar by this and a 16th at most
_MOST_HOLES = 16 << 30  # bytes: read within seconds


def check_compression(compression: str, level: int | None) -> None:
    """Raise InvalidInput if *compression* does not have the *level*."""
    check_level(compression, level, "compression_level")


class Written(t.NamedTuple):
    """A tar in a file. digest: of the file; diff_id: of the tar; size: of the tar, in bytes."""

    digest: str
    diff_id: str
    size: int


def is_tar(file: t.BinaryIO, tar: Digest, compression: str) -> Written | None:
    """Return what *file* holds if it is exactly *tar* in this *compression*; None otherwise. Raises OSError.

    Any user who may write to the directory may have put any file there. So a file that is too large is not read, and
    decompressing stops at the size of the tar.
    """
    there = os.fstat(file.fileno()).st_size
    most = tar.size if compression == NONE else tar.size + tar.size // 16 + _OVERHEAD
    if there > most or (compression == NONE and there != most):
        return None
    if compression_of(os.pread(file.fileno(), MAGIC_SIZE, 0)) != compression:
        return None
    left = there

    def read(size: int) -> bytes:
        nonlocal left
        piece = file.read(min(size, left))
        left -= len(piece)
        return piece

    size = 0
    try:
        with ArchiveReader(read) as reader:
            for piece in iter(lambda: reader.read(CHUNK), b""):
                size += len(piece)
                if size > tar.size:
                    return None
            return Written(reader.digest, reader.diff_id, size) if reader.diff_id == str(tar) else None
    except (ArchiveRejected, NotSupported):
        return None


def file_digest(path: str) -> str:
    """Return the digest of the file at *path*, as stored; "" for a file with more than 16 GiB of holes.

    Reading a file of holes may take years, and no tool writes an archive with such holes.

    raises: InvalidInput if the file is missing, or is not a regular file; OSError.
    """
    digest = Digest()
    with _opened(path) as (fd, read):
        if _has_endless_holes(fd):
            return ""
        for piece in iter(lambda: read(CHUNK), b""):
            digest.update(piece)
    return str(digest)


def _has_endless_holes(fd: int) -> bool:
    size, holes, at = os.fstat(fd).st_size, 0, 0
    while at < size and holes <= _MOST_HOLES:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size
        holes += data - at
        at = os.lseek(fd, data, os.SEEK_HOLE) if data < size else size
    os.lseek(fd, 0, os.SEEK_SET)
    return holes > _MOST_HOLES


@contextlib.contextmanager
def _opened(path: str) -> t.Iterator[tuple[int, Read]]:
    """Yield the descriptor of a regular file and its read function. Errors name the path."""
    try:
        fd = open_quietly(path, os.O_NONBLOCK)  # opening a fifo could wait forever for a writer
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {printable(path)}", hint="check src and remote_src") from None
    except OSError as error:
        if error.errno != errno.ENXIO:  # of a socket
            raise
        raise _kind_error(path) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _kind_error(path)
    with open(fd, "rb", buffering=0) as file:

        def read(size: int) -> bytes:
            with about(path):
                return t.cast(bytes, file.read(size))

        yield fd, read


def _kind_error(path: str) -> InvalidInput:
    return InvalidInput(f"{printable(path)} is not a regular file", hint="give a layer's tar")


@contextlib.contextmanager
def open_archive(path: str) -> t.Iterator[ArchiveReader]:
    """Yield a reader of the archive at *path*. Raises as file_digest, and what ArchiveReader raises."""
    with _opened(path) as opened, ArchiveReader(opened[1]) as reader:
        yield reader
