# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a layer's upperdir as a tar stream: the native diff, with the same bytes as moby. PRIVATE to the collection.

moby logs some failures and goes on with an incomplete tar; the functions here raise instead.
Source: moby/go-archive TarWithOptions, OverlayWhiteoutFormat.
"""

from __future__ import annotations

import os
import stat

from .._errors import StoreCorrupt, printable
from .path_tree import Node, PathTree
from .tar import BLOCKDEV, CHAR, DIRECTORY, END, FIFO, HARDLINK, NO_XATTRS, REGULAR, SYMLINK, Entry, Write, new_entry
from .tar_stream import Stream
from .tar_writer import header, plain_header
from .unseen import has_marker_file, ignore_rule
from .walk import (
    IS_DIRECTORY,
    IS_REGULAR,
    Trail,
    below,
    changed_meanwhile_error,
    list_xattrs,
    lstat,
    open_listed,
    walk,
)
from .whiteouts import (
    OPAQUE_MARKER,
    WHITEOUT_PREFIX,
    check_self_contained,
    is_opaque,
    is_whiteout,
    opaque_xattr,
    tar_name,
)
from .xattr_ids import MapIds
from .xattrs import xattrs_to_export

_TYPES = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHAR,
    stat.S_IFBLK: BLOCKDEV,
    stat.S_IFIFO: FIFO,
}


def export_layer(
    upper: str | bytes | int,
    write: Write,
    *,
    map_ids: MapIds | None = None,
    userxattr: bool = False,
    xattrs: bool = False,
    marker_files: bool = False,
    merged: bool = False,
) -> None:
    """Write the tar of the upperdir *upper*, a layer's ``diff``, without the directory itself.

    upper:     a path, or the fd of a directory.
    write:     takes the stream piece by piece; it must not use a memoryview after it returns.
    map_ids:   maps (uid, gid) on disk to (uid, gid) in the tar. The owner of a whiteout is not mapped: the kernel makes
               whiteouts as the host's root. If it raises ValueError, StoreCorrupt with the entry's name is raised.
    userxattr: the store's mounts keep the overlay xattrs in ``user.overlay.*``.
    xattrs:    write ``user.*`` and POSIX ACLs too; moby writes file capabilities only.
    marker_files: fuse-overlayfs may have written to *upper*: it also marks opaque directories by files.
    merged:    *upper* is not an upperdir but the mount of a layer.
    raises:    LayerInUse if a process changes the layer meanwhile; NotSupported if the layer depends on its lowers
               (redirect, metacopy, whiteouts by xattr) or has xattrs that no tar can hold; OSError. The stream is then
               incomplete.
    Sockets are left out: tar has no form for them.
    """
    with Trail(upper) as trail:
        exporter = Exporter(trail, write, map_ids, userxattr, xattrs, marker_files)
        for path, name, kind in walk(trail, ignored=ignore_rule(merged, marker_files)):
            if kind == IS_DIRECTORY:
                exporter.directory(path)
            elif kind == IS_REGULAR:
                exporter.file(path, name)
            else:
                exporter.special(path, name)
        exporter.finish()


class Exporter:
    """Writes the current files of a trail as tar entries; finish() ends the tar. Arguments: see export_layer."""

    def __init__(
        self,
        trail: Trail,
        write: Write,
        map_ids: MapIds | None,
        userxattr: bool = False,
        xattrs: bool = False,
        marker_files: bool = False,
    ) -> None:
        self._stream = Stream(write)
        self._trail = trail
        self._map_ids = map_ids
        self._opaque = opaque_xattr(userxattr)
        self._userxattr = userxattr
        self._xattrs = xattrs
        self._some_xattrs = not xattrs
        self._marker_files = marker_files
        self._names = PathTree()
        self._first_names: dict[tuple[int, int], Node] = {}  # by inode; whole paths would take too much memory

    def put(self, entry: Entry) -> None:
        """Write an entry without a body."""
        self._stream.put(header(entry))

    def finish(self) -> None:
        """Write the end of the tar."""
        self._stream.put(END)
        self._stream.flush()

    def directory(self, path: bytes) -> None:
        """Write the directory that the trail is in, and the marker if the directory is opaque."""
        fd = self._trail.fd
        names = list_xattrs(fd, self._some_xattrs, path)
        entry = self._entry(path, os.fstat(fd), fd, names)
        self.put(entry)
        opaque = self._opaque in names and is_opaque(os.getxattr(fd, self._opaque), path)
        if opaque or (self._marker_files and has_marker_file(fd)):
            marker = Entry(entry.name + OPAQUE_MARKER, REGULAR, entry.mode & 0o777, entry.uid, entry.gid, 0, 0)
            self.put(marker)

    def file(self, path: bytes, name: bytes) -> None:
        """Write a regular file with its body, or as a hard link to the first of its names."""
        fd = open_listed(name, path, self._trail.fd)
        try:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode):
                raise changed_meanwhile_error(path, "was replaced")
            names = list_xattrs(fd, self._some_xattrs, path)
            size = st.st_size
            head = b"" if names or st.st_nlink > 1 or self._map_ids else plain_header(path, st)
            if not head:
                entry = self._linked(self._entry(path, st, fd, names), st)
                head, size = header(entry), entry.size
            self._stream.put_file(head, fd, size, path)
        finally:
            os.close(fd)

    def special(self, path: bytes, name: bytes) -> None:
        """Write a whiteout, symlink, device or fifo."""
        dir_fd = self._trail.fd
        st = lstat(name, path, dir_fd)
        if is_whiteout(st):
            self._whiteout(path, below(dir_fd, name), st)
        elif stat.S_IFMT(st.st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            raise changed_meanwhile_error(path, "was replaced")
        elif not stat.S_ISSOCK(st.st_mode):
            node = below(dir_fd, name)
            entry = self._entry(path, st, node, list_xattrs(node, self._some_xattrs, path))
            if entry.type == SYMLINK:
                entry = entry._replace(linkname=os.readlink(name, dir_fd=dir_fd))
            elif entry.type in (CHAR, BLOCKDEV):
                entry = entry._replace(major=os.major(st.st_rdev), minor=os.minor(st.st_rdev))
            self.put(self._linked(entry, st))

    def _whiteout(self, path: bytes, node: bytes, st: os.stat_result) -> None:
        """Write a whiteout. The kernel makes all whiteouts of a mount as hard links of one inode.

        moby handles hard links first, then turns the header into a whiteout: an empty file whose linkname is the first
        name, without ``.wh.``. moby also writes the file capability of a whiteout.
        """
        entry = Entry(path, REGULAR, 0o600, st.st_uid, st.st_gid, 0, st.st_mtime_ns)
        linkname = self._linked(entry, st).linkname
        xattrs = xattrs_to_export(list_xattrs(node, some=True), node, path)
        self.put(entry._replace(name=tar_name(path), linkname=linkname, xattrs=xattrs))

    def _entry(self, path: bytes, st: os.stat_result, node: int | bytes, names: list[str]) -> Entry:
        """Return the entry for an inode. names: of the xattrs at *node*, an fd or a path."""
        mode, uid, gid = st.st_mode, st.st_uid, st.st_gid
        xattrs = NO_XATTRS
        if names:
            check_self_contained(names, path, stat.S_ISDIR(mode), self._userxattr)
        try:
            if names:
                xattrs = xattrs_to_export(names, node, path, self._xattrs, self._map_ids)
            if self._map_ids and not path.rpartition(b"/")[2].startswith(WHITEOUT_PREFIX):
                uid, gid = self._map_ids(uid, gid)
        except ValueError as error:
            raise StoreCorrupt(
                f"cannot map the owner of {printable(path)}, or an id in its ACL: {error}",
                hint="a user of the host wrote to the layer: change the owner to one in the id map, or remove the file",
                path=printable(path),
            ) from None
        kind = _TYPES[stat.S_IFMT(mode)]
        tar_path = path + b"/" if kind == DIRECTORY else path
        size = st.st_size if kind == REGULAR else 0
        fields = (tar_path, kind, mode & 0o7777, uid, gid, size, st.st_mtime_ns, b"", 0, 0, xattrs)
        return new_entry(Entry, fields)

    def _linked(self, entry: Entry, st: os.stat_result) -> Entry:
        """Return *entry*; as a hard link if its inode was written under another name before."""
        if st.st_nlink == 1:
            return entry
        node = self._names.at(entry.name)
        first = self._first_names.setdefault((st.st_dev, st.st_ino), node)
        return entry if first is node else entry._replace(type=HARDLINK, linkname=first.path, size=0)
