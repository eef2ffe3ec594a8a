# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount namespaces: entering another; user namespaces: whether this is one. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import typing as t

from .libc import check, libc  # mount and child are imported late: most runs enter no namespace

# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000

INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # its inode: PROC_USER_INIT_INO, include/linux/proc_ns.h

# Where a mount in a private mount namespace goes. Every host has this directory, no path to a store or to Python's
# modules leads through it, and the code in the namespace does not need /proc.
OUT_OF_THE_WAY = "/proc"

_NS_GET_USERNS = 0xB701  # include/uapi/linux/nsfs.h

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


def belongs_to_us(namespace: str) -> bool:
    """Tell whether a namespace belongs to our own user namespace, or to one above, and not to one below.

    In a user namespace below, any local user can be root. True if the kernel has no user namespaces. Raises OSError.
    """
    fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        owner = fcntl.ioctl(fd, _NS_GET_USERNS)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTTY, errno.EINVAL):  # EPERM: the owner is above our own
            return True
        raise
    finally:
        os.close(fd)
    try:
        found, ours = os.fstat(owner), os.stat("/proc/self/ns/user")
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
    finally:
        os.close(owner)


def in_user_namespace() -> bool:
    """Tell whether this process runs in another user namespace than the initial one."""
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
