# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The geometry of an XFS filesystem. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import struct

# fs/xfs/libxfs/xfs_fs.h; the direction bits differ on MIPS, PowerPC and SPARC
XFS_IOC_FSGEOMETRY_V1 = 0x80705864
XFS_FSOP_GEOM_FLAGS_FTYPE = 1 << 16

_GEOMETRY_SIZE = 112  # struct xfs_fsop_geom_v1
_FLAGS = struct.Struct("=92xI")
_INODE_SIZE = struct.Struct("=24xI")


def has_ftype(fd: int) -> bool:
    """Tell whether the XFS that holds *fd* keeps types in its directories. Raises OSError; ENOTTY if it is not an XFS.

    The types of "." and ".." prove nothing: in a small directory XFS makes these entries up, with a type.
    """
    flags: int = _FLAGS.unpack_from(_geometry(fd))[0]
    return bool(flags & XFS_FSOP_GEOM_FLAGS_FTYPE)


def inode_size(fd: int) -> int:
    """Return the bytes of an inode on the XFS that holds *fd*: XFS frees them with the file. Raises as has_ftype."""
    size: int = _INODE_SIZE.unpack_from(_geometry(fd))[0]
    return size


def _geometry(fd: int) -> bytes:
    return fcntl.ioctl(fd, XFS_IOC_FSGEOMETRY_V1, bytes(_GEOMETRY_SIZE))
