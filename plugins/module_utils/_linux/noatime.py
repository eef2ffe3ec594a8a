# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read files without changing their access time. PRIVATE to the collection."""

from __future__ import annotations

import os

from .subject import about

_NOATIME = getattr(os, "O_NOATIME", 0)  # Linux has it; a controller may be another system
_USUAL = 4096  # bytes; few files of a store have more


def open_quietly(name: str | bytes, flags: int = 0, dir_fd: int | None = None) -> int:
    """Open *name* for reading, without touching its access time. Raises OSError."""
    flags |= os.O_RDONLY | os.O_CLOEXEC
    try:
        return os.open(name, flags | _NOATIME, dir_fd=dir_fd)
    except PermissionError:  # refused if our user namespace does not map the owner
        return os.open(name, flags, dir_fd=dir_fd)


def read_quietly(name: str | bytes, limit: int = 1 << 20) -> bytes:
    """Return at most *limit* bytes of the file *name*, without touching its access time. Raises OSError."""
    fd = open_quietly(name, os.O_NOFOLLOW | os.O_NONBLOCK)  # without O_NONBLOCK, opening a fifo would wait for a writer
    try:
        data = os.read(fd, min(limit, _USUAL))  # a larger buffer would cost a memory mapping for each small file
        return data if len(data) < _USUAL else data + os.read(fd, limit - len(data))
    except OSError:
        with about(name):  # only here: entering it for each file would cost as much as a system call
            raise
    finally:
        os.close(fd)
