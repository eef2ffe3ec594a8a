# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path to the block device of a filesystem, also if /dev lacks the node, as in containers. PRIVATE to the collection.

Docker makes a node in its home. A node there fails on a filesystem mounted with nodev, and stays after a kill. This
file mounts the kernel's devtmpfs in no directory: the mount ends with its last descriptor, also after a kill.
Source: Linux Documentation/ABI/stable/sysfs-dev.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from . import mountinfo

_NAME = "DEVNAME="


@contextlib.contextmanager
def device_node(fd: int, known: mountinfo.Snapshot | None = None) -> t.Iterator[str]:
    """Yield a path to the block device of the filesystem that *fd* is on.

    known:  the mounts; None to read them now.
    raises: OSError. ENODEV: the filesystem is on no block device, or the kernel is older than Linux 5.2 and the mount
            table does not name a node. EPERM: the mount table does not name a node, and we have no CAP_SYS_ADMIN.
    """
    device = os.fstat(fd).st_dev
    if not os.major(device):  # the filesystem is on no device, or on several
        raise _no_device()
    mount = mountinfo.mount_of_fd(fd, (known or mountinfo.Snapshot()).mounts)
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
    """Return the descriptor of a devtmpfs that is mounted nowhere. Raises OSError: ENODEV before Linux 5.2."""
    from . import fsmount  # mount tables usually name the node

    try:
        context = fsmount.fsopen("devtmpfs")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise _no_device() from error
        raise
    try:
        fsmount.create(context)
        return fsmount.fsmount(context)
    finally:
        os.close(context)
