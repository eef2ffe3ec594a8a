# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the names in an entry lead, and the hard links of a layer tar. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat

from .._errors import ArchiveRejected, NotSupported
from .apply_root import Directory, Root
from .tar import Entry, entry_error, shown
from .walk import MAX_DEPTH, MAX_PATH, too_deep
from .whiteouts import is_whiteout

_TOO_DEEP = "the archive is hostile, or no layer: no command can name what lies so deep"


def clean(path: bytes, entry: Entry) -> bytes:
    """Return *path*, a name in *entry*, without leading slash and ``.`` and ``..``, as its letters have it.

    raises: ArchiveRejected if it leads out of the layer, as moby does before any symlink is looked at, or too deep.
    """
    if too_deep(path):
        raise entry_error(
            entry.name, f"it lies more than {MAX_DEPTH} directories, or {MAX_PATH} bytes, deep", _TOO_DEEP
        )
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
    """Return what a hard link *name* in *place* leads to: directory, name there, stat. Raises ArchiveRejected."""
    parent, _unused, target = clean(entry.linkname, entry).rpartition(b"/")
    try:
        source = root.directory(parent, make=False)
        found = os.stat(target or b".", dir_fd=source.fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        raise _bad_link_error(entry, "which the layer does not have") from None
    if stat.S_ISDIR(found.st_mode) or is_whiteout(found):
        raise _bad_link_error(entry, "which is a directory or a whiteout")
    if source.child(target) == place.child(name):
        raise entry_error(entry.name, "it is a hard link to itself")
    if source.child(target).startswith(place.child(name) + b"/"):
        raise _bad_link_error(entry, "which goes with the directory it replaces")
    return source, target, found


def link_differs(entry: Entry, owner: tuple[int, int], found: os.stat_result) -> bool:
    """Tell whether the header of a hard link says anything else than what its inode has, which *found* is of.

    owner: the header's, on disk. Mode and time of a symlink stay, as in moby. Nothing is said about capabilities.
    """
    if (found.st_uid, found.st_gid) != owner or entry.xattrs:
        return True
    if stat.S_ISLNK(found.st_mode):
        return False
    return stat.S_IMODE(found.st_mode) != entry.mode or found.st_mtime_ns != entry.mtime_ns


def make_link(entry: Entry, source: Directory, target: bytes, place: Directory, name: bytes) -> None:
    """Make the hard link *name* in *place*. Raises NotSupported where the file has too many names, OSError."""
    try:
        os.link(target, name, src_dir_fd=source.fd, dst_dir_fd=place.fd, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        raise NotSupported(
            f"archive entry {shown(entry.name)}: {shown(entry.linkname)} has as many names as a file can have on the"
            " store's filesystem",
            hint="move the store to a filesystem that allows more, such as XFS",
            entry=shown(entry.name),
        ) from error


def _bad_link_error(entry: Entry, cause: str) -> ArchiveRejected:
    return entry_error(entry.name, f"it is a hard link to {shown(entry.linkname)}, {cause}")
