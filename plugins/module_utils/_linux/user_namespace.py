# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User namespaces: whether this is one, and whose a namespace is. PRIVATE to the collection."""

from __future__ import annotations

import errno
import fcntl
import os

INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # its inode: PROC_USER_INIT_INO, include/linux/proc_ns.h


_NS_GET_USERNS = 0xB701  # include/uapi/linux/nsfs.h


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
