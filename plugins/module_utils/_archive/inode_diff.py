# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two inodes by moby's rules. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from .walk import get_xattr, list_xattrs
from .xattr_ids import CAPABILITY

_CAPABILITY = os.fsdecode(CAPABILITY)


def differs(old: os.stat_result, new: os.stat_result) -> bool:
    """Tell by moby's rule whether two inodes differ. Size and time of a directory do not count."""
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (new.st_mode, new.st_uid, new.st_gid, new.st_rdev):
        return True
    if stat.S_ISDIR(old.st_mode):
        return False
    return old.st_size != new.st_size or not _same_time(old.st_mtime_ns, new.st_mtime_ns)


def _same_time(old: int, new: int) -> bool:
    """Tell whether two times in nanoseconds are equal. A time without a fraction may have lost it in a tar."""
    if old == new:
        return True
    return old // 10**9 == new // 10**9 and (old % 10**9 == 0 or new % 10**9 == 0)


def capability(node: int | bytes, names: t.Sequence[str] | None = None) -> bytes:
    """Return the file capability of an fd or a path, symlinks not followed; b"" for none. Raises OSError.

    names: the names of its xattrs, if known. Most files have no capability; a list costs less than a failed getxattr.
    """
    if _CAPABILITY in (list_xattrs(node, some=True) if names is None else names):
        return get_xattr(node, _CAPABILITY)
    return b""
