# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fsync(2) and syncfs(2) of what a path leads to. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .libc import check, libc
from .noatime import open_quietly
from .subject import about

libc.syncfs.argtypes = (ctypes.c_int,)


def sync_filesystem(directory: str) -> None:
    """Write everything of the filesystem that holds *directory* to disk, and wait for it. Raises OSError."""
    fd = open_quietly(directory, os.O_DIRECTORY)
    try:
        check(libc.syncfs(fd), directory)
    finally:
        os.close(fd)


def sync_file(path: str) -> None:
    """Make durable what a file holds. Raises OSError."""
    _sync(open_quietly(path), path)


def sync_directory(directory: str) -> None:
    """Make durable what was renamed, made or removed in *directory*. Raises OSError."""
    _sync(open_quietly(directory, os.O_DIRECTORY), directory)


def _sync(fd: int, path: str) -> None:
    with about(path):
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
