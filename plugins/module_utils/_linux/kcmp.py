# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kcmp(2): whether two threads share something. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import functools

from .libc import check, libc, syscall_number

# include/uapi/linux/kcmp.h
KCMP_FILES = 2  # the table of open files
KCMP_FS = 3  # root and working directory; threads that share them also share the mount namespace


def shares(kind: int, first: int, second: int) -> bool:
    """Tell whether the threads *first* and *second* share *kind*, a KCMP constant. Ids are of our pid namespace.

    The answer is False, too, if the kernel lacks the call or does not let this process inspect the threads.
    """
    try:
        number = ctypes.c_long(_number())
        task, other, what, none = (ctypes.c_long(value) for value in (first, second, kind, 0))
        return check(libc.syscall(number, task, other, what, none, none)) == 0
    except OSError:
        return False


@functools.cache
def _number() -> int:
    return syscall_number(x86_64=312, aarch64=272)
