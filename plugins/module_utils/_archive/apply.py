# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack a layer tar into an upperdir: the native apply. PRIVATE to the collection.

Source: moby/go-archive Unpack, UnpackLayer, OverlayWhiteoutFormat; OCI image layer specification, "Whiteouts".
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._linux.noatime import open_quietly
from .._linux.subject import names_a_path
from .apply_links import clean
from .apply_nodes import Nodes
from .apply_root import Directory, Root
from .image_archive import check_no_image
from .older import Older
from .tar import REGULAR, SPARSE, Entry, Read, cut, entry_error
from .tar_reader import TarReader
from .walk import IS_DIRECTORY, children
from .whiteouts import (
    HIDES,
    METADATA_PREFIX,
    OPAQUE,
    PSEUDO_LINKS,
    WHITEOUT_PREFIX,
    is_whiteout,
    opaque_xattr,
    parse_marker,
)
from .xattr_ids import MapIds

if t.TYPE_CHECKING:
    from .exact import ExactWriter
    from .manifest import ManifestWriter

_DOT = ord(".")
# The kernel's errors for a name that no honest archive has. The host causes all other errors.
_ARCHIVES_FAULT = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
# Directories without an entry of their own: an honest archive without directories has a few of these for each file.
_FEW_IMPLIED = 10_000
_IMPLIED_PER_ENTRY = 16
_IMPLIED_HINT = "the archive is hostile or made by hand: make it again with an entry for each directory"


class Applied(t.NamedTuple):
    """The totals of an archive. entries: their number; size: bytes of all bodies."""

    entries: int
    size: int


def apply_layer(
    read: Read,
    root: str,
    *,
    lowers: t.Sequence[str] = (),
    map_ids: MapIds | None = None,
    userxattr: bool = False,
    max_size: int | None = None,
    expected: bool = False,
    may_be_image: bool = False,
    manifest: ManifestWriter | None = None,
    exact: ExactWriter | None = None,
) -> Applied:
    """Unpack a layer tar over the content of the directory *root*, an upperdir that is not mounted yet.

    read:      returns at most that many bytes of the uncompressed tar, b"" at its end. The stream is read to its end:
               only zeros may follow the archive's end mark, no more than the archive's size or MAX_IDLE.
    lowers:    the lowers of the layer, nearest first. overlayfs allows no opaque root, so an opaque marker at the tar's
               root becomes a whiteout for each name in the lowers.
    map_ids:   maps (uid, gid) in the tar to (uid, gid) on disk, -1 to -1. If it raises ValueError, the archive is
               rejected. The owner of a whiteout is not mapped, here or in export: the kernel makes whiteouts as the
               host's root.
    userxattr: the store's mounts keep the overlay xattrs in ``user.overlay.*``.
    max_size:  the largest size of the uncompressed tar with its holes, in bytes; checked before the data is written.
    expected:  the caller compares a digest of the archive. Then the end mark may be missing, and any data may follow
               it, as in Docker.
    may_be_image: accept the archive of a whole image: its files become files of the layer.
    manifest:  notes what lies in *root* afterwards; the caller finishes it. Only for an empty *root*.
    exact:     records the tar, so that the same bytes can be written again; as the manifest.
    raises:    ArchiveRejected; NotSupported if the filesystem cannot hold an entry; OSError with the entry's name.
               *root* then holds the entries unpacked so far.
    """
    size = 0
    owner = map_ids(0, 0) if map_ids else (0, 0)
    with Root(root, owner, opaque_xattr(userxattr), manifest, exact) as base, _clear_umask():
        reader = TarReader(exact.tap(read) if exact else read, max_size, expected)
        older = Older() if os.listdir(base.top.fd) else None
        applier = _Applier(base, Nodes(reader, base, map_ids, older), older, reader)
        for entry in reader:
            size += entry.size
            try:
                applier.apply(entry)
            except OSError as error:
                raise _explained_error(error, entry) from error
        reader.check_rest()
        if not may_be_image:
            check_no_image(base.top.fd, older)
        applier.finish(lowers)
    return Applied(reader.entries, size)


