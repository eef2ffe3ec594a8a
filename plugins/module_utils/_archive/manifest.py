# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the manifest of a layer: what a tar put into the upperdir, in the order of the tar. PRIVATE to the collection.

A manifest is a gzip file of records, stored without compression. Each record ends with NUL, which no name contains. The
fields of a record are separated by a space:

    strata-files 1 crc32                                    first: format and checksum
    f 644 0 0 2500 1a2b3c4d - etc/hosts                     type, mode, uid, gid, size, checksum, xattrs, path
    l 777 0 0 - - - bin <NUL> usr/bin                       a symlink with its target
    c 0 0 0 0:0 - - etc/gone                                a device with its number: a whiteout
    h 644 0 0 2500 - - etc/hosts.old <NUL> etc/hosts        a hard link with the name that it was made from
    x - - - - - - .wh..wh.plnk                              the name was removed again
    end sha256:... 5                                        last: the tar's diff id, and the number of records

Types are d, f, l, c, b, p as in find(1). The last record of a path counts. A record that is not of a directory ends all
earlier records below its path. For a hard link, the checksum field is "!" if the link changed the inode that it was
made from: its values then hold for all names of the inode. The root of the layer has no record.

xattrs is a digest of the xattrs that belong to the content, see digest_of_xattrs, or "-" for none.

The checksum is a CRC-32 and no sha256, because a manifest must cost little beside unpacking: on a processor with SHA
instructions, sha256 takes as much again as the diff id, 0.9 s for each GiB, and blake2b twice as much; a CRC takes 0.4
s. It finds each change of up to 32 bits in a row, and one of 4 billion other changes is missed. It is no protection
against a user who may write to the store, but neither is any file in the store.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import zlib

from .checksum import crc32
from .formats import WITH_GZIP_HEADER
from .tar import Bytes, Write
from .walk import below, get_xattr, list_xattrs
from .whiteouts import OVERLAY_XATTR_KEYS, OVERLAY_XATTR_PREFIXES
from .xattr_ids import ACLS, CAPABILITY

HEADER = b"strata-files 1 crc32"
END = b"end "
NONE = b"-"
CHANGED = b"!"
FILE, DIRECTORY, SYMLINK, HARDLINK, GONE = b"f", b"d", b"l", b"h", b"x"
TYPES = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: b"c",
    stat.S_IFBLK: b"b",
    stat.S_IFIFO: b"p",
    stat.S_IFSOCK: b"s",
}
WITH_TARGET = (SYMLINK, HARDLINK)  # the types whose record is followed by the target

_LEVEL = 0  # of gzip, for its checksum alone: compressing a record costs more than making it
KEPT = 8192  # bytes: add_file keeps less of each file until it makes the records of several files
_RECORDS = 100  # that wait until they are written
_SYMLINK_MODE = 0o777  # as each filesystem tells it
_LONG = 1000  # bytes of a path that does not wait
_OVERLAYS = frozenset(prefix + key.encode() for prefix in OVERLAY_XATTR_PREFIXES for key in OVERLAY_XATTR_KEYS)
_DIGITS = 16  # of a digest of xattrs


_File = tuple[bytes, int, tuple[int, int], int, int, Bytes, bytes]  # what add_file was given
_FILE = b"%b%d %x %b %b\0"  # the record of a file, from its start on
_FIELDS = 5  # of this format


