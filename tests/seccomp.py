# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a system call away from this process and its children, as old kernels and sandboxes do."""

from __future__ import annotations

import ctypes
import os
import struct

OPENAT2 = 437  # on all architectures

_FILTER = struct.Struct("=HBBI")  # struct sock_filter, include/uapi/linux/filter.h
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000  # include/uapi/linux/seccomp.h
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2  # include/uapi/linux/prctl.h


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse(call: int, errno: int) -> None:
    """Let the system call of this number fail with *errno* from now on. Needs root."""
    steps = (
        _FILTER.pack(_LOAD, 0, 0, 0),  # the number of the call
        _FILTER.pack(_IF_EQUAL, 0, 1, call),
        _FILTER.pack(_RETURN, 0, 0, _ERRNO | errno),
        _FILTER.pack(_RETURN, 0, 0, _ALLOW),
    )
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(steps), b"".join(steps))
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
