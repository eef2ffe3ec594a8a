# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a file below a directory, and follow no symlink on the way. PRIVATE to the collection."""

from __future__ import annotations

import os

from .noatime import open_quietly
from .subject import about

_NONE = os.O_NOFOLLOW | os.O_NONBLOCK  # without O_NONBLOCK, opening a fifo would wait for a writer


def open_below(dir_fd: int, path: str, flags: int = 0) -> int:
    """Open the file at *path* below *dir_fd* for reading. Raises OSError with the path: ELOOP, ENOTDIR for a symlink.

    openat2 can do the same since Linux 5.6, where no sandbox forbids the call.
    """
    with about(path):
        directory, name = os.path.split(path)
        above = dir_fd
        try:
            for part in filter(None, directory.split("/")):
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
                if above != dir_fd:
                    os.close(above)
                above = below
            return open_quietly(name, _NONE | flags, dir_fd=above)
        finally:
            if above != dir_fd:
                os.close(above)


def names_below(dir_fd: int, path: str) -> list[str]:
    """Return the names in the directory *path* below *dir_fd*. Raises OSError with the path."""
    fd = open_below(dir_fd, path, os.O_DIRECTORY)
    with about(path):
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)
