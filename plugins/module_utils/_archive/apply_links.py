# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths in an entry, and the hard links of a layer tar. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat

from .._errors import ArchiveRejected, NotSupported
from .apply_root import Directory, Root
from .tar import Entry, entry_error, shown
from .walk import MAX_DEPTH, MAX_PATH, too_deep

_TOO_DEEP = "the archive is hostile or not a layer: no command can name a path so deep"


def clean(path: bytes, entry: Entry) -> bytes:
    """Return *path*, a name in *entry*, without leading slash, ``.`` and ``..``. Symlinks are not read.

    raises: ArchiveRejected if the path leads out of the layer (moby, too, tests this before it reads symlinks), or is
            too deep.
    """
    if too_deep(path):
        raise entry_error(entry.name, f"its path has more than {MAX_DEPTH} directories or {MAX_PATH} bytes", _TOO_DEEP)
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if not parts:
                raise entry_error(entry.name, f"{shown(path)} leads out of the layer")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def link_target(root: Root, entry: Entry, place: Directory, name: bytes) -> tuple[Directory, bytes, os.stat_result]:
    """Return the target of the hard link *name* in *place*: directory, name, stat. Raises ArchiveRejected.

    The target may be a whiteout, as in moby: overlayfs makes all whiteouts of a mount as links of one inode, and the
    tar of busybox archives them so.
    """
    if not entry.linkname:
        raise entry_error(entry.name, "it is a hard link without a target")
    parent, _unused, target = clean(entry.linkname, entry).rpartition(b"/")
    try:
        source = root.directory(parent, make=False)
        found = os.stat(target or b".", dir_fd=source.fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        raise _bad_link_error(entry, "which is not in the layer") from None
    if stat.S_ISDIR(found.st_mode):
        raise _bad_link_error(entry, "which is a directory")
    if source.child(target) == place.child(name):
        raise entry_error(entry.name, "it is a hard link to itself")
    if source.child(target).startswith(place.child(name) + b"/"):
        raise _bad_link_error(entry, "which is inside the directory that the link replaces")
    return source, target, found


def link_differs(entry: Entry, owner: tuple[int, int], found: os.stat_result) -> bool:
    """Tell whether the header of a hard link differs from its inode; *found* is the stat of the inode.

    owner: the owner in the header, as on disk. Mode and time of a symlink do not count, as in moby. Capabilities are
           not compared.
    """
    if (found.st_uid, found.st_gid) != owner or entry.xattrs:
        return True
    if stat.S_ISLNK(found.st_mode):
        return False
    return stat.S_IMODE(found.st_mode) != entry.mode or found.st_mtime_ns != entry.mtime_ns


def make_link(entry: Entry, source: Directory, target: bytes, place: Directory, name: bytes) -> None:
    """Make the hard link *name* in *place*. Raises NotSupported if the file has too many names; OSError."""
    try:
        os.link(target, name, src_dir_fd=source.fd, dst_dir_fd=place.fd, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        raise NotSupported(
            f"archive entry {shown(entry.name)}: {shown(entry.linkname)} already has as many names as the store's"
            " filesystem allows for a file",
            hint="move the store to a filesystem that allows more names, such as XFS",
            entry=shown(entry.name),
        ) from error


def _bad_link_error(entry: Entry, cause: str) -> ArchiveRejected:
    return entry_error(entry.name, f"it is a hard link to {shown(entry.linkname)}, {cause}")
