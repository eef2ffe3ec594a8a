# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""statx(2) without a request to a file server. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import functools
import os
import struct

from .libc import check, libc, syscall_number

# include/uapi/linux/fcntl.h
_AT_EMPTY_PATH = 0x1000
_AT_STATX_DONT_SYNC = 0x4000
# include/uapi/linux/stat.h
_STATX_INO = 0x100
_STATX = struct.Struct("=32xQ96xII112x")  # stx_ino, stx_dev_major, stx_dev_minor


def inode_of(fd: int) -> tuple[int, int]:
    """Return st_dev and st_ino of *fd* from the kernel's own memory, so that no filesystem can delay the answer.

    Raises OSError.
    """
    buffer = ctypes.create_string_buffer(_STATX.size)
    result = libc.syscall(
        ctypes.c_long(_number()),
        ctypes.c_int(fd),
        ctypes.c_char_p(b""),
        ctypes.c_int(_AT_EMPTY_PATH | _AT_STATX_DONT_SYNC),
        ctypes.c_uint(_STATX_INO),
        buffer,
    )
    check(result)
    inode, major, minor = _STATX.unpack(buffer.raw)
    return os.makedev(major, minor), inode


@functools.cache
def _number() -> int:
    return syscall_number(x86_64=332, aarch64=291)
