# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a file's xattrs go into a tar. PRIVATE to the collection.

moby takes file capabilities alone. Users may want theirs too: ``user.*`` and POSIX ACLs, in the records that GNU tar
makes of them with ``--xattrs-include='*'``. Whatever else a file has is its host's, or overlayfs' own.
"""

from __future__ import annotations

import os
import typing as t

from .._errors import NotSupported, printable
from .tar import NO_XATTRS
from .walk import get_xattr
from .whiteouts import OVERLAY_XATTR_PREFIXES

MAX_SIZE = 512 * 1024  # bytes of one file's; readers take 1 MiB for them and the file's names

_CAPABILITY = b"security.capability"
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")


def xattrs_to_export(
    names: t.Collection[str], node: int | bytes, path: bytes, users: bool = False, mapped: bool = False
) -> t.Mapping[bytes, bytes]:
    """Return by name what the tar gets of the xattrs *names*, which the file at *node*, an fd or a path, has.

    path:   the entry's, for messages.
    users:  those of users, too.
    mapped: ids on disk are not those in the tar, so an ACL's would be strangers'.
    raises: NotSupported for an ACL where ids are mapped, and for more than a tar's readers take; OSError.
    """
    wanted = [name for name in map(os.fsencode, names) if name == _CAPABILITY or (users and _is_users(name))]
    if not wanted:
        return NO_XATTRS
    found = {name: get_xattr(node, os.fsdecode(name)) for name in wanted}
    if mapped and not found.keys().isdisjoint(_ACLS):
        raise NotSupported(
            f"{printable(path)} has an ACL, and the store maps ids",
            hint="export it without ACLs: leave xattrs out",
            path=printable(path),
        )
    size = sum(len(name) + len(value) for name, value in found.items())
    if size > MAX_SIZE:
        raise NotSupported(
            f"{printable(path)} has {size} bytes of extended attributes, and no tar can have more than {MAX_SIZE}",
            hint="export it without them: leave xattrs out",
            path=printable(path),
        )
    if _CAPABILITY in found:
        found[_CAPABILITY] = _rootless(found[_CAPABILITY])
    return found


def _is_users(name: bytes) -> bool:
    return name in _ACLS or (name.startswith(b"user.") and not name.startswith(OVERLAY_XATTR_PREFIXES))


def _rootless(capability: bytes) -> bytes:
    """Return a file capability as revision 2: revision 3's root id means nothing outside its user namespace."""
    if capability[3:4] == b"\x03":
        return capability[:3] + b"\x02" + capability[4:20]
    return capability
