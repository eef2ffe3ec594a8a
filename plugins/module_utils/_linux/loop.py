# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices, as sysfs lists them and their driver describes them. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import typing as t

_BLOCK = "/sys/block"
_LOOP_GET_STATUS64 = 0x4C05  # include/uapi/linux/loop.h
_INFO = struct.Struct("=QQ216x")  # struct loop_info64 begins with lo_device and lo_inode


class Loop(t.NamedTuple):
    """A loop device that has a backing file.

    device: such as "/dev/loop0".
    file:   the path of the backing file from our root, or from the root of the file's own mount namespace. The path of
            a deleted file ends in " (deleted)".
    """

    device: str
    file: str


def loops() -> t.Iterator[Loop]:
    """Yield the loop devices in use; nothing if sysfs is missing. source: /sys/block/loop*/loop/backing_file."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(_BLOCK) if name.startswith("loop")]
    for name in names:
        with contextlib.suppress(OSError), open(f"{_BLOCK}/{name}/loop/backing_file", "rb") as file:
            yield Loop(f"/dev/{name}", os.fsdecode(file.read()).removesuffix("\n"))


def backing_inode(device: str) -> tuple[int, int] | None:
    """Return st_dev and st_ino of the backing file of *device*; None if the driver does not answer."""
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        device_number, inode = _INFO.unpack(fcntl.ioctl(fd, _LOOP_GET_STATUS64, bytes(_INFO.size)))
    except OSError:
        return None
    finally:
        os.close(fd)
    return device_number, inode
