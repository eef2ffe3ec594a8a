# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2) and umount2(2). PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .libc import Path, check, libc

# include/uapi/linux/mount.h
MS_RDONLY = 1
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

# include/linux/fs.h
MNT_DETACH = 2  # the mount is out of sight at once, and ends with its last user
UMOUNT_NOFOLLOW = 8

libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)


def mount(source: Path, target: Path, fstype: str, flags: int = 0, data: Path = "") -> None:
    """Call mount(2). Raises OSError with filename=target.

    data: at most one page less one byte. The kernel cuts off the rest without an error.
    """
    result = libc.mount(os.fsencode(source), os.fsencode(target), fstype.encode(), flags, os.fsencode(data))
    check(result, target)


def umount(target: Path, flags: int = 0) -> None:
    """Call umount2(2). Raises OSError with filename=target; EINVAL if nothing is mounted on *target*."""
    check(libc.umount2(os.fsencode(target), flags), target)
