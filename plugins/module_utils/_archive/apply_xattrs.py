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
from .walk import get_xattr
from .xattr_ids import ACLS, CAPABILITY

MAX_LIST = 65536  # bytes of a file's xattr names, each with a NUL: include/uapi/linux/limits.h
# bytes of the names that overlayfs adds when the layer is mounted: opaque, impure, origin, redirect and others.
_ROOM = 512

_NAMESPACES = (b"user.", b"trusted.", b"security.", b"system.")  # xattr(7)
_ACL_VERSION = b"\2\0\0\0"  # include/uapi/linux/posix_acl_xattr.h; ENOTSUP stands for any other, too
_SPARE = 1 << 20  # bytes; a filesystem with so much free space is not full
_WITHOUT = "make the archive again without it"


def set_xattr(node: int | bytes, key: bytes, value: bytes, entry: Entry) -> None:
    """Set an xattr of *entry* on an fd or a path, symlinks not followed.

    ``user.*`` is left out, as in moby, on symlinks, fifos and devices: the kernel allows no such xattr there.
    raises: ArchiveRejected, NotSupported, OSError.
    """
    try:
        os.setxattr(node, key, value, follow_symlinks=isinstance(node, int))
    except OSError as error:
        if error.errno == errno.EPERM and key.startswith(b"user."):
            return
        raise _xattr_error(error, node, key, value, entry) from error


def has_capability(path: bytes) -> bool:
    """Tell whether the file at *path* has capabilities. Raises OSError."""
    try:
        get_xattr(path, os.fsdecode(CAPABILITY))
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return False
    return True


def check_list(node: int | bytes, entry: Entry) -> None:
    """Raise ArchiveRejected if the kernel could not list the xattrs of an fd or a path once the layer is mounted.

    Filesystems store more names, but no program could list them.
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
            f"the names of its extended attributes take more than the {MAX_LIST - _ROOM} bytes that the kernel can list"
        )
        raise entry_error(entry.name, cause, "make the archive again with fewer extended attributes")


def _xattr_error(error: OSError, node: int | bytes, key: bytes, value: bytes, entry: Entry) -> Exception:
    """Return the error for the xattr *key* with this *value* that the kernel refused."""
    what = f"xattr {printable(key)}"
    if not key.startswith(_NAMESPACES):
        hint = "another system made the archive: make it again without extended attributes (tar --no-xattrs)"
        return entry_error(entry.name, f"its {what} is in a namespace that Linux does not have", hint)
    if key in ACLS and error.errno == errno.EACCES:
        return entry_error(entry.name, f"its {what} is allowed on directories only", _WITHOUT)
    if error.errno == errno.ENOTSUP:
        if key.startswith(b"system.") and key not in ACLS:
            return entry_error(
                entry.name, f"its {what} is not a POSIX ACL, which is all that Linux sets there", _WITHOUT
            )
        if key in ACLS and not value.startswith(_ACL_VERSION):
            return _malformed_error(what, entry)
        if key in ACLS and _is_symlink(node):
            return entry_error(entry.name, f"its {what} is not allowed on a symlink", _WITHOUT)
        return NotSupported(
            f"archive entry {shown(entry.name)}: the store's filesystem cannot hold its {what}",
            hint="move the store to a filesystem with extended attributes, such as ext4 or XFS",
            entry=shown(entry.name),
        )
    if error.errno == errno.ENOSPC and _has_room(node):  # of ext4 and btrfs: too many bytes of xattrs
        return NotSupported(
            f"archive entry {shown(entry.name)}: with its {what} the file has more bytes of extended attributes than"
            " the store's filesystem can hold",
            hint="move the store to a filesystem that holds more, such as XFS, or use an archive without the xattr",
            entry=shown(entry.name),
        )
    if error.errno in (errno.EINVAL, errno.ERANGE, errno.E2BIG):
        return _malformed_error(what, entry)
    return error


def _malformed_error(what: str, entry: Entry) -> Exception:
    return entry_error(entry.name, f"its {what} is malformed, or too long")


def _is_symlink(node: int | bytes) -> bool:
    return isinstance(node, bytes) and stat.S_ISLNK(os.lstat(node).st_mode)


def _has_room(node: int | bytes) -> bool:
    """Tell whether the filesystem of *node* has free space. A path leads through the fd of a directory."""
    place = node if isinstance(node, int) else os.path.dirname(node)
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize > _SPARE
