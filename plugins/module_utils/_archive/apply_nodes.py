# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making what the entries of a layer tar are about: files, directories, links, devices. PRIVATE to the collection.

Nothing but a directory is ever changed: the rest is made anew, and what had its name is removed before. So a name that
is a hard link into another tree does no harm there.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .._errors import NotSupported, printable
from .apply_links import link_differs, link_target, make_link
from .apply_root import Directory, Root, shed_acls
from .apply_xattrs import check_list, has_capability, set_xattr
from .older import Older
from .tar import BLOCKDEV, CHAR, DIRECTORY, FIFO, HARDLINK, REGULAR, SPARSE, SYMLINK, Entry, entry_error, shown
from .tar_reader import TarReader
from .walk import below
from .whiteouts import OVERLAY_XATTR_PREFIXES, is_whiteout
from .xattr_ids import CAPABILITY, MapIds, with_mapped_ids

Owner = tuple[int, int]
Made = t.TypeVar("Made")

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FORMATS = {CHAR: stat.S_IFCHR, BLOCKDEV: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_FEW_XATTRS = 200  # whose names fit any list
_TOO_LARGE = (errno.EFBIG, errno.EINVAL)  # what the kernel says to a size beyond a filesystem's
_BEYOND_MKDIR = 0o7000  # mode bits that mkdir(2) and writing do not keep
_CONTRADICTION = "the archive contradicts itself, and Docker refuses it, too: make it again from the layer's files"
_WIDEN = "use a store whose id maps know the id, or an archive without it"


class Nodes:
    """Makes nodes below *root*; the bodies of files come from *reader*. The umask must be 0.

    map_ids: (uid, gid) in the tar to (uid, gid) on disk; asked for each entry.
    older:   what the root held before; None if it was empty.
    """

    def __init__(self, reader: TarReader, root: Root, map_ids: MapIds | None, older: Older | None) -> None:
        self._reader = reader
        self._older = older
        self._may_have_capabilities = older is not None
        self._root = root
        self._ours = root.ours  # uid and gid
        self._map_ids = map_ids
        # By an entry's type: what makes it in a directory. They raise ArchiveRejected, NotSupported, OSError.
        self.makers: dict[bytes, t.Callable[[Entry, Directory, bytes], None]] = {
            REGULAR: self._file,
            SPARSE: self._sparse_file,
            DIRECTORY: self._directory,
            HARDLINK: self._link,
            SYMLINK: self._symlink,
            CHAR: self._special,
            BLOCKDEV: self._special,
            FIFO: self._special,
        }

    def make_whiteout(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Put a whiteout in the place of *name*. Its owner is not mapped; see apply_layer.

        raises: ArchiveRejected where the archive itself brought what it deletes: the two contradict each other, and
                moby refuses them too. A whiteout after another is one.
        """
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=place.fd)
        except FileExistsError:
            is_ours = self._older is None or self._older.is_brought(place.child(name))
            if is_ours and not is_whiteout(os.stat(name, dir_fd=place.fd, follow_symlinks=False)):
                cause = f"it deletes {shown(place.child(name))}, which an earlier entry brought"
                raise entry_error(entry.name, cause, _CONTRADICTION) from None
            self._root.remove(place, name)
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=place.fd)
        self._settle_node(entry._replace(type=CHAR, mode=0, xattrs={}), (entry.uid, entry.gid), place, name)

    def _file(self, entry: Entry, place: Directory, name: bytes) -> None:
        _name, _type, mode, uid, gid, left, mtime, _link, _major, _minor, xattrs = entry
        try:
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=place.fd)
        except FileExistsError:
            self._root.remove(place, name)
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=place.fd)
        try:
            while left:
                piece = self._reader.piece()
                left -= len(piece)
                written = os.write(fd, piece)
                if written < len(piece):
                    _write_rest(fd, memoryview(piece)[written:])
            plain = place.plain
            if not plain:
                shed_acls(fd)
            if not plain or xattrs or mode & _BEYOND_MKDIR or self._map_ids or (uid, gid) != self._ours:
                self._settle(fd, entry, plain)
            os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)

    def _sparse_file(self, entry: Entry, place: Directory, name: bytes) -> None:
        """As `_file`, for one with holes."""
        fd = self._make_anew(place, name, lambda: os.open(name, _NEW_FILE, entry.mode & 0o777, dir_fd=place.fd))
        try:
            try:
                self._write_pieces(fd, entry.size)
            except OSError as error:
                if error.errno in _TOO_LARGE:
                    raise entry_error(entry.name, f"no file here can have its {entry.size} bytes") from error
                raise
            if not place.plain:
                shed_acls(fd)
            self._settle(fd, entry, place.plain)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _write_pieces(self, fd: int, size: int) -> None:
        """Write the data of the sparse file we are at where its map says, and give it its *size*."""
        os.ftruncate(fd, size)
        rest = memoryview(b"")
        for offset, left in self._reader.sparse.pieces() if self._reader.sparse else ():
            os.lseek(fd, offset, os.SEEK_SET)
            while left:
                rest = rest or memoryview(self._reader.piece())
                piece, rest = rest[:left], rest[left:]
                _write_rest(fd, piece)
                left -= len(piece)

    def _directory(self, entry: Entry, place: Directory, name: bytes) -> None:
        directory, is_new = self._root.make_directory(place, name, entry.mode)
        plain = is_new and place.plain
        self._settle(directory.fd, entry, plain)
        if not plain or entry.xattrs or entry.mode & stat.S_ISGID or self._owner(entry) != self._ours:
            directory.plain = self._root.is_plain(directory.fd)
        self._root.remember(directory.path, directory)  # its name in the tar may lead through symlinks
        self._root.set_time(directory, entry.mtime_ns)

    def _settle(self, fd: int, entry: Entry, plain: bool) -> None:
        """Give a file or directory what it did not get when it was made: with *plain*, its owner and mode.

        After a file was written, which takes its capabilities away. The owner first, as chown(2) takes setuid and
        capabilities away; the mode last, as an ACL changes it.
        """
        owner = self._owner(entry)
        if owner != self._ours or not plain:
            os.fchown(fd, *owner)
        if entry.xattrs:
            self._set_xattrs(fd, entry)
        if not plain or entry.xattrs or entry.mode & _BEYOND_MKDIR:
            os.fchmod(fd, entry.mode)

    def _symlink(self, entry: Entry, place: Directory, name: bytes) -> None:
        if not entry.linkname:
            raise entry_error(entry.name, "it is a symlink to nothing")
        self._make_anew(place, name, lambda: os.symlink(entry.linkname, name, dir_fd=place.fd))
        self._settle_node(entry, self._owner(entry), place, name)

    def _special(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Make a device or fifo. A character device 0:0 is a whiteout, as moby has it; its owner is not mapped."""
        device = os.makedev(entry.major, entry.minor)
        mode = _FORMATS[entry.type] | entry.mode
        try:
            self._make_anew(place, name, lambda: os.mknod(name, mode, device, dir_fd=place.fd))
        except OSError as error:
            if error.errno != errno.EINVAL or not device:
                raise
            raise NotSupported(
                f"archive entry {shown(entry.name)}: the store's filesystem cannot hold its device number"
                f" {entry.major}:{entry.minor}",
                hint="move the store to a filesystem that can, such as ext4, or use an archive without it",
                entry=shown(entry.name),
            ) from error
        owner = self._owner(entry) if device or entry.type != CHAR else (entry.uid, entry.gid)
        self._settle_node(entry, owner, place, name)

    def _settle_node(self, entry: Entry, owner: Owner, place: Directory, name: bytes) -> None:
        """As `_settle`, for what cannot be opened; and give it its time."""
        if owner != self._ours or not place.plain:
            os.chown(name, *owner, dir_fd=place.fd, follow_symlinks=False)
        if entry.type != SYMLINK:
            path = below(place.fd, name)
            if not place.plain:
                shed_acls(path)
            if entry.xattrs:
                self._set_xattrs(path, entry)
            if not place.plain or entry.xattrs or entry.mode & _BEYOND_MKDIR:
                os.chmod(path, entry.mode)  # follows symlinks, but this is none: we made it
        elif entry.xattrs:
            self._set_xattrs(below(place.fd, name), entry)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=place.fd, follow_symlinks=False)

    def _link(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Make a hard link, and give its inode what its own header says: the last one counts, as in moby."""
        source, target, found = link_target(self._root, entry, place, name)
        owner = self._owner(entry)
        changes = link_differs(entry, owner, found)
        if not changes and self._may_have_capabilities:  # chown(2) takes them away, and the header has none
            changes = stat.S_ISREG(found.st_mode) and has_capability(below(source.fd, target))
        path = source.child(target)
        if self._older is not None and self._older.is_older_node(path, found.st_ino):
            if changes:
                self._older.make_own(self._root, source, target)
            else:
                self._older.note_link(path, place.child(name), found.st_ino)
        self._make_anew(place, name, lambda: make_link(entry, source, target, place, name))
        if changes:
            self._settle_link(entry, owner, place, name, found)

    def _settle_link(self, entry: Entry, owner: Owner, place: Directory, name: bytes, found: os.stat_result) -> None:
        """Give an inode that has other names, too, what the header of its name *name* says.

        As moby does it: chown(2) takes the capabilities away that an earlier header gave it, other xattrs stay; mode
        and time of a symlink stay.
        """
        path = below(place.fd, name)
        os.chown(name, *owner, dir_fd=place.fd, follow_symlinks=False)
        if entry.xattrs:
            self._set_xattrs(path, entry)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(path, entry.mode)  # follows symlinks, but this is none
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=place.fd, follow_symlinks=False)

    def _make_anew(self, place: Directory, name: bytes, make: t.Callable[[], Made]) -> Made:
        """Return what *make* does; whatever has the *name* gives way."""
        try:
            return make()
        except FileExistsError:
            self._root.remove(place, name)
            return make()

    def _owner(self, entry: Entry) -> Owner:
        """Return the entry's uid and gid on disk."""
        ids = (entry.uid, entry.gid)
        if not self._map_ids:
            return ids
        try:
            return self._map_ids(*ids)
        except ValueError as error:
            raise entry_error(entry.name, f"its owner: {error}", _WIDEN) from None

    def _set_xattrs(self, node: int | bytes, entry: Entry) -> None:
        """Set the entry's xattrs on an fd or a path, overlayfs' own left out."""
        for key, value in entry.xattrs.items():
            if key.startswith(OVERLAY_XATTR_PREFIXES):
                continue
            if key == CAPABILITY:
                self._may_have_capabilities = True
            if self._map_ids:
                try:
                    value = with_mapped_ids(key, value, self._map_ids)
                except ValueError as error:
                    raise entry_error(entry.name, f"its xattr {printable(key)}: {error}", _WIDEN) from None
            set_xattr(node, key, value, entry)
        if entry.type in (HARDLINK, DIRECTORY) or len(entry.xattrs) > _FEW_XATTRS:
            check_list(node, entry)  # others may have come before


def _write_rest(fd: int, rest: memoryview) -> None:
    """Write what a write(2) left: a disk was nearly full, so the next one says so, or a signal came."""
    while rest:
        rest = rest[os.write(fd, rest) :]
