# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openat2(2), since Linux 5.6: opening a path, and saying what it must not lead through. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct

from .libc import AT_FDCWD, check, libc, syscall_number

# include/uapi/linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20  # Linux 5.12: EAGAIN if the kernel would have to ask the filesystem

_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve


def openat2(path: bytes, flags: int, resolve: int, dir_fd: int = AT_FDCWD) -> int:
    """Open *path* and return the fd.

    raises: OSError with the path. ENOSYS if the kernel lacks the call; some sandboxes answer EPERM instead.
            EXDEV, ELOOP if *resolve* forbids a part of the path; EAGAIN if a part was renamed meanwhile.
    """
    if b"\0" in path:
        raise OSError(errno.EINVAL, "a path cannot contain a NUL byte", path)
    how = _how(flags, resolve)
    result = libc.syscall(
        ctypes.c_long(_number()),
        ctypes.c_int(dir_fd),
        ctypes.c_char_p(path),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    return check(result, path)


@functools.cache
def has_openat2() -> bool:
    """Tell whether this process can call openat2; tried once."""
    try:
        os.close(openat2(b"/", os.O_PATH | os.O_CLOEXEC, 0))
    except OSError:
        return False
    return True


@functools.cache
def _number() -> int:
    return syscall_number(x86_64=437, aarch64=437)


@functools.cache
def _how(flags: int, resolve: int) -> bytes:
    return _HOW.pack(flags, 0, resolve)
