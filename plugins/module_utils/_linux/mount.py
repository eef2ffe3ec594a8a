# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2) and umount2(2). PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .child import in_child
from .libc import Path, check, libc
from .subject import about

# include/uapi/linux/mount.h
MS_RDONLY = 1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

# include/linux/fs.h
MNT_DETACH = 2  # out of sight at once, gone when its last user is
UMOUNT_NOFOLLOW = 8

libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)


def mount(source: Path, target: Path, fstype: str, flags: int = 0, data: Path = "") -> None:
    """Call mount(2). Raises OSError with filename=target.

    data: at most one page less one byte; the kernel cuts the byte after that off silently.
    """
    result = libc.mount(os.fsencode(source), os.fsencode(target), fstype.encode(), flags, os.fsencode(data))
    check(result, target)


def mount_from(directory: Path, source: Path, target: Path, fstype: str, flags: int = 0, data: Path = "") -> None:
    """Call mount(2) with *directory* as working directory, so that relative paths in *data* start there.

    Done in a forked child: our own working directory stays. Raises OSError with filename=target, or
    filename=directory if that cannot be entered.
    """

    def there() -> None:
        os.chdir(directory)
        mount(source, target, fstype, flags, data)

    with about(target):
        in_child(there)


def umount(target: Path, flags: int = 0) -> None:
    """Call umount2(2). Raises OSError with filename=target; EINVAL means that nothing is mounted there."""
    check(libc.umount2(os.fsencode(target), flags), target)
