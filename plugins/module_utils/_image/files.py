# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image archive, read where they lie. PRIVATE to the collection.

Nothing is unpacked, so nothing is written, and no name in an archive can lead out of it.
"""

from __future__ import annotations

import abc
import typing as t

from .._archive.tar import Read
from .errors import CUT_HINT, file_error


class File(t.NamedTuple):
    """A regular file of an archive. offset: of its content in the tar; 0 in a directory."""

    name: str
    size: int
    offset: int


class Files(abc.ABC):
    """The files of an image archive.

    in_order: files are best read by their offsets, because going back costs as much as starting again.
    """

    in_order = False

    @abc.abstractmethod
    def find(self, name: str) -> File | None:
        """Return the regular file *name*; None if it is missing. Raises ArchiveRejected, OSError."""

    @abc.abstractmethod
    def open(self, file: File) -> t.ContextManager[Read]:
        """Yield a function that reads *file* from its start. The function raises ArchiveRejected, OSError."""

    def is_doubled(self, _name: str) -> bool:
        """Tell whether the archive has several files *name*."""
        return False


def reader_of(file: File, read_at: t.Callable[[int, int], bytes]) -> Read:
    """Return a function that reads *file* from its start to its end, and not beyond.

    read_at: returns so many bytes at an offset of the file, fewer at the end.
    """
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        wanted = min(size, file.size - at)
        piece = read_at(at, wanted) if wanted else b""
        if wanted and not piece:
            raise file_error(file.name, f"it ends {file.size - at} bytes early", CUT_HINT)
        at += len(piece)
        return piece

    return read
