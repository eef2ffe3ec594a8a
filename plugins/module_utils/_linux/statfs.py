# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of a filesystem: the field of statfs(2) that os.statvfs lacks. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .libc import Path, check, libc

libc.statfs.argtypes = (ctypes.c_char_p, ctypes.c_char_p)


def magic(path: Path) -> int:
    """Return f_type, the filesystem's magic number, as 32 unsigned bits. Raises OSError with filename=path."""
    buffer = ctypes.create_string_buffer(256)  # struct statfs has 120 bytes on 64-bit machines
    check(libc.statfs(os.fsencode(path), buffer), path)
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF  # f_type is the first field
