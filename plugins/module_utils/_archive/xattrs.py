# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The xattrs of a file that a tar gets. PRIVATE to the collection.

moby writes file capabilities only. Users may also want ``user.*`` and POSIX ACLs, in the records that GNU tar writes
with ``--xattrs-include='*'``. All other xattrs belong to the host or to overlayfs.
"""

from __future__ import annotations

import os
import typing as t

from .._errors import NotSupported, printable
from .tar import NO_XATTRS
from .walk import get_xattr
from .whiteouts import OVERLAY_XATTR_PREFIXES
from .xattr_ids import ACLS, CAPABILITY, MapIds, with_mapped_ids

MAX_SIZE = 512 * 1024  # bytes for one file; readers accept 1 MiB for the xattrs and the file's names


def xattrs_to_export(
    names: t.Collection[str], node: int | bytes, path: bytes, users: bool = False, map_ids: MapIds | None = None
) -> t.Mapping[bytes, bytes]:
    """Return the xattrs for the tar, by name, of the file at *node*, an fd or a path, which has the xattrs *names*.

    path:   the entry's path, for messages.
    users:  return the users' xattrs too.
    map_ids: maps ids on disk to ids in the tar, for ACLs.
    raises: NotSupported for more bytes than readers accept; ValueError for an id that *map_ids* does not know; OSError.
    """
    wanted = [name for name in map(os.fsencode, names) if name == CAPABILITY or (users and _is_users(name))]
    if not wanted:
        return NO_XATTRS
    found = {name: get_xattr(node, os.fsdecode(name)) for name in wanted}
    if found.get(CAPABILITY) == b"":  # malformed: moby leaves the capability out
        del found[CAPABILITY]
    if map_ids:
        for name in ACLS:
            if name in found:
                found[name] = with_mapped_ids(name, found[name], map_ids)
    size = sum(len(name) + len(value) for name, value in found.items())
    if size > MAX_SIZE:
        raise NotSupported(
            f"{printable(path)} has {size} bytes of extended attributes, but a tar can have at most {MAX_SIZE}",
            hint="export the layer without them: leave out the option xattrs",
            path=printable(path),
        )
    if CAPABILITY in found:
        found[CAPABILITY] = _rootless(found[CAPABILITY])
    return found


def _is_users(name: bytes) -> bool:
    return name in ACLS or (name.startswith(b"user.") and not name.startswith(OVERLAY_XATTR_PREFIXES))


def _rootless(capability: bytes) -> bytes:
    """Return a file capability as revision 2: the root id of revision 3 is valid only in its user namespace."""
    if capability[3:4] == b"\x03":
        return capability[:3] + b"\x02" + capability[4:20]
    return capability
