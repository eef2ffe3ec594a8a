# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Project quotas by the filesystems' own tools. Tests rely on these tools instead of our code."""

from __future__ import annotations

import csv
import ctypes
import errno
import os
import shutil
import struct
import subprocess
import typing as t
from pathlib import Path

# By kind: arguments of its mkfs; what the kernel answers where a limit is reached.
MAKING = {"xfs": (), "ext4": ("-O", "quota,project", "-E", "quotatype=prjquota")}
REFUSAL = {"xfs": errno.ENOSPC, "ext4": errno.EDQUOT}
MISSING = [tool for tool in ("lsattr", "xfs_io", "xfs_quota", "repquota", "setpriv") if not shutil.which(tool)]

# For root, ext4 has limits only without this capability.
AS_A_JOB = ("setpriv", "--bounding-set=-sys_resource")

KIB = 1024

_CAP_SYS_RESOURCE = 24
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITIES = struct.Struct("=6I")  # effective, permitted, inheritable of capabilities 0-31; the same of 32-63


class Quota(t.NamedTuple):
    """What the filesystem knows of a project; a limit of 0 is none. Sizes are in KiB, as the tools tell them."""

    size_used: int
    size_limit: int
    inodes_used: int
    inodes_limit: int


def report(mount_point: Path) -> dict[int, Quota]:
    """Return the projects that have a limit, or files, by project id; what has none lies in project 0."""
    found = {}
    for row in csv.DictReader(_run("repquota", "-P", "-n", "-v", "-O", "csv", str(mount_point)).splitlines()):
        names = ("BlockUsed", "BlockHardLimit", "FileUsed", "FileHardLimit")
        found[int(row["Project"].lstrip("#"))] = Quota(*(int(row[name]) for name in names))
    return {number: quota for number, quota in found.items() if number and any(quota)}


def limited(mount_point: Path) -> dict[int, tuple[int, int]]:
    """Return size limit, in KiB, and inode limit by project id, of those that have one."""
    found = {number: (quota.size_limit, quota.inodes_limit) for number, quota in report(mount_point).items()}
    return {number: limits for number, limits in found.items() if any(limits)}


def project(directory: Path) -> tuple[int, bool]:
    """Return a directory's project id, and whether what is made in it inherits it."""
    number, flags, _path = _run("lsattr", "-pd", str(directory)).split(maxsplit=2)
    return int(number), "P" in flags


def set_project(directory: Path, number: int, *, inherit: bool = True) -> None:
    """Put an existing directory, not what is in it, into a project."""
    _run("xfs_io", "-c", f"chproj {number}", "-c", f"chattr {'+' if inherit else '-'}P", str(directory))


def set_limits(mount_point: Path, number: int, size: int, inodes: int) -> None:
    """Limit a project, size in KiB; 0 lifts."""
    _run("xfs_quota", "-f", "-x", "-c", f"limit -p bhard={size}k ihard={inodes} {number}", str(mount_point))


def fill(path: Path) -> tuple[int, str]:
    """Write a file as a job does, until it is refused; return its size in bytes and what dd says.

    All of it is on the disk then: ext4 counts blocks that it has yet to choose, and may give some of them back.
    """
    done = subprocess.run(
        [*AS_A_JOB, "dd", "if=/dev/zero", f"of={path}", "bs=64k", "status=none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode, "nothing was refused"
    _run("sync", "--file-system", str(path))
    return path.stat().st_size, done.stderr


def make_files(directory: Path) -> tuple[int, str]:
    """Make empty files as a job does, until one is refused; return their number and what the shell says."""
    script = 'n=0; while true >"$0/$n"; do n=$((n + 1)); done'
    done = subprocess.run([*AS_A_JOB, "bash", "-c", script, directory], capture_output=True, text=True, check=False)
    return len(list(directory.iterdir())), done.stderr


def lose_capability() -> None:
    """Take CAP_SYS_RESOURCE from this process; for a child that calls a module."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(_CAPABILITIES.size)
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    values = list(_CAPABILITIES.unpack(data.raw))
    values[:3] = [value & ~(1 << _CAP_SYS_RESOURCE) for value in values[:3]]
    if libc.capset(header, _CAPABILITIES.pack(*values)):
        raise OSError(ctypes.get_errno(), "capset")


def free(mount_point: Path) -> tuple[int, int]:
    """Return the bytes and the inodes that are free on a whole filesystem."""
    found = os.statvfs(mount_point)
    return found.f_bavail * found.f_frsize, found.f_ffree


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
