# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filesystem of a store: its kind, features and free space. PRIVATE to the collection.

Only reads: nothing is written, and no access time changes.
"""

from __future__ import annotations

import errno
import os
import re
import typing as t

from ..._linux import mountinfo, statfs
from ..._linux.noatime import open_quietly
from ..quota.support import QuotaOff, why_no_project_quota

UNKNOWN = "<unknown>"

# moby's names, by the magic number of statfs(2). source: include/uapi/linux/magic.h
NAMES = {
    0x61756673: "aufs",
    0x9123683E: "btrfs",
    0x28CD3D45: "cramfs",
    0xF15F: "ecryptfs",
    0xEF53: "extfs",
    0xF2F52010: "f2fs",
    0x65735546: "fuse",
    0x47504653: "gpfs",
    0x72B6: "jffs2",
    0x3153464A: "jfs",
    0x6969: "nfs",
    0x794C7630: "overlayfs",
    0x858458F6: "ramfs",
    0x52654973: "reiserfs",
    0x517B: "smb",
    0x73717368: "squashfs",
    0x01021994: "tmpfs",
    0xA501FCF5: "vxfs",
    0x58465342: "xfs",
    0x2FC12FC1: "zfs",
}

_OPTION = re.compile(r'[^,"]*(?:"[^"]*"[^,"]*)*')  # SELinux puts a label with commas in quotes


class Filesystem(t.NamedTuple):
    """The current state of a filesystem.

    place:           the directory that was read.
    kind:            the kernel's name, such as ext4 or nfs4; backing_fs if our mounts do not list the filesystem.
    backing_fs:      moby's name.
    device, mount_point, options: None if our mounts do not list the filesystem. Options as findmnt shows them: of the
                     mount, then of the filesystem.
    size, free:      bytes; free for other users than root, like df.
    inodes:          0 if the filesystem does not count them, such as btrfs.
    dev, fsid:       st_dev and f_fsid; with kind, they identify the filesystem while it is mounted.
    supports_d_type, trusted_xattrs, user_xattrs: None if unknown.
    quota_off:       why project quota is off; None if it is on.
    """

    place: str
    kind: str
    backing_fs: str
    device: str | None
    mount_point: str | None
    options: str | None
    read_only: bool
    size: int
    free: int
    inodes: int
    inodes_free: int
    dev: int
    fsid: int
    supports_d_type: bool | None
    trusted_xattrs: bool | None
    user_xattrs: bool | None
    quota_off: QuotaOff | None


def place_of(home: str) -> str:
    """Return *home*, or the nearest directory above it that exists and can be reached."""
    path = os.path.realpath(home)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def look_at(home: str, known: mountinfo.Snapshot | None = None) -> Filesystem:
    """Return the filesystem where *home* is, or would be. known: the mounts; None to read them now. Raises OSError."""
    while True:
        place = place_of(home)
        try:
            return look(place, known)
        except FileNotFoundError:
            if os.path.isdir(place):
                raise
            # Another process has just removed place.


def look(place: str, known: mountinfo.Snapshot | None = None) -> Filesystem:
    """Return the filesystem of the directory *place*. known: as for look_at. Raises OSError."""
    known = known or mountinfo.Snapshot()
    path_fd = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # needs no right to read the directory
    try:
        found = os.fstat(path_fd)
        space = os.statvfs(path_fd)
        mount = mountinfo.mount_of_fd(path_fd, known.mounts)
    finally:
        os.close(path_fd)
    backing_fs = NAMES.get(statfs.magic(place), UNKNOWN)
    kind = mount.fstype if mount else backing_fs
    return Filesystem(
        place=place,
        kind=kind,
        backing_fs=backing_fs,
        device=mount.source if mount else None,
        mount_point=mount.mount_point if mount else None,
        options=merged_options(mount) if mount else None,
        read_only=bool(space.f_flag & os.ST_RDONLY),
        size=space.f_blocks * space.f_frsize,
        free=space.f_bavail * space.f_frsize,
        inodes=space.f_files,
        inodes_free=space.f_favail,
        dev=found.st_dev,
        fsid=space.f_fsid,
        supports_d_type=supports_d_type(place, kind),
        trusted_xattrs=_has_xattrs(place, "trusted") if os.geteuid() == 0 else None,  # others always get ENODATA
        user_xattrs=_has_xattrs(place, "user"),
        quota_off=why_no_project_quota(place, kind, mount, known),
    )


def merged_options(mount: mountinfo.Mount) -> str:
    """Return the options of *mount*, then the other options of its filesystem; read-only if either is."""
    own, inner = ([part for part in _OPTION.findall(text) if part] for text in (mount.options, mount.super_options))
    mode = "ro" if "ro" in own + inner else "rw"
    return ",".join([mode, *(option for option in dict.fromkeys(own + inner) if option not in ("ro", "rw"))])


def supports_d_type(place: str, kind: str) -> bool | None:
    """Tell whether the directories of the filesystem hold the types of their entries; None if no directory can be read.

    An entry of *place*, or of the directory above, decides. In an empty root directory only "." and ".." decide, but
    some filesystems invent types for them.
    """
    device = os.stat(place).st_dev
    above = os.path.dirname(place)
    verdict = None
    for directory in (place, above) if os.stat(above).st_dev == device else (place,):
        try:
            fd = open_quietly(directory, os.O_DIRECTORY)
        except PermissionError:
            continue
        try:
            if kind == "xfs":
                from ..._linux import xfs  # for this filesystem alone

                return xfs.has_ftype(fd)
            from ..._linux import getdents  # for the others

            for name, entry_type in getdents.entry_types(fd):
                verdict = entry_type != getdents.DT_UNKNOWN
                if not verdict or name not in (b".", b".."):
                    return verdict
        except OSError:  # a machine whose system call numbers we do not know
            return None
        finally:
            os.close(fd)
    return verdict


def _has_xattrs(place: str, prefix: str) -> bool | None:
    """Tell whether the filesystem keeps xattrs of this kind; None if unknown."""
    try:
        os.getxattr(place, prefix + ".overlay.opaque")
    except OSError as error:
        return {errno.ENODATA: True, errno.ENOTSUP: False}.get(error.errno or 0)
    return True
