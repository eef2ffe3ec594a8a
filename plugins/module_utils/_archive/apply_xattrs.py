# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting an entry's extended attributes, and telling why one cannot be set. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat

from .._errors import NotSupported, printable
from .tar import Entry, entry_error, shown
from .xattr_ids import ACLS, CAPABILITY

MAX_LIST = 65536  # bytes that the names of a file's xattrs may take, each with a NUL: include/uapi/linux/limits.h
# What overlayfs adds to them when the layer is mounted: opaque, impure, origin, redirect and the like.
_ROOM = 512

_NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.")  # xattr(7)
_SPARE = 1 << 20  # bytes; a filesystem with as much free is not full
_WITHOUT = "make the archive again without it"


def set_xattr(node: int | bytes, key: bytes, value: bytes, entry: Entry) -> None:
    """Set an xattr of *entry* on an fd or a path, symlinks not followed.

    ``user.*`` is left out where no such xattr can be, as in moby: on symlinks, fifos and devices.
    raises: ArchiveRejected, NotSupported, OSError.
    """
    try:
        os.setxattr(node, key, value, follow_symlinks=isinstance(node, int))
    except OSError as error:
        if error.errno == errno.EPERM and key.startswith(b"user."):
            return
        raise _xattr_error(error, node, key, entry) from error


def has_capability(path: bytes) -> bool:
    """Tell whether the file at *path* has capabilities. Raises OSError."""
    try:
        os.getxattr(path, CAPABILITY, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return False
    return True


def check_list(node: int | bytes, entry: Entry) -> None:
    """Raise ArchiveRejected where the kernel could not list the xattrs of an fd or a path any more, once it is mounted.

    Filesystems store more names than that, but nobody could read them back.
    """
    try:
        names = os.listxattr(node, follow_symlinks=isinstance(node, int))
        size = sum(len(os.fsencode(name)) + 1 for name in names)
    except OSError as error:
        if error.errno not in (errno.E2BIG, errno.ERANGE):
            raise
        size = MAX_LIST + 1
    if size > MAX_LIST - _ROOM:
        cause = (
            f"the names of its extended attributes take more than the {MAX_LIST - _ROOM} bytes that can be read back"
        )
        raise entry_error(entry.name, cause, "make the archive again with fewer of them")


def _xattr_error(error: OSError, node: int | bytes, key: bytes, entry: Entry) -> Exception:
    """Return the error for the xattr *key*, which the kernel refused."""
    what = f"xattr {printable(key)}"
    if not key.startswith(_NAMESPACES):
        hint = "it was made by another system: make it again without extended attributes (tar --no-xattrs)"
        return entry_error(entry.name, f"its {what} is of a kind that Linux does not have", hint)
    if key in ACLS and error.errno == errno.EACCES:
        return entry_error(entry.name, f"its {what} is one that only directories can have", _WITHOUT)
    if error.errno == errno.ENOTSUP:
        if key in ACLS and _is_symlink(node):
            return entry_error(entry.name, f"its {what} is one that no symlink can have", _WITHOUT)
        return NotSupported(
            f"archive entry {shown(entry.name)}: the store's filesystem cannot hold its {what}",
            hint="move the store to a filesystem with extended attributes, such as ext4 or XFS",
            entry=shown(entry.name),
        )
    if error.errno == errno.ENOSPC and _has_room(node):  # ext4's and btrfs' word for it
        return NotSupported(
            f"archive entry {shown(entry.name)}: with its {what} it has more bytes of extended attributes than the"
            " store's filesystem can hold for a file",
            hint="move the store to a filesystem that holds more, such as XFS, or use an archive without it",
            entry=shown(entry.name),
        )
    if error.errno in (errno.EINVAL, errno.ERANGE, errno.E2BIG):
        return entry_error(entry.name, f"its {what} is malformed, or too long")
    return error


def _is_symlink(node: int | bytes) -> bool:
    return isinstance(node, bytes) and stat.S_ISLNK(os.lstat(node).st_mode)


def _has_room(node: int | bytes) -> bool:
    """Tell whether blocks are free where *node* lies. A path is one below the fd of a directory."""
    place = node if isinstance(node, int) else os.path.dirname(node)
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize > _SPARE
