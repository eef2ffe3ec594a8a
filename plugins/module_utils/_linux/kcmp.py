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
KCMP_FS = 3  # root and working directory; whoever shares them has one mount namespace, too


def shares(kind: int, first: int, second: int) -> bool:
    """Tell whether the threads *first* and *second* share what *kind* names. Ids are those of our pid namespace.

    False also where the kernel does not tell: it lacks the call, or we may not look into the threads.
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
