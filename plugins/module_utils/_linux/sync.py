# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""syncfs(2). PRIVATE to the collection."""

from __future__ import annotations

import ctypes

from .libc import check, libc

libc.syncfs.argtypes = (ctypes.c_int,)


def syncfs(fd: int) -> None:
    """Write everything of the filesystem that holds *fd* to disk, and wait for it. Raises OSError."""
    check(libc.syncfs(fd))
