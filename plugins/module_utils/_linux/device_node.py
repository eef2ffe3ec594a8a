# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path to the block device of a filesystem, also where /dev has none, as in containers. PRIVATE to the collection.

Docker makes a node in its home: that fails on a filesystem mounted with nodev, and stays. Here the kernel's devtmpfs
is mounted where nobody sees it: it goes when its last descriptor is closed, whatever happens to us.
Source: fsopen(2), fsmount(2); include/uapi/linux/mount.h; Linux Documentation/ABI/stable/sysfs-dev.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import typing as t

from . import mountinfo
from .libc import check, libc

# The same on every machine; Linux 5.2.
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432

FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = 1
FSCONFIG_CMD_CREATE = 6

_NAME = "DEVNAME="


@contextlib.contextmanager
def device_node(fd: int) -> t.Iterator[str]:
    """Yield a path to the block device of the filesystem that *fd* is on.

    raises: OSError: ENODEV where it is on none, or where the mount table names no node of it before Linux 5.2; EPERM
            where it names none and we have no CAP_SYS_ADMIN.
    """
    device = os.fstat(fd).st_dev
    if not os.major(device):  # of what is on no device, or on several
        raise _no_device()
    mount = mountinfo.mount_of_fd(fd, mountinfo.read())
    if mount and is_node(mount.source, device):
        yield mount.source
        return
    root = _devtmpfs()
    try:
        path = f"/proc/self/fd/{root}/{_name(device)}"
        if not is_node(path, device):
            raise _no_device()
        yield path
    finally:
        os.close(root)


def is_node(path: str, device: int) -> bool:
    """Tell whether *path* leads to the block device with the number *device*."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISBLK(found.st_mode) and found.st_rdev == device


def _name(device: int) -> str:
    """Return the kernel's name of a block device, such as ``sda1`` or ``dm-0``. Raises OSError: ENODEV."""
    try:
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/uevent", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        if line.startswith(_NAME):
            return line[len(_NAME) :]
    raise _no_device()


def _no_device() -> OSError:
    return OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def _devtmpfs() -> int:
    """Return the descriptor of a devtmpfs that is mounted nowhere."""
    try:
        context = _call(SYS_FSOPEN, ctypes.c_char_p(b"devtmpfs"), ctypes.c_uint(FSOPEN_CLOEXEC))
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise _no_device() from error
        raise
    try:
        command, none = ctypes.c_uint(FSCONFIG_CMD_CREATE), ctypes.c_void_p()
        _call(SYS_FSCONFIG, ctypes.c_int(context), command, none, none, ctypes.c_int(0))
        return _call(SYS_FSMOUNT, ctypes.c_int(context), ctypes.c_uint(FSMOUNT_CLOEXEC), ctypes.c_uint(0))
    finally:
        os.close(context)


def _call(number: int, *arguments: t.Any) -> int:
    return check(int(libc.syscall(ctypes.c_long(number), *arguments)))
