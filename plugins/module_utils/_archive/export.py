# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's upperdir as a tar stream: the native diff, byte for byte moby's. PRIVATE to the collection.

Where moby logs a failure and goes on with a tar that lacks something, this raises.
Source: moby/go-archive TarWithOptions, OverlayWhiteoutFormat; moby pkg/directory Size.
"""

from __future__ import annotations

import os
import stat
import typing as t

from .._errors import LayerInUse, StoreCorrupt, printable
from .tar import BLOCK, BLOCKDEV, CHAR, DIRECTORY, END, FIFO, HARDLINK, NO_XATTRS, REGULAR, SYMLINK, Entry, new_entry
from .tar_writer import header, plain_header
from .walk import (
    IS_DIRECTORY,
    IS_REGULAR,
    Trail,
    below,
    changed_meanwhile,
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

BUFFER = 256 * 1024  # bytes handed over at once; a multiple of BLOCK

_TYPES = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHAR,
    stat.S_IFBLK: BLOCKDEV,
    stat.S_IFIFO: FIFO,
}

Write = t.Callable[[t.Union[bytes, memoryview]], object]


def export_layer(
    upper: str | bytes | int,
    write: Write,
    *,
    map_ids: MapIds | None = None,
    userxattr: bool = False,
    xattrs: bool = False,
) -> None:
    """Write the tar of what the upperdir *upper* holds: a layer's ``diff``, without the directory itself.

    upper:     a path, or the fd of a directory.
    write:     takes the stream piece by piece; must be done with a memoryview when it returns.
    map_ids:   (uid, gid) on disk to (uid, gid) in the tar; not asked for whiteouts, which the kernel makes as the root
               of the host. Its ValueError is raised as StoreCorrupt, with the entry's name.
    userxattr: the store's mounts keep their marks in ``user.overlay.*``.
    xattrs:    ``user.*`` and POSIX ACLs too; moby has file capabilities only.
    raises:    LayerInUse when something changes the layer meanwhile, NotSupported for a layer that only makes sense
               with its lowers (redirect, metacopy, whiteouts by xattr) or for xattrs no tar can carry, OSError. The
               stream is then incomplete.
    Sockets are left out, as tar has no form for them.
    """
    with Trail(upper) as trail:
        exporter = Exporter(trail, write, map_ids, userxattr, xattrs)
        for path, name, kind in walk(trail):
            if kind == IS_DIRECTORY:
                exporter.directory(path)
            elif kind == IS_REGULAR:
                exporter.file(path, name)
            else:
                exporter.special(path, name)
        exporter.finish()


class Exporter:
    """Writes what a trail is at, entry by entry; finish() ends the tar. Arguments as export_layer has them."""

    def __init__(
        self, trail: Trail, write: Write, map_ids: MapIds | None, userxattr: bool = False, xattrs: bool = False
    ) -> None:
        self._stream = _Stream(write)
        self._trail = trail
        self._map_ids = map_ids
        self._opaque = opaque_xattr(userxattr)
        self._userxattr = userxattr
        self._xattrs = xattrs
        self._first_names: dict[tuple[int, int], bytes] = {}

    def put(self, entry: Entry) -> None:
        """Write an entry without body."""
        self._stream.put(header(entry))

    def finish(self) -> None:
        """Write the end of the tar."""
        self._stream.put(END)
        self._stream.flush()

    def directory(self, path: bytes) -> None:
        """Write the directory the trail is in, and the marker if it is opaque."""
        fd = self._trail.fd
        names = list_xattrs(fd)
        entry = self._entry(path, os.fstat(fd), fd, names)
        self.put(entry)
        if self._opaque in names and is_opaque(os.getxattr(fd, self._opaque), path):
            marker = Entry(entry.name + OPAQUE_MARKER, REGULAR, entry.mode & 0o777, entry.uid, entry.gid, 0, 0)
            self.put(marker)

    def file(self, path: bytes, name: bytes) -> None:
        """Write a regular file with its body, or as a link to the first of its names."""
        fd = open_listed(name, path, self._trail.fd)
        try:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode):
                raise changed_meanwhile(path, "was replaced")
            names = list_xattrs(fd)
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
        if is_whiteout(st):  # before links are looked at: the kernel makes whiteouts as links of each other
            self.put(Entry(tar_name(path), REGULAR, 0o600, st.st_uid, st.st_gid, 0, st.st_mtime_ns))
        elif stat.S_IFMT(st.st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            raise changed_meanwhile(path, "was replaced")
        elif not stat.S_ISSOCK(st.st_mode):
            node = below(dir_fd, name)
            entry = self._entry(path, st, node, list_xattrs(node))
            if entry.type == SYMLINK:
                entry = entry._replace(linkname=os.readlink(name, dir_fd=dir_fd))
            elif entry.type in (CHAR, BLOCKDEV):
                entry = entry._replace(major=os.major(st.st_rdev), minor=os.minor(st.st_rdev))
            self.put(self._linked(entry, st))

    def _entry(self, path: bytes, st: os.stat_result, node: int | bytes, names: list[str]) -> Entry:
        """Return the entry as its inode tells it; *names* are those of the xattrs at *node*, an fd or a path."""
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
                f"{printable(path)} has an owner, or an ACL with one, that no container can see: {error}",
                hint="a user of the host wrote to the layer: give it to an owner the map knows, or remove it",
                path=printable(path),
            ) from None
        kind = _TYPES[stat.S_IFMT(mode)]
        tar_path = path + b"/" if kind == DIRECTORY else path
        size = st.st_size if kind == REGULAR else 0
        fields = (tar_path, kind, mode & 0o7777, uid, gid, size, st.st_mtime_ns, b"", 0, 0, xattrs)
        return new_entry(Entry, fields)

    def _linked(self, entry: Entry, st: os.stat_result) -> Entry:
        """Return *entry* as a hard link if its inode came by under another name before."""
        if st.st_nlink == 1:
            return entry
        first = self._first_names.setdefault((st.st_dev, st.st_ino), entry.name)
        return entry if first == entry.name else entry._replace(type=HARDLINK, linkname=first, size=0)


class _Stream:
    """Gathers the stream in one buffer, so that small entries cost no write each."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._buffer = memoryview(bytearray(BUFFER))
        self._used = 0

    def put(self, blocks: bytes) -> None:
        """Add header blocks."""
        end = self._used + len(blocks)
        if end > BUFFER:
            self.flush()
            end = len(blocks)
            if end > BUFFER:  # one header beyond the buffer: a path of several hundred KiB
                self._write(blocks)
                return
        self._buffer[self._used : end] = blocks
        self._used = end

    def put_file(self, head: bytes, fd: int, size: int, path: bytes) -> None:
        """Add header blocks and *size* bytes from *fd*, padded. Raises LayerInUse if the file does not end there."""
        start = self._used + len(head)
        end = start + size
        if end + BLOCK > BUFFER or not size:
            self.put(head)
            if size:
                self._put_body(fd, size, path)
            return
        # All that is left to do for a small file, in as few steps as can be.
        buffer = self._buffer
        buffer[self._used : start] = head
        got = _read_into(buffer[start : end + 1], fd, path)  # one byte more would come if it had grown
        if got != size:
            raise changed_meanwhile(path, "grew" if got > size else "shrank")
        self._used = end + -size % BLOCK
        buffer[end : self._used] = bytes(self._used - end)

    def _put_body(self, fd: int, size: int, path: bytes) -> None:
        if size >= BUFFER - self._used:
            self.flush()  # so that one read gets all of a small file, and by coming back short proves its end
        left = size
        while True:
            room = self._buffer[self._used :]
            got = _read_into(room, fd, path)
            left -= got
            if left < 0:
                raise changed_meanwhile(path, "grew")
            if not got:
                break
            self._used += got
            if got == len(room):
                self.flush()
            elif not left:
                break
        if left:
            raise changed_meanwhile(path, "shrank")
        padding = -size % BLOCK
        self._buffer[self._used : self._used + padding] = bytes(padding)
        self._used += padding

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._used:
            self._write(self._buffer[: self._used])
            self._used = 0


def tree_size(upper: str | bytes) -> int:
    """Return Docker's DiffSize of the directory *upper*, in bytes.

    The sum of the apparent sizes of all but directories, a symlink's being its target's length, each inode once.
    A layer in use is no problem: what vanishes meanwhile does not count. Raises OSError.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    with Trail(upper) as trail:
        for path, name, kind in walk(trail, missing_ok=True):
            if kind == IS_DIRECTORY:
                continue
            try:
                st = lstat(name, path, trail.fd)
            except LayerInUse:
                continue
            if st.st_nlink > 1:
                if (st.st_dev, st.st_ino) in seen:
                    continue
                seen.add((st.st_dev, st.st_ino))
            total += st.st_size
    return total


def _read_into(room: memoryview, fd: int, path: bytes) -> int:
    try:
        return os.readv(fd, [room])
    except OSError as error:
        error.filename = os.fsdecode(path)
        raise
