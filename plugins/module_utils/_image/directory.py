# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image in a directory. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .._archive.tar import Read
from .._linux.noatime import open_quietly
from .._linux.subject import about
from .errors import file_error
from .files import File, Files, reader_of

_NOT_FOLLOWED = (errno.ELOOP, errno.ENOTDIR)
_LINK_HINT = "put the files themselves into the directory, or give the archive as a tar"


class Directory(Files):
    """The files below the open directory *fd*. No symlink is followed: it could lead anywhere."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    def find(self, name: str) -> File | None:
        """Return the regular file *name*; None if it is missing. Raises ArchiveRejected, OSError."""
        try:
            fd = self._opened(name)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(fd)
        finally:
            os.close(fd)
        if not stat.S_ISREG(found.st_mode):
            raise file_error(name, "it is not a regular file")
        return File(name, found.st_size, 0)

    @contextlib.contextmanager
    def open(self, file: File) -> t.Iterator[Read]:
        """Yield a function that reads *file* from its start. The function raises ArchiveRejected, OSError."""
        fd = self._opened(file.name)

        def read_at(offset: int, size: int) -> bytes:
            with about(self._path):
                return os.pread(fd, size, offset)

        try:
            yield reader_of(file, read_at)
        finally:
            os.close(fd)

    def _opened(self, name: str) -> int:
        """Open a file, one directory after the other."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in name or not parts:
            raise file_error(name, "this name leads out of the archive")
        fd = os.dup(self._fd)
        try:
            with about(self._path):
                for place, part in enumerate(parts, 1):
                    flags = os.O_NOFOLLOW | (os.O_NONBLOCK if place == len(parts) else os.O_DIRECTORY)
                    below = open_quietly(part.encode("utf-8", "surrogatepass"), flags, fd)
                    os.close(fd)
                    fd = below
        except OSError as error:
            os.close(fd)
            if error.errno in _NOT_FOLLOWED:
                raise file_error(name, "a symlink, or a file, is in its place or on the way", _LINK_HINT) from error
            raise
        return fd
