# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""getdents64(2), because os.scandir hides DT_UNKNOWN. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import struct
import typing as t

from .libc import check, libc, syscall_number

DT_UNKNOWN = 0

_HEAD = struct.Struct("=QqHB")  # d_ino, d_off, d_reclen, d_type; then d_name, NUL-terminated
_BUFFER = 32768  # bytes


def entry_types(fd: int) -> t.Iterator[tuple[bytes, int]]:
    """Yield (name, d_type) of each entry after the directory's current position, "." and ".." included.

    Raises OSError; ENOSYS on a machine whose system call number is not known here.
    source: struct linux_dirent64, include/linux/dirent.h
    """
    number = ctypes.c_long(syscall_number(x86_64=217, aarch64=61))
    buffer = ctypes.create_string_buffer(_BUFFER)
    while True:
        size = check(libc.syscall(number, ctypes.c_int(fd), buffer, ctypes.c_size_t(_BUFFER)))
        if size == 0:
            return
        data = buffer.raw[:size]
        start = 0
        while start < size:
            _unused, _unused, length, kind = _HEAD.unpack_from(data, start)
            yield data[start + _HEAD.size : start + length].split(b"\0", 1)[0], kind
            start += length
