# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids in xattrs: in POSIX ACLs, and the root id of a file capability. PRIVATE to the collection.

Pure: no function here touches a file. If owners are mapped, these ids must be mapped too, or an ACL names other users.
Source: Linux include/uapi/linux/posix_acl_xattr.h, include/uapi/linux/capability.h.
"""

from __future__ import annotations

import struct
import typing as t

# Maps (uid, gid) to (uid, gid); -1 stays. Raises ValueError with the cause for an id that is not in the map.
MapIds = t.Callable[[int, int], tuple[int, int]]

ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")
CAPABILITY = b"security.capability"

_LEFT = -1
_ACL_HEADER = 4  # bytes: the version
_ACL_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_ACL_USER = 0x02
_ACL_GROUP = 0x08
_ROOTED = 3  # the revision of a capability with a root id, in its fourth byte
_ROOT_ID = struct.Struct("<I")
_ROOT_ID_AT = 20  # bytes: magic, and twice the permitted and inheritable sets


def with_mapped_ids(name: bytes, value: bytes, map_ids: MapIds) -> bytes:
    """Return the *value* of the xattr *name* with its ids mapped; unchanged if it has no ids or is malformed.

    The kernel refuses a malformed value later. Raises the errors of *map_ids*.
    """
    if name in ACLS:
        return _mapped_acl(value, map_ids)
    if name == CAPABILITY and value[3:4] == bytes([_ROOTED]) and len(value) == _ROOT_ID_AT + _ROOT_ID.size:
        root, _unused = map_ids(_ROOT_ID.unpack_from(value, _ROOT_ID_AT)[0], _LEFT)
        return value[:_ROOT_ID_AT] + _ROOT_ID.pack(root)
    return value


def _mapped_acl(value: bytes, map_ids: MapIds) -> bytes:
    if len(value) < _ACL_HEADER or (len(value) - _ACL_HEADER) % _ACL_ENTRY.size:
        return value
    entries = [value[:_ACL_HEADER]]
    for tag, permissions, number in _ACL_ENTRY.iter_unpack(value[_ACL_HEADER:]):
        if tag == _ACL_USER:
            number = map_ids(number, _LEFT)[0]
        elif tag == _ACL_GROUP:
            number = map_ids(_LEFT, number)[1]
        entries.append(_ACL_ENTRY.pack(tag, permissions, number))
    return b"".join(entries)
