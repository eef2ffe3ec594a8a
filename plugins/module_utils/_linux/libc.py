# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one handle on libc, and the OSError of a failed call. PRIVATE to the collection.

Each other file of this directory declares the argument types of the functions it calls.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
import typing as t

Path = t.Union[str, bytes, "os.PathLike[str]"]

AT_FDCWD = -100  # include/uapi/linux/fcntl.h: relative to the working directory

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long  # its arguments vary: the caller gives each argument its C type


def check(result: int, path: Path | None = None) -> int:
    """Return *result*, the answer of a libc function. If *result* is -1, raise OSError with *path* as filename."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), None if path is None else os.fspath(path))
    return result


@functools.cache  # a run renames thousands of layers
def syscall_number(x86_64: int, aarch64: int) -> int:
    """Return the number for this machine. Raises OSError (ENOSYS) on a machine whose number is not known here."""
    machine = os.uname().machine
    known = {"x86_64": x86_64, "aarch64": aarch64}
    if machine in known and sys.maxsize > 2**32:  # a 32-bit Python on a 64-bit kernel has other numbers
        return known[machine]
    raise OSError(errno.ENOSYS, f"no system call number known for {machine}")