@contextlib.contextmanager
def _clear_umask() -> t.Iterator[None]:
    """Clear the umask, so that open(2), mkdir(2) and mknod(2) set exactly the mode given."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


class _Applier:
    def __init__(self, root: Root, nodes: Nodes, older: Older | None, reader: TarReader) -> None:
        self._root = root
        self._known = root.known
        self._nodes = nodes
        self._makers = nodes.makers
        self._older = older  # None if *root* was empty before
        self._reader = reader
        self._root_marker: Entry | None = None
        self._pseudo_links = False  # whether the directory of AUFS pseudo links was made

    def apply(self, entry: Entry) -> None:
        """Unpack *entry*."""
        parent, _unused, name = entry.name.rpartition(b"/")
        is_marker = False
        if not name or name[0] == _DOT:  # a directory, a marker or an unusual name
            parent, _unused, name = clean(entry.name, entry).rpartition(b"/")
            if not name:
                return  # the store sets owner and mode of the root, as in moby
            is_marker = name.startswith(WHITEOUT_PREFIX)
        place = self._known(parent) or self._place(parent, entry)
        if not place:
            return
        if is_marker:
            self._marker(entry, place, name)
            return
        self._makers[entry.type](entry, place, name)
        if self._older is not None:
            self._older.note(place.child(name))

    def finish(self, lowers: t.Sequence[str]) -> None:
        """Do the work that needs all entries: root marker, times."""
        if self._pseudo_links:
            self._root.remove(self._root.top, PSEUDO_LINKS)
            if self._root.manifest:
                self._root.manifest.add_gone(PSEUDO_LINKS)
        if self._root_marker:
            try:
                self._hide_lowers(lowers, self._root_marker)
            except OSError as error:
                raise _explained_error(error, self._root_marker) from error
        self._root.set_times()

    def _place(self, parent: bytes, entry: Entry) -> Directory | None:
        """Return the directory *parent* of an entry's name, made if missing; None if the entry is AUFS bookkeeping."""
        self._root.save_memory()
        path = clean(parent, entry)
        if not path:
            return self._root.top
        if path == PSEUDO_LINKS and entry.type in (REGULAR, SPARSE):  # a later hard link may lead to it
            self._pseudo_links = True
            return self._root.directory(path)
        if WHITEOUT_PREFIX in path:
            for part in path.split(b"/"):
                if part.startswith(METADATA_PREFIX):
                    return None
                if part.startswith(WHITEOUT_PREFIX):
                    raise entry_error(entry.name, "its directory is a whiteout, which cannot hold files")
        directory = self._root.directory(path)
        self._check_implied(entry)
        return self._root.remember(parent, directory)

    def _check_implied(self, entry: Entry) -> None:
        """Raise ArchiveRejected if a small archive makes very many directories."""
        implied = self._root.implied
        if implied > max(_FEW_IMPLIED, _IMPLIED_PER_ENTRY * self._reader.entries):
            cause = f"the names up to this entry need {implied} directories that the archive does not list"
            raise entry_error(entry.name, cause, _IMPLIED_HINT)

    def _marker(self, entry: Entry, place: Directory, name: bytes) -> None:
        marker = parse_marker(name, entry.name)
        if place.path == PSEUDO_LINKS:
            return  # finish() removes the whole directory
        if marker.kind == HIDES:
            self._nodes.make_whiteout(entry, place, marker.name)
            if self._older is not None:
                self._older.note(place.child(marker.name))
        elif marker.kind == OPAQUE:
            if place is self._root.top:
                self._root_marker = entry
            else:
                self._root.make_opaque(place)
            if self._older is not None:
                self._older.note(place.path)
                if self._older.sweep(place.path):
                    self._remove_older(place, self._older)

    def _remove_older(self, top: Directory, older: Older) -> None:
        """Remove all files below *top* that this archive did not bring."""
        todo = [top.path]
        while todo:
            place = self._root.directory(todo.pop())
            for name, kind in children(place.fd):
                path = place.child(name)
                if not older.is_brought(path):
                    self._root.remove(place, name)
                elif kind == IS_DIRECTORY:
                    todo.append(path)

    def _hide_lowers(self, lowers: t.Sequence[str], marker: Entry) -> None:
        """Hide all names of the lowers, as if the root were opaque."""
        top = self._root.top
        own = dict(children(top.fd))
        for name in _visible_names(lowers):
            if name not in own:
                self._nodes.make_whiteout(marker, top, name)
            elif own[name] == IS_DIRECTORY:
                self._root.make_opaque(self._root.directory(name))


def _visible_names(lowers: t.Sequence[str]) -> list[bytes]:
    """Return the sorted names in the root of the merged *lowers* (nearest first). Raises OSError."""
    visible: dict[bytes, bool] = {}
    for lower in lowers:
        fd = open_quietly(lower, os.O_DIRECTORY)
        try:
            for name, _unused in children(fd):
                if name not in visible:
                    visible[name] = not is_whiteout(os.stat(name, dir_fd=fd, follow_symlinks=False))
        finally:
            os.close(fd)
    return sorted(name for name in visible if visible[name])


def _explained_error(error: OSError, entry: Entry) -> Exception:
    """Return *error* with the entry's name; ArchiveRejected if the archive caused the error."""
    if error.errno in _ARCHIVES_FAULT:
        return entry_error(entry.name, f"it cannot be created: {os.strerror(error.errno)}")
    if not names_a_path(error):  # an error in reading the archive has the whole path
        error.filename = os.fsdecode(cut(entry.name))  # the error has only the last name, or the target of a link
    return error
