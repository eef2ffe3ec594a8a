# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fsopen(2), fsconfig(2), fsmount(2), and the log of a filesystem context. PRIVATE to the collection.

source: include/uapi/linux/mount.h; fs/fsopen.c. Linux 5.2; an older kernel answers ENOSYS.
"""

from __future__ import annotations

import ctypes
import errno
import os
import typing as t

from .libc import Path, check, libc

# include/uapi/asm-generic/unistd.h. x86_64 and aarch64 have the same numbers.
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432

FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6

LONGEST_STRING = 255  # bytes of a value; fs/fsopen.c: strndup_user(_value, 256). A longer one is EINVAL.

_MESSAGE_SIZE = 1 << 16  # a read(2) with less room than the message needs fails with EMSGSIZE and drops the message

# libc["syscall"] gives a new object each time, so each call has argument types of its own.
_fsopen, _fsconfig, _fsmount = (libc["syscall"] for _number in range(3))
_fsopen.argtypes = (ctypes.c_long, ctypes.c_char_p, ctypes.c_uint)
_fsconfig.argtypes = (
    ctypes.c_long,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_int,
)
_fsmount.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_uint, ctypes.c_uint)
for _function in (_fsopen, _fsconfig, _fsmount):
    _function.restype = ctypes.c_long


class Message(t.NamedTuple):
    """One message in the log of a context.

    kind: "e" for an error, "w" for a warning, "i" for an information.
    text: begins with the part of the kernel that wrote the message, such as "overlay: ".
    """

    kind: str
    text: str


def fsopen(fstype: str) -> int:
    """Return the fd of a new context of the filesystem type *fstype*. Raises OSError: ENODEV for an unknown type."""
    return check(_fsopen(SYS_FSOPEN, fstype.encode(), FSOPEN_CLOEXEC))


def set_string(context: int, key: str, value: Path) -> None:
    """Set the parameter *key* of a context to a value of at most LONGEST_STRING bytes. Raises OSError."""
    check(_fsconfig(SYS_FSCONFIG, context, FSCONFIG_SET_STRING, os.fsencode(key), os.fsencode(value), 0))


def set_flag(context: int, key: str) -> None:
    """Set the parameter *key* of a context, which has no value. Raises OSError."""
    check(_fsconfig(SYS_FSCONFIG, context, FSCONFIG_SET_FLAG, os.fsencode(key), None, 0))


def create(context: int) -> None:
    """Make the superblock of a context. Raises OSError."""
    check(_fsconfig(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0))


def fsmount(context: int) -> int:
    """Return the fd of a new mount of a context's superblock. The mount has no place and ends with the fd."""
    return check(_fsmount(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, 0))


def messages(context: int) -> t.Iterator[Message]:
    """Yield the messages in the log of a context, the oldest first, and remove them. Raises OSError."""
    while True:
        try:
            line = os.read(context, _MESSAGE_SIZE)  # one message
        except OSError as error:
            if error.errno == errno.ENODATA:
                return
            raise
        kind, _unused, text = os.fsdecode(line).partition(" ")
        yield Message(kind, text.removesuffix("\n"))
