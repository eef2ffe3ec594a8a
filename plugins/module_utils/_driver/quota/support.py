# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether project quota is on, and why not. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import typing as t

from ..._errors import printable
from ..._linux import mountinfo, quotactl
from ..._linux.noatime import open_quietly
from ..._linux.user_namespace import in_user_namespace

_ON = quotactl.FS_QUOTA_PDQ_ACCT | quotactl.FS_QUOTA_PDQ_ENFD
_MOUNT_OPTIONS = ("prjquota", "pquota")  # as the kernel shows them
_NO_DEVICE = (errno.ENOENT, errno.ENOTBLK, errno.ENODEV, errno.ENXIO)

_TO_HAVE_IT = {
    "xfs": "mount it with prjquota, by umount and mount; for a root filesystem, boot with rootflags=prjquota",
    "ext4": "on the unmounted filesystem: tune2fs -O project,quota -Q prjquota; then mount it with prjquota",
    "f2fs": "make it with mkfs.f2fs -O extra_attr,quota,project_quota, and mount it with prjquota",
}

_ROOT_OF_EXT4 = (
    "put the store on a filesystem of its own, with prjquota; the quotas of a root filesystem are turned on from"
    " another system: tune2fs -O project,quota -Q prjquota, and then boot with rootflags=prjquota"
)


def block_size(home: str) -> int:
    """Return the block size of the filesystem of *home* in bytes, a multiple of the basic block. Raises OSError."""
    return rounded(os.statvfs(home).f_bsize, quotactl.BASIC_BLOCK)


def rounded(size: int, block: int) -> int:
    """Return *size* bytes rounded up to whole blocks, so that a small limit does not become 0, no limit."""
    return -(-size // block) * block


class QuotaOff(t.NamedTuple):
    """The reason why no limit can be set, and the cure."""

    reason: str
    hint: str


def project_quota_is_on(place: str, known: mountinfo.Snapshot | None = None) -> bool:
    """Tell whether limits can be set, and are enforced, on the filesystem of the directory *place*.

    known: the mounts; None to read them if needed.
    """
    try:
        return _is_enforced(_flags(place, known))
    except OSError:
        return False


def why_no_project_quota(
    place: str, kind: str, mount: mountinfo.Mount | None, known: mountinfo.Snapshot | None = None
) -> QuotaOff | None:
    """Return why no limit can be set on the filesystem of the directory *place*; None where project quota is on.

    kind:  the kernel's name for the filesystem.
    mount: the mount that *place* lies on, if our mountinfo lists it.
    known: the mounts; None to read them if needed.
    """
    try:
        flags = _flags(place, known)
    except OSError as error:
        return _refused(error, mount) if kind in _TO_HAVE_IT else _unknown(kind)
    if in_user_namespace():
        return QuotaOff("a user namespace cannot set quotas", "limit layers from outside of it")
    found = why_off(flags, kind, mount.super_options.split(",") if mount else ())
    is_root = mount is not None and mount.mount_point == "/"
    return found._replace(hint=_ROOT_OF_EXT4) if found and is_root and kind == "ext4" else found


def why_off(flags: int, kind: str, options: t.Collection[str]) -> QuotaOff | None:
    """Return what the quota *flags* of quotactl lack for limits. Pure. options: the filesystem's mount options now."""
    if _is_enforced(flags):
        return None
    if kind not in _TO_HAVE_IT:
        return _unknown(kind)
    if flags & quotactl.FS_QUOTA_PDQ_ACCT:
        return QuotaOff("project quota is accounted but not enforced", "mount it with prjquota, by umount and mount")
    is_option = any(option in options for option in _MOUNT_OPTIONS)
    why = "with prjquota, but project quota is off" if is_option else "without prjquota"
    return QuotaOff(f"{kind} is mounted {why}", _TO_HAVE_IT[kind])


def _flags(place: str, known: mountinfo.Snapshot | None) -> int:
    """Return the quota flags of the filesystem of *place*; 0 in a user namespace, which has none. Raises OSError."""
    if in_user_namespace():
        return 0
    fd = open_quietly(place, os.O_DIRECTORY)
    try:
        return quotactl.query(fd, quotactl.state, known=known)
    finally:
        os.close(fd)


def _is_enforced(flags: int) -> bool:
    return flags & _ON == _ON


def _unknown(kind: str) -> QuotaOff:
    return QuotaOff(f"{printable(kind)} has no project quota", "to limit layers, use XFS or ext4 with prjquota")


def _refused(error: OSError, mount: mountinfo.Mount | None) -> QuotaOff:
    if error.errno == errno.ENOSYS:
        hint = "use a kernel with CONFIG_QUOTA, and for XFS with CONFIG_XFS_QUOTA"
        return QuotaOff("the kernel has no quota support", hint)
    if error.errno in _NO_DEVICE and mount is not None:
        reason = f"this kernel needs the block device to tell quotas, and {printable(mount.source)} does not exist"
        hint = "use Linux 5.14 or newer, or make the device node where the task runs"
        return QuotaOff(f"{reason}: {error.strerror}", hint)
    return QuotaOff(f"the kernel does not tell about quotas: {error.strerror}", "run the task as root: become: true")
