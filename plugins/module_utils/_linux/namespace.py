# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces: leaving the shared mount namespace, and telling a user namespace. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os
import typing as t

from . import mount
from .child import in_child
from .libc import check, libc

# include/uapi/linux/sched.h
CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000

INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # its inode: PROC_USER_INIT_INO, include/linux/proc_ns.h

libc.unshare.argtypes = (ctypes.c_int,)

T = t.TypeVar("T")


def unshare(flags: int) -> None:
    """Call unshare(2). Raises OSError."""
    check(libc.unshare(flags))


def in_private_mounts(function: t.Callable[[], T]) -> T:
    """Call *function* in a child whose mounts nobody else sees, and that vanish with it, however it ends.

    Returns and raises what *function* does (see in_child); OSError (EPERM) without CAP_SYS_ADMIN.
    """

    def there() -> T:
        unshare(CLONE_NEWNS)
        # The copies are still in the peer groups of the originals: a mount below a shared one would be made there too.
        # Slaves, not private ones, so that what is unmounted outside meanwhile does not live on in here.
        mount.mount("none", "/", "none", mount.MS_REC | mount.MS_SLAVE)
        return function()

    return in_child(there)


def in_user_namespace() -> bool:
    """Tell whether we run in another user namespace than the initial one."""
    try:
        return os.stat("/proc/self/ns/user").st_ino != INITIAL_USER_NAMESPACE
    except FileNotFoundError:  # a kernel without CONFIG_USER_NS, or no proc
        pass
    try:
        with open("/proc/self/uid_map", "rb") as file:
            first = file.readline().split()
    except OSError:
        return False
    return first != [b"0", b"0", b"4294967295"]
