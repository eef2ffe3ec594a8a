# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a deletion is written, in a layer tar and in an upperdir, and the way between. PRIVATE to the collection.

| meaning                | in a tar                             | in an upperdir                                 |
|------------------------|--------------------------------------|------------------------------------------------|
| a lower's NAME is gone | empty file ``.wh.NAME``              | character device 0:0 called NAME               |
| no lower shows in DIR  | empty file ``.wh..wh..opq`` in DIR   | xattr ``trusted.overlay.opaque``=``y`` on DIR  |

Pure: nothing here touches a file. The law: what `parse_marker` reads, `tar_name` writes back.
Source: OCI image layer specification, "Whiteouts"; Linux Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .._errors import ArchiveRejected, NotSupported, printable

WHITEOUT_PREFIX = b".wh."
METADATA_PREFIX = b".wh..wh."  # AUFS kept its own files under such names
PSEUDO_LINKS = b".wh..wh.plnk"  # in the root: the directory of those files that elsewhere are hard links to here
OPAQUE_MARKER = b".wh..wh..opq"
OPAQUE_VALUE = b"y"
XWHITEOUTS_VALUE = b"x"  # of the opaque xattr: not opaque, but whiteouts in here may be files with an xattr (Linux 6.7)

# A layer's own bookkeeping: never taken from a tar, never written to one.
OVERLAY_XATTR_PREFIXES = (b"trusted.overlay.", b"user.overlay.")

# Those of them that say what a file or directory is.
OVERLAY_XATTR_KEYS = ("opaque", "redirect", "metacopy", "whiteout")

# What the last component of a tar name means.
ORDINARY = "ordinary"
HIDES = "hides"
OPAQUE = "opaque"
METADATA = "metadata"  # AUFS bookkeeping, none of the layer's content


class Marker(t.NamedTuple):
    """What a basename in a tar means; *name* is what it is about: the hidden name, or itself when ordinary."""

    kind: str
    name: bytes


def overlay_xattr(key: str, userxattr: bool) -> str:
    """Return the full name of overlayfs' own xattr *key*, such as ``redirect``; userxattr as the mounts have it."""
    return ("user.overlay." if userxattr else "trusted.overlay.") + key


def opaque_xattr(userxattr: bool) -> str:
    """Return the name of the xattr that makes a directory opaque when it is ``y``."""
    return overlay_xattr("opaque", userxattr)


def is_opaque(value: bytes, path: bytes) -> bool:
    """Tell what the value of the opaque xattr of the directory *path* means. Raises NotSupported for an unknown one."""
    if value not in (OPAQUE_VALUE, XWHITEOUTS_VALUE):
        raise NotSupported(
            f"{printable(path)} has an opaque xattr of {value!r}, which means nothing to this collection",
            hint="copy the content of the mounted layer into a new layer, and use that",
            path=printable(path),
        )
    return value == OPAQUE_VALUE


def check_self_contained(names: t.Collection[str], path: bytes, directory: bool, userxattr: bool) -> None:
    """Raise NotSupported if the xattrs *names* say that what *path* is depends on its lowers, or is no plain whiteout.

    A redirect counts on directories only: files keep theirs after their content was copied up.
    """
    if not names:  # as nearly always
        return
    for key in ("redirect",) if directory else ("metacopy", "whiteout"):
        xattr = overlay_xattr(key, userxattr)
        if xattr in names:
            raise NotSupported(
                f"{printable(path)} has the xattr {xattr}: the layer's own directory does not tell what it holds",
                hint="a mount with redirect_dir or metacopy has written it: copy the content of such a mount into a new"
                " layer, and use that",
                path=printable(path),
                xattr=xattr,
            )


def is_whiteout(st: os.stat_result) -> bool:
    """Tell whether *st* is a whiteout as overlayfs makes it: a character device 0:0."""
    return st.st_rdev == 0 and stat.S_ISCHR(st.st_mode)


def tar_name(name: bytes) -> bytes:
    """Return the path in a tar that says *name* is gone; *name* is a path without trailing slash."""
    parent, slash, base = name.rpartition(b"/")
    return parent + slash + WHITEOUT_PREFIX + base


def parse_marker(basename: bytes, path: bytes = b"") -> Marker:
    """Tell what a tar entry with this last component means.

    path:   the whole name, only for the message.
    raises: ArchiveRejected for a whiteout of no name, ``.`` or ``..``: some readers delete the parent for it.
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
            f"invalid whiteout {printable(path or basename)}: it names no file",
            hint="the archive is damaged or hostile; get it again from a source you trust",
            entry=printable(path or basename),
        )
    return Marker(HIDES, hidden)
