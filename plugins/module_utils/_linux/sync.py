# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fsync(2) and syncfs(2) by path. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .libc import check, libc
from .noatime import open_quietly
from .subject import about

libc.syncfs.argtypes = (ctypes.c_int,)


def sync_filesystem(directory: str) -> None:
    """Write the whole filesystem of *directory* to disk, and wait until it is written. Raises OSError."""
    fd = open_quietly(directory, os.O_DIRECTORY)
    try:
        check(libc.syncfs(fd), directory)
    finally:
        os.close(fd)


def sync_file(path: str) -> None:
    """Make the content of a file durable. Raises OSError."""
    _sync(open_quietly(path), path)


def sync_directory(directory: str) -> None:
    """Make the renamed, new and removed names in *directory* durable. Raises OSError."""
    _sync(open_quietly(directory, os.O_DIRECTORY), directory)


def _sync(fd: int, path: str) -> None:
    with about(path):
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
