# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""quotactl(2) for project quotas: is it on? PRIVATE to the collection.

source: include/uapi/linux/dqblk_xfs.h. ext4 answers the same commands through the kernel's generic quota code.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import typing as t

from .libc import Path, check, libc

PRJQUOTA = 2
Q_XGETQSTAT = 0x5805

# qs_flags
FS_QUOTA_PDQ_ACCT = 0x10  # project quotas are counted
FS_QUOTA_PDQ_ENFD = 0x20  # and enforced

SYS_QUOTACTL_FD = 443  # the same on every machine; Linux 5.14

_NO_TYPE = 255

_QSTAT_SIZE = 80  # struct fs_quota_stat
_QSTAT_FLAGS = struct.Struct("=bxH")  # qs_version, qs_flags

libc.quotactl.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)


def state_by_fd(fd: int) -> int:
    """Return qs_flags of the filesystem that holds *fd*; 0 where no quota is on or it has none.

    Raises OSError; ENOSYS from a kernel before 5.14 or without quotas.
    """
    return _state(lambda command, buffer: _quotactl_fd(fd, command, buffer), None)


def state_by_device(device: Path) -> int:
    """Return qs_flags of the filesystem on the block device at *device*; 0 where no quota is on or it has none.

    Raises OSError with filename=device: ENOENT, ENOTBLK, ENODEV if nothing on it is mounted, ENOSYS from a kernel
    without quotas.
    """
    name = os.fsencode(device)
    return _state(lambda command, buffer: int(libc.quotactl(command, name, 0, buffer)), device)


def _quotactl_fd(fd: int, command: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    number = ctypes.c_long(SYS_QUOTACTL_FD)
    return int(libc.syscall(number, ctypes.c_int(fd), ctypes.c_uint(command), ctypes.c_int(0), buffer))


def _state(call: t.Callable[[int, ctypes.Array[ctypes.c_char]], int], path: Path | None) -> int:
    """ENOSYS is both "no such call" and "no quota is on": a type that no kernel knows tells which, as EINVAL."""
    buffer = ctypes.create_string_buffer(_QSTAT_SIZE)
    result = call(Q_XGETQSTAT << 8 | PRJQUOTA, buffer)
    if result == -1:
        number = ctypes.get_errno()
        if number == errno.EINVAL:  # the filesystem has quotas, but none of projects
            return 0
        if number == errno.ENOSYS:
            call(Q_XGETQSTAT << 8 | _NO_TYPE, buffer)
            if ctypes.get_errno() == errno.EINVAL:
                return 0
        ctypes.set_errno(number)
    check(result, path)
    flags: int = _QSTAT_FLAGS.unpack_from(buffer)[1]
    return flags
