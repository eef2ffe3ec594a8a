# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two forms of a deletion, in a layer tar and in an upperdir, and their conversion. PRIVATE to the collection.

| meaning                | in a tar                             | in an upperdir                                 |
|------------------------|--------------------------------------|------------------------------------------------|
| a lower's NAME is gone | empty file ``.wh.NAME``              | character device 0:0 called NAME               |
| no lower shows in DIR  | empty file ``.wh..wh..opq`` in DIR   | xattr ``trusted.overlay.opaque``=``y`` on DIR  |

Pure: no function here touches a file. The law: `tar_name` writes the name that `parse_marker` reads.
Source: OCI image layer specification, "Whiteouts"; Linux Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .._errors import ArchiveRejected, NotSupported, printable

WHITEOUT_PREFIX = b".wh."
METADATA_PREFIX = b".wh..wh."  # the prefix of AUFS' own files
PSEUDO_LINKS = b".wh..wh.plnk"  # a directory in the root: AUFS keeps files with several names here
OPAQUE_MARKER = b".wh..wh..opq"
OPAQUE_VALUE = b"y"
XWHITEOUTS_VALUE = b"x"  # of the opaque xattr: not opaque, but files with an xattr may be whiteouts here (Linux 6.7)

# overlayfs' own xattrs: never read from a tar, never written to a tar.
OVERLAY_XATTR_PREFIXES = (b"trusted.overlay.", b"user.overlay.")

# The keys that change the meaning of a file or directory.
OVERLAY_XATTR_KEYS = ("opaque", "redirect", "metacopy", "whiteout")

# The meaning of the last part of a name in a tar.
ORDINARY = "ordinary"
HIDES = "hides"
OPAQUE = "opaque"
METADATA = "metadata"  # a file of AUFS, which is not a part of the layer


class Marker(t.NamedTuple):
    """The meaning of a basename in a tar. name: the hidden name of a whiteout; otherwise the basename or b""."""

    kind: str
    name: bytes


def overlay_xattr(key: str, userxattr: bool) -> str:
    """Return the full name of overlayfs' xattr *key*, such as ``redirect``. userxattr: the mount option."""
    return ("user.overlay." if userxattr else "trusted.overlay.") + key


def opaque_xattr(userxattr: bool) -> str:
    """Return the name of the xattr that makes a directory opaque when it is ``y``."""
    return overlay_xattr("opaque", userxattr)


def is_opaque(value: bytes, path: bytes) -> bool:
    """Tell whether *value* of the opaque xattr makes the directory *path* opaque. Raises NotSupported if unknown."""
    if value not in (OPAQUE_VALUE, XWHITEOUTS_VALUE):
        raise NotSupported(
            f"{printable(path)} has an opaque xattr with the unknown value {value!r}",
            hint="copy the content of the mounted layer into a new layer, and use the new layer",
            path=printable(path),
        )
    return value == OPAQUE_VALUE


def check_self_contained(names: t.Collection[str], path: bytes, directory: bool, userxattr: bool) -> None:
    """Raise NotSupported if the xattrs *names* make *path* depend on the lowers, or make it a whiteout by xattr.

    A redirect counts on directories only: a file keeps the xattr after its content was copied up.
    """
    if not names:  # as nearly always
        return
    for key in ("redirect",) if directory else ("metacopy", "whiteout"):
        xattr = overlay_xattr(key, userxattr)
        if xattr in names:
            raise NotSupported(
                f"{printable(path)} has the xattr {xattr}: the layer's own directory does not have its whole content",
                hint="a mount with redirect_dir or metacopy wrote the xattr: copy the content of such a mount into a"
                " new layer, and use the new layer",
                path=printable(path),
                xattr=xattr,
            )


def is_whiteout(st: os.stat_result) -> bool:
    """Tell whether *st* is a whiteout of overlayfs: a character device 0:0."""
    return st.st_rdev == 0 and stat.S_ISCHR(st.st_mode)


def tar_name(name: bytes) -> bytes:
    """Return the path of the tar entry that deletes *name*, a path without trailing slash."""
    parent, slash, base = name.rpartition(b"/")
    return parent + slash + WHITEOUT_PREFIX + base


def parse_marker(basename: bytes, path: bytes = b"") -> Marker:
    """Return the meaning of a tar entry with this basename.

    path:   the whole name, for the message.
    raises: ArchiveRejected for a whiteout of an empty name, ``.`` or ``..``: some readers delete the parent then.
    """
    if not basename.startswith(WHITEOUT_PREFIX):
        return Marker(ORDINARY, basename)
    if basename == OPAQUE_MARKER:
        return Marker(OPAQUE, b"")
    if basename.startswith(METADATA_PREFIX):
        return Marker(METADATA, basename)
    hidden = basename[len(WHITEOUT_PREFIX) :]
    if hidden in (b"", b".", b".."):
        raise ArchiveRejected(
            f"invalid whiteout {printable(path or basename)}: it does not name a file",
            hint="the archive is damaged or hostile; get it again from a source you trust",
            entry=printable(path or basename),
        )
    return Marker(HIDES, hidden)
