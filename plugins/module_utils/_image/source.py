# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open an image archive: a directory, a tar or a compressed tar. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .._archive.formats import MAGIC_SIZE, NONE, compression_of
from .._errors import InvalidInput, printable
from .._linux.noatime import open_quietly
from .errors import CUT_HINT, START, file_error
from .files import Files
from .tar_files import Stream, compressed_files, plain_files


@contextlib.contextmanager
def open_files(path: str) -> t.Iterator[Files]:
    """Yield the files of the image archive at *path*. Its content tells what it is.

    raises: InvalidInput if there is no file or directory; ArchiveRejected if it is not a tar; NotSupported if the tar's
            compression cannot be read here; OSError.
    """
    try:
        fd = open_quietly(path, os.O_NONBLOCK)  # opening a fifo could wait forever for a writer
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {printable(path)}", hint="check src and remote_src") from None
    except OSError as error:
        if error.errno != errno.ENXIO:  # of a socket
            raise
        raise _kind_error(path) from error
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            from .directory import Directory  # most archives are tars, and each import is compiled on every host

            yield Directory(path, fd)
        elif stat.S_ISREG(found.st_mode):
            if not found.st_size:
                raise file_error(START, "the archive is empty", CUT_HINT)
            compression = compression_of(os.pread(fd, MAGIC_SIZE, 0))
            with contextlib.closing(Stream(path, fd, compression)) as stream:
                yield plain_files(path, fd) if compression == NONE else compressed_files(stream)
        else:
            raise _kind_error(path)
    finally:
        os.close(fd)


def _kind_error(path: str) -> InvalidInput:
    return InvalidInput(f"{printable(path)} is not a regular file or a directory", hint="give the archive of an image")
