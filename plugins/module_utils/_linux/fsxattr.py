# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Project id and inheritance of a file or directory: struct fsxattr. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import struct
import typing as t

# include/uapi/linux/fs.h; the direction bits differ on MIPS, PowerPC and SPARC
FS_IOC_FSGETXATTR = 0x801C581F
FS_IOC_FSSETXATTR = 0x401C5820
FS_XFLAG_IMMUTABLE = 0x00000008
FS_XFLAG_APPEND = 0x00000010
FS_XFLAG_PROJINHERIT = 0x00000200  # new files in this directory get its project id

_FSXATTR = struct.Struct("=5I8x")


class FsXattr(t.NamedTuple):
    """extsize and cowextsize are in bytes; project_id is 0 if none is set."""

    xflags: int
    extsize: int
    nextents: int
    project_id: int
    cowextsize: int


def get(fd: int) -> FsXattr:
    """Return the attributes of *fd*. Raises OSError; ENOTTY or EOPNOTSUPP if the filesystem has none."""
    return FsXattr(*_FSXATTR.unpack(fcntl.ioctl(fd, FS_IOC_FSGETXATTR, bytes(_FSXATTR.size))))


def put(fd: int, value: FsXattr) -> None:
    """Set the attributes of *fd*. Make *value* from the answer of get() with _replace(). Raises OSError."""
    fcntl.ioctl(fd, FS_IOC_FSSETXATTR, _FSXATTR.pack(*value))
