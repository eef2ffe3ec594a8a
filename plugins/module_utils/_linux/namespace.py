# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount namespaces: entering another; user namespaces: whether this is one. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os
import typing as t

from .libc import check, libc  # mount and child are imported late: most runs enter no namespace

# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000


# Where a mount in a private mount namespace goes. Every host has this directory, no path to a store or to Python's
# modules leads through it, and the code in the namespace does not need /proc.
OUT_OF_THE_WAY = "/proc"


libc.unshare.argtypes = (ctypes.c_int,)
libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)

T = t.TypeVar("T")


def unshare(flags: int) -> None:
    """Call unshare(2). Raises OSError."""
    check(libc.unshare(flags))


def in_private_mounts(function: t.Callable[[], T]) -> T:
    """Call *function* in a child with a mount namespace of its own: its mounts end with the child, also after a kill.

    Returns and raises what *function* does (see in_child); OSError (EPERM) without CAP_SYS_ADMIN.
    """
    from . import mount
    from .child import in_child

    def there() -> T:
        unshare(CLONE_NEWNS)
        # The copies are in the peer groups of the originals, so a mount below a shared one would appear outside, too.
        # Slaves instead of private mounts: an unmount outside also ends the copy in here.
        mount.mount("none", "/", "none", mount.MS_REC | mount.MS_SLAVE)
        return function()

    return in_child(there)


def from_its_root(namespace: str, fd: int | None = None) -> tuple[bytes, str]:
    """Return the mountinfo of a whole mount namespace, and the path of *fd*, both as seen from its root directory.

    A process sees only mounts below its own root directory. A child that enters a namespace gets the root of that.

    namespace: its file, such as /proc/1/ns/mnt.
    raises:    OSError, such as EPERM for a namespace of a user namespace above our own.
    """
    from .child import in_child

    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # the namespace may have none
    try:
        its = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:

            def there() -> tuple[bytes, str]:
                check(libc.setns(its, CLONE_NEWNS))
                with open(os.open("self/mountinfo", os.O_RDONLY, dir_fd=proc), "rb") as file:
                    return file.read(), "" if fd is None else os.readlink(f"self/fd/{fd}", dir_fd=proc)

            return in_child(there)
        finally:
            os.close(its)
    finally:
        os.close(proc)