class ManifestWriter:
    """Writes a manifest to *write* in constant memory; the same tar makes the same bytes. Complete after finish().

    Paths are relative to the root of the layer, without symlinks. Each method raises the errors of *write*.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, WITH_GZIP_HEADER)
        self._waiting: list[bytes | _File] = [HEADER]
        self._count = 0

    def add_file(
        self, path: bytes, mode: int, owner: tuple[int, int], size: int, crc: int, rest: Bytes, xattrs: bytes
    ) -> None:
        """Note a regular file that was made. rest: the last bytes of its content, which *crc* does not count yet.

        The record is made later, with others: between the system calls of a file, the tables of the CRC and our code
        are no longer in the processor's caches, and that costs as much as the work itself.
        """
        self._waiting.append((path, mode, owner, size, crc, rest, xattrs))
        if len(self._waiting) >= _RECORDS or len(path) > _LONG:
            self._flush()

    def add_symlink(self, path: bytes, owner: tuple[int, int], target: bytes) -> None:
        """Note a symlink without xattrs that was made."""
        self._add(_start(SYMLINK, _SYMLINK_MODE, owner), NONE, NONE, NONE, b"%b\0%b" % (path, target))

    def add_node(self, fd: int, name: bytes, path: bytes, xattrs: bool) -> None:
        """Note another node as it lies at *name* in the directory *fd*. xattrs: it may have some. Raises OSError."""
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        kind = TYPES[stat.S_IFMT(found.st_mode)]
        size = b"%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev)) if kind in (b"c", b"b") else NONE
        target = b"\0" + os.readlink(name, dir_fd=fd) if kind == SYMLINK else b""
        digest = digest_of_xattrs(below(fd, name)) if xattrs else NONE
        self._add(_start_of(kind, found), size, NONE, digest, path + target)

    def add_directory(self, fd: int, path: bytes) -> None:
        """Note the open directory *fd* as it is. Raises OSError."""
        self._add(_start_of(DIRECTORY, os.fstat(fd)), NONE, NONE, digest_of_xattrs(fd), path)

    def add_new_directory(self, path: bytes, mode: int, owner: tuple[int, int]) -> None:
        """Note a directory without xattrs that was made."""
        self._add(_start(DIRECTORY, mode, owner), NONE, NONE, NONE, path)

    def add_link(self, fd: int, name: bytes, path: bytes, source: bytes, unchanged: os.stat_result | None) -> None:
        """Note that the hard link *name* in *fd* was made from the path *source*. Raises OSError.

        unchanged: the inode; None if the link changed the inode.
        """
        found = unchanged or os.stat(name, dir_fd=fd, follow_symlinks=False)
        xattrs, checksum = (NONE, NONE) if unchanged else (digest_of_xattrs(below(fd, name)), CHANGED)
        self._add(_start_of(HARDLINK, found), b"%d" % found.st_size, checksum, xattrs, b"%b\0%b" % (path, source))

    def add_gone(self, path: bytes) -> None:
        """Note that *path*, which was noted before, was removed with all below it."""
        self._waiting.append(b"x - - - - - - %b" % path)

    def finish(self, diff_id: str) -> None:
        """Write the end. diff_id: of the whole tar."""
        count = self._count + len(self._waiting) - 1  # without the header
        self._waiting.append(END + b"%b %d" % (diff_id.encode(), count))
        self._flush()
        self._write(self._stream.flush())

    def _add(self, start: bytes, size: bytes, checksum: bytes, xattrs: bytes, name: bytes) -> None:
        self._waiting.append(b"%b%b %b %b %b" % (start, size, checksum, xattrs, name))
        if len(self._waiting) >= _RECORDS or len(name) > _LONG:
            self._flush()

    def _flush(self) -> None:
        """Write the records that wait: those of files in a row by one format, which costs less than one by one."""
        pieces: list[bytes] = []
        fields: list[bytes | int] = []
        last_mode, last_owner, start = -1, (-1, -1), b""
        for each in self._waiting:
            if isinstance(each, bytes):
                if fields:
                    pieces.append(_FILE * (len(fields) // _FIELDS) % tuple(fields))
                    fields.clear()
                pieces.append(each + b"\0")
                continue
            path, mode, owner, size, crc, rest, xattrs = each
            if mode != last_mode or owner != last_owner:
                last_mode, last_owner, start = mode, owner, _start(FILE, mode, owner)
            fields += start, size, crc32(rest, crc), xattrs, path
        if fields:
            pieces.append(_FILE * (len(fields) // _FIELDS) % tuple(fields))
        self._count += len(self._waiting)
        self._waiting.clear()
        piece = self._stream.compress(b"".join(pieces))
        if piece:
            self._write(piece)


@functools.lru_cache(maxsize=256)  # few differ in a layer
def _start(kind: bytes, mode: int, owner: tuple[int, int]) -> bytes:
    """Return the first fields of a record, with a space behind them."""
    return b"%b %o %d %d " % (kind, mode, *owner)


def _start_of(kind: bytes, found: os.stat_result) -> bytes:
    return _start(kind, stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid))


def digest_of_xattrs(node: int | bytes) -> bytes:
    """Return a digest of the xattrs of an fd or a path that belong to a layer's content; NONE for none.

    Left out is what the kernel and its security modules write on their own: labels of SELinux, and overlayfs' notes
    that change no meaning. Raises OSError.
    """
    names = sorted(name for name in map(os.fsencode, list_xattrs(node, some=True)) if _counts(name))
    if not names:
        return NONE
    digest = hashlib.new("sha256", usedforsecurity=False)
    for name in names:
        value = get_xattr(node, os.fsdecode(name))
        digest.update(b"%b\0%d\0%b" % (name, len(value), value))
    return digest.hexdigest()[:_DIGITS].encode()


def _counts(name: bytes) -> bool:
    if name.startswith(OVERLAY_XATTR_PREFIXES):
        return name in _OVERLAYS
    return name == CAPABILITY or name in ACLS or name.startswith((b"user.", b"trusted."))
