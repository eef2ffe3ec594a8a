# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the files, directories, links and devices of a layer tar. PRIVATE to the collection.

Only directories are changed in place. All other nodes are made new, and an old node of the same name is removed first.
So an old name that is a hard link into another tree does not change the other tree.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .._errors import NotSupported, printable
from .apply_bodies import write_pieces, write_rest
from .apply_links import link_differs, link_target, make_link
from .apply_root import Directory, Root, shed_acls
from .apply_xattrs import check_list, has_capability, set_xattr
from .checksum import crc32
from .manifest import KEPT, NONE, ManifestWriter, digest_of_xattrs
from .older import Older
from .tar import BLOCKDEV, CHAR, DIRECTORY, FIFO, HARDLINK, REGULAR, SPARSE, SYMLINK, Bytes, Entry, entry_error, shown
from .tar_reader import TarReader
from .walk import below
from .whiteouts import OVERLAY_XATTR_PREFIXES, is_whiteout
from .xattr_ids import CAPABILITY, MapIds, with_mapped_ids

Owner = tuple[int, int]
Made = t.TypeVar("Made")

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FORMATS = {CHAR: stat.S_IFCHR, BLOCKDEV: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_FEW_XATTRS = 200  # the names of so many always fit the kernel's list
_TOO_LARGE = (errno.EFBIG, errno.EINVAL)  # the kernel's errors for a size that the filesystem cannot hold
_BEYOND_MKDIR = 0o7000  # mode bits that mkdir(2) and writing do not keep
_CONTRADICTION = "the archive contradicts itself, and Docker refuses it too: make it again from the layer's files"
_WIDEN = "use a store whose id maps know the id, or an archive without the id"


class Nodes:
    """Makes nodes below *root*; *reader* gives the bodies of files. The umask must be 0.

    map_ids: maps (uid, gid) in the tar to (uid, gid) on disk; called for each entry.
    older:   the content of the root before this archive; None if the root was empty.
    The manifest of *root* notes each node, its exact record each file with content.
    """

    def __init__(self, reader: TarReader, root: Root, map_ids: MapIds | None, older: Older | None) -> None:
        self._reader = reader
        self._older = older
        self._manifest: ManifestWriter | None = root.manifest
        self._exact = root.exact
        self._may_have_capabilities = older is not None
        self._root = root
        self._ours = root.ours  # uid and gid
        self._map_ids = map_ids
        # The function that makes an entry of each type. They raise ArchiveRejected, NotSupported, OSError.
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
        """Replace *name* by a whiteout. The owner is not mapped; see apply_layer.

        raises: ArchiveRejected if an earlier entry of the archive made *name*: the two entries contradict each other,
                and moby refuses them too. A second whiteout of a name is allowed.
        """
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=place.fd)
        except FileExistsError:
            is_ours = self._older is None or self._older.is_brought(place.child(name))
            if is_ours and not is_whiteout(os.stat(name, dir_fd=place.fd, follow_symlinks=False)):
                cause = f"it deletes {shown(place.child(name))}, which an earlier entry made"
                raise entry_error(entry.name, cause, _CONTRADICTION) from None
            self._root.remove(place, name)
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=place.fd)
        self._settle_node(entry._replace(type=CHAR, mode=0, xattrs={}), (entry.uid, entry.gid), place, name)

    def _file(self, entry: Entry, place: Directory, name: bytes) -> None:
        _name, _type, mode, uid, gid, left, mtime, _link, _major, _minor, xattrs = entry
        manifest, crc = self._manifest, 0
        rest: Bytes = b""  # what crc does not count yet
        try:
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=place.fd)
        except FileExistsError:
            self._root.remove(place, name)
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=place.fd)
        if self._exact and left:
            self._exact.add_file(place.child(name), self._reader.position, left)
        try:
            while left:
                piece = self._reader.piece()
                left -= len(piece)
                if manifest and (left or len(piece) >= KEPT):
                    crc = crc32(piece, crc)
                else:
                    rest = piece
                written = os.write(fd, piece)
                if written < len(piece):
                    write_rest(fd, memoryview(piece)[written:])
            plain = place.plain
            if not plain:
                shed_acls(fd)
            if not plain or xattrs or mode & _BEYOND_MKDIR or self._map_ids or (uid, gid) != self._ours:
                self._settle(fd, entry, plain)
            os.utime(fd, ns=(mtime, mtime))
            if manifest:
                path = place.path + b"/" + name if place.path else name
                owner = self._owner(entry) if self._map_ids else (uid, gid)
                manifest.add_file(path, mode, owner, entry.size, crc, rest, digest_of_xattrs(fd) if xattrs else NONE)
        finally:
            os.close(fd)

    def _sparse_file(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Make a regular file with holes; see `_file`."""
        fd = self._make_anew(place, name, lambda: os.open(name, _NEW_FILE, entry.mode & 0o777, dir_fd=place.fd))
        sparse = self._reader.sparse
        if self._exact and sparse and sparse.stored:
            self._exact.add_pieces(place.child(name), self._reader.position, sparse.stored, sparse.pieces())
        try:
            try:
                crc = write_pieces(self._reader, fd, entry.size)
            except OSError as error:
                if error.errno in _TOO_LARGE:
                    cause = f"the store's filesystem cannot hold a file of its {entry.size} bytes"
                    raise entry_error(entry.name, cause) from error
                raise
            if not place.plain:
                shed_acls(fd)
            self._settle(fd, entry, place.plain)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
            if self._manifest:
                values = place.child(name), entry.mode, self._owner(entry), entry.size, crc, b""
                self._manifest.add_file(*values, digest_of_xattrs(fd) if entry.xattrs else NONE)
        finally:
            os.close(fd)

    def _directory(self, entry: Entry, place: Directory, name: bytes) -> None:
        directory, is_new = self._root.make_directory(place, name, entry.mode)
        plain = is_new and place.plain
        self._settle(directory.fd, entry, plain)
        if not plain or entry.xattrs or entry.mode & stat.S_ISGID or self._owner(entry) != self._ours:
            directory.plain = self._root.is_plain(directory.fd)
        if self._manifest and plain and not entry.xattrs and not directory.opaque:
            self._manifest.add_new_directory(directory.path, entry.mode, self._owner(entry))
        elif self._manifest:
            self._manifest.add_directory(directory.fd, directory.path)
        self._root.remember(directory.path, directory)  # its name in the tar may lead through symlinks
        self._root.set_time(directory, entry.mtime_ns)

    def _settle(self, fd: int, entry: Entry, plain: bool) -> None:
        """Set owner, xattrs and mode of a file or directory. plain: it was made with our owner and the mode's low bits.

        To be called after the data is written: write(2) removes capabilities. The owner is set first, because chown(2)
        removes setuid and capabilities; the mode last, because an ACL changes the mode.
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
            raise entry_error(entry.name, "it is a symlink without a target")
        self._make_anew(place, name, lambda: os.symlink(entry.linkname, name, dir_fd=place.fd))
        self._settle_node(entry, self._owner(entry), place, name)

    def _special(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Make a device or fifo. A character device 0:0 is a whiteout, as in moby; its owner is not mapped."""
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
                hint="move the store to a filesystem that can, such as ext4, or use an archive without the device",
                entry=shown(entry.name),
            ) from error
        owner = self._owner(entry) if device or entry.type != CHAR else (entry.uid, entry.gid)
        self._settle_node(entry, owner, place, name)

    def _settle_node(self, entry: Entry, owner: Owner, place: Directory, name: bytes) -> None:
        """Set owner, xattrs, mode and time of a node that is not opened; see `_settle`."""
        if owner != self._ours or not place.plain:
            os.chown(name, *owner, dir_fd=place.fd, follow_symlinks=False)
        if entry.type != SYMLINK:
            path = below(place.fd, name)
            if not place.plain:
                shed_acls(path)
            if entry.xattrs:
                self._set_xattrs(path, entry)
            if not place.plain or entry.xattrs or entry.mode & _BEYOND_MKDIR:
                os.chmod(path, entry.mode)  # chmod follows symlinks, but the node is not a symlink
        elif entry.xattrs:
            self._set_xattrs(below(place.fd, name), entry)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=place.fd, follow_symlinks=False)
        if self._manifest and entry.type == SYMLINK and not entry.xattrs:
            self._manifest.add_symlink(place.child(name), owner, entry.linkname)
        elif self._manifest:
            self._manifest.add_node(place.fd, name, place.child(name), bool(entry.xattrs))

    def _link(self, entry: Entry, place: Directory, name: bytes) -> None:
        """Make a hard link, and set its inode to the link's own header: the last header counts, as in moby."""
        source, target, found = link_target(self._root, entry, place, name)
        if is_whiteout(found):  # a node of its own: of a tar that export_layer wrote, whiteouts are not linked either
            self._special(entry._replace(type=CHAR), place, name)
            return
        owner = self._owner(entry)
        changes = link_differs(entry, owner, found)
        if not changes and self._may_have_capabilities:  # chown(2) removes them, and the header has none
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
        if self._manifest:
            self._manifest.add_link(place.fd, name, place.child(name), path, None if changes else found)

    def _settle_link(self, entry: Entry, owner: Owner, place: Directory, name: bytes, found: os.stat_result) -> None:
        """Set an inode with several names to the header of *name*.

        As in moby: chown(2) removes the capabilities that an earlier header set; other xattrs stay, and so do mode and
        time of a symlink.
        """
        path = below(place.fd, name)
        os.chown(name, *owner, dir_fd=place.fd, follow_symlinks=False)
        if entry.xattrs:
            self._set_xattrs(path, entry)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(path, entry.mode)  # chmod follows symlinks, but the node is not a symlink
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=place.fd, follow_symlinks=False)

    def _make_anew(self, place: Directory, name: bytes, make: t.Callable[[], Made]) -> Made:
        """Return the result of *make*; an old node of that *name* is removed first."""
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
        """Set the entry's xattrs on an fd or a path, without overlayfs' own."""
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
            check_list(node, entry)  # an earlier entry may have set others
