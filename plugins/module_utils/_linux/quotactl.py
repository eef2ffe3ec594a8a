# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""quotactl(2) for project quotas: state, limits and use. PRIVATE to the collection.

source: include/uapi/linux/dqblk_xfs.h. ext4 answers the same commands through the kernel's generic quota code.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import typing as t

from .libc import Path, check, libc

if t.TYPE_CHECKING:
    from .mountinfo import Snapshot

PRJQUOTA = 2
Q_XGETQUOTA = 0x5803
Q_XSETQLIM = 0x5804
Q_XGETQSTAT = 0x5805
Q_XGETNEXTQUOTA = 0x5809

BASIC_BLOCK = 512  # bytes
MAX_ID = 2**32 - 2  # the largest project id

# qs_flags
FS_QUOTA_PDQ_ACCT = 0x10  # project quotas are counted
FS_QUOTA_PDQ_ENFD = 0x20  # project quotas are enforced

SYS_QUOTACTL_FD = 443  # the same on every machine; Linux 5.14

_NO_TYPE = 255
_NOT_BY_DESCRIPTOR = (errno.ENOSYS, errno.EACCES, errno.EPERM)  # before Linux 5.14; a container filters the call
_NONE = (errno.ENOENT, errno.ESRCH)  # the id is not known, or no id follows

_DISK_QUOTA = struct.Struct("=bbHI6Q56x")  # struct fs_disk_quota
_VERSION = 1
_PROJECT = 2  # d_flags
_ALL_LIMITS = 0x000F  # d_fieldmask: soft and hard, of inodes and blocks

_QSTAT_SIZE = 80  # struct fs_quota_stat
_QSTAT_FLAGS = struct.Struct("=bxH")  # qs_version, qs_flags

Where = t.Union[int, str]  # a descriptor on the filesystem, or its block device
Answer = t.TypeVar("Answer")


class DiskQuota(t.NamedTuple):
    """The hard limits and the use of a project, in basic blocks and inodes; 0 means no limit.

    soft_too: the soft limits equal the hard limits.
    """

    project_id: int
    blocks_limit: int = 0
    inodes_limit: int = 0
    blocks_used: int = 0
    inodes_used: int = 0
    soft_too: bool = True


libc.quotactl.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)


def query(fd: int, question: t.Callable[..., Answer], *arguments: int, known: Snapshot | None = None) -> Answer:
    """Return the answer of *question* (`state`, `get`, `following`, `set_limits`) for the filesystem of *fd*.

    The kernel is asked by descriptor, or else by block device. known: the mounts, which tell the block device; None to
    read them if needed. Raises OSError as *question* and `device_node` do.
    """
    try:
        return question(fd, *arguments)
    except OSError as error:
        if error.errno not in _NOT_BY_DESCRIPTOR:
            raise
    from .device_node import device_node  # newer kernels need no device

    with device_node(fd, known) as device:
        return question(device, *arguments)


def state_by_fd(fd: int) -> int:
    """Return qs_flags of the filesystem that holds *fd*; 0 if quotas are off or not supported there.

    Raises OSError; ENOSYS from a kernel before 5.14 or without quotas.
    """
    return _state(lambda command, buffer: _quotactl(fd, command, 0, buffer), None)


def state_by_device(device: Path) -> int:
    """Return qs_flags of the filesystem on the block device *device*; 0 if quotas are off or not supported there.

    Raises OSError with filename=device: ENOENT, ENOTBLK, ENODEV if the device is not mounted, ENOSYS from a kernel
    without quotas.
    """
    return _state(lambda command, buffer: _quotactl(os.fspath(device), command, 0, buffer), device)


def state(where: Where) -> int:
    """Return qs_flags; see state_by_fd and state_by_device."""
    return state_by_fd(where) if isinstance(where, int) else state_by_device(where)


def get(where: Where, project_id: int) -> DiskQuota:
    """Return limits and use of a project; all are 0 if the filesystem does not know the project.

    Raises OSError as state_by_*.
    """
    return _get(where, Q_XGETQUOTA, project_id) or DiskQuota(project_id)


def following(where: Where, project_id: int) -> DiskQuota | None:
    """Return the first project with an id of at least *project_id* that has limits or uses anything; None if none has.

    Raises OSError as state_by_*; EINVAL from a kernel before 4.6.
    """
    return _get(where, Q_XGETNEXTQUOTA, project_id)


def set_limits(where: Where, project_id: int, blocks: int, inodes: int) -> None:
    """Set the soft and hard limits of a project to the same values. Raises OSError as state_by_*."""
    limits = (blocks, blocks, inodes, inodes)
    buffer = ctypes.create_string_buffer(
        _DISK_QUOTA.pack(_VERSION, _PROJECT, _ALL_LIMITS, project_id, *limits, 0, 0), _DISK_QUOTA.size
    )
    check(_quotactl(where, Q_XSETQLIM << 8 | PRJQUOTA, project_id, buffer), _path(where))


def _get(where: Where, command: int, project_id: int) -> DiskQuota | None:
    buffer = ctypes.create_string_buffer(_DISK_QUOTA.size)
    result = _quotactl(where, command << 8 | PRJQUOTA, project_id, buffer)
    if result == -1 and ctypes.get_errno() in _NONE:
        return None
    check(result, _path(where))
    found_id, blocks, blocks_soft, inodes, inodes_soft, blocks_used, inodes_used = _DISK_QUOTA.unpack(buffer.raw)[3:]
    soft_too = (blocks, inodes) == (blocks_soft, inodes_soft)
    return DiskQuota(found_id, blocks, inodes, blocks_used, inodes_used, soft_too)


def _quotactl(where: Path | int, command: int, project_id: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    if isinstance(where, int):
        number = ctypes.c_long(SYS_QUOTACTL_FD)
        return int(libc.syscall(number, ctypes.c_int(where), ctypes.c_uint(command), ctypes.c_uint(project_id), buffer))
    return int(libc.quotactl(command, os.fsencode(where), project_id, buffer))


def _path(where: Where) -> str | None:
    return None if isinstance(where, int) else where


def _state(call: t.Callable[[int, ctypes.Array[ctypes.c_char]], int], path: Path | None) -> int:
    """Return qs_flags, as *call* gets them.

    ENOSYS means "no such call" or "quotas are off". A second call with a quota type that no kernel knows tells these
    apart: EINVAL shows that the call exists.
    """
    buffer = ctypes.create_string_buffer(_QSTAT_SIZE)
    result = call(Q_XGETQSTAT << 8 | PRJQUOTA, buffer)
    if result == -1:
        number = ctypes.get_errno()
        if number == errno.EINVAL:  # the filesystem has quotas, but no project quotas
            return 0
        if number == errno.ENOSYS:
            call(Q_XGETQSTAT << 8 | _NO_TYPE, buffer)
            if ctypes.get_errno() == errno.EINVAL:
                return 0
        ctypes.set_errno(number)
    check(result, path)
    flags: int = _QSTAT_FLAGS.unpack_from(buffer)[1]
    return flags
