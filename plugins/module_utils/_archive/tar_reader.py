# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar stream as entries and bodies, in one pass and in constant memory. PRIVATE to the collection.

Reads ustar, PAX, GNU long names and base-256 numbers, sparse files, Unix V7. If readers differ, moby's way counts.
Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5); Go src/archive/tar/reader.go.
"""

from __future__ import annotations

import struct
import typing as t
from zlib import adler32 as _adler32

from .._errors import ArchiveRejected
from .pax import MAX_SIZE, SPARSE_NAME, Records, amended, parse_records
from .sparse import SparseMap, sparse_map
from .tar import (
    BLOCK,
    BLOCKDEV,
    CHAR,
    CHUNK,
    CUT_HINT,
    DAMAGED_HINT,
    DIRECTORY,
    FIFO,
    HARDLINK,
    LARGE,
    MAX_IDLE,
    NO_TAR_HINT,
    NO_XATTRS,
    REGULAR,
    REST_HINT,
    SIZE_HINT,
    SPARSE,
    SYMLINK,
    Entry,
    Read,
    entry_error,
    new_entry,
)
from .tar_fields import GNU, adds_up, expected_adler, has_devices, nanoseconds, number, owner_of, prefix, text

_SMALL = 8192
LIMIT = 1 << 20  # the most bytes of an extended header, as in Go; the kernel's longest xattr has 64 KiB
_MAX_HEADERS = 1 << 30  # bytes of extended headers before one entry: read in seconds; moby has no limit
MAX_MAJOR, MAX_MINOR = 0xFFF, 0xFFFFF  # include/linux/kdev_t.h

# name, (mode, uid, gid), size, mtime, checksum, type, linkname, magic with version, (major, minor), prefix
_HEADER = struct.Struct("100s 24s 12s 12s 8s c 100s 8s 64x 16s 155s 12x")
_START = struct.Struct("100s 24s 12s 12s 8s c").unpack_from
_PREFIX_AT = 345
_ZEROS = bytes(BLOCK)
_V7_REGULAR, _CONTIGUOUS, _PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"\0", b"7", b"x", b"g", b"L", b"K"
_EXTENDED = frozenset((_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK))
_TYPES = {kind: kind for kind in (REGULAR, HARDLINK, SYMLINK, CHAR, BLOCKDEV, DIRECTORY, FIFO)}
_TYPES[_CONTIGUOUS] = _TYPES[_V7_REGULAR] = _TYPES[SPARSE] = REGULAR
_OF_BACKUPS = {b"D": " (a directory's list)", b"M": " (a file's other part)", b"V": " (a volume label)"}


class TarReader:
    """Iterates over the entries of a stream. entries: their number so far. `piece` returns the current entry's body.

    read:     like a file's read; called beyond the archive's end too.
    max_size: the most bytes of the stream with its holes; None for no limit.
    expected: the caller compares the stream's digest: the end mark may be missing, or data follow it, as in Docker.
    raises:   ArchiveRejected, and the errors of *read*. An empty stream is an archive without entries, as in moby.
    """

    def __init__(self, read: Read, max_size: int | None = None, expected: bool = False) -> None:
        self._source = read
        self._max_size = max_size
        self._expected = expected
        self._total = self._holes = 0  # bytes read so far; bytes of holes so far
        self.entries = 0
        self._idle = 0, 0  # bytes of extended headers before an entry; the number of the entry
        self._buffer, self._at = b"", 0  # the position of the next byte in the buffer
        self._left = 0  # bytes of the current body that are not read yet
        self._padding = 0  # bytes of padding after the body
        self._last: bytes | None = None  # the current entry, for messages
        self._pax: Records = {}  # records for the next entry; _long: the same in GNU's form, which has precedence
        self._long: Records = {}
        self._extended = False  # whether one of the two has records
        self.sparse: SparseMap | None = None  # of the current entry, if it is SPARSE

    def __iter__(self) -> t.Iterator[Entry]:
        while True:
            start = self._at + self._padding
            block = self._buffer[start : start + BLOCK]
            if self._left or len(block) < BLOCK or not block[0]:
                block = self._next_block() or b""
                if not block:
                    return
            else:
                self._at = start + BLOCK
            name, owner, size_field, mtime, checksum, kind = _START(block)
            if _adler32(block) & 0xFFFF != expected_adler(checksum) and not adds_up(block, checksum):
                raise self._stream_error("the next block is not a header: its checksum is wrong")
            self._last = name = name.partition(b"\0")[0]  # text() inlined: the loop runs once for each entry
            try:
                if kind == REGULAR and not block[_PREFIX_AT] and not self._extended:  # nearly all entries
                    size = number(size_field)
                    values = (name, kind, *owner_of(owner), size, nanoseconds(mtime), b"", 0, 0, NO_XATTRS)
                    entry = new_entry(Entry, values)
                elif kind in _EXTENDED:
                    self._padding = 0
                    self._extend(kind, number(size_field))
                    continue
                else:
                    fields = _HEADER.unpack(block)
                    self._last = name = self._name(name, block, fields)
                    entry = self._entry(name, fields)
                    size = entry.size
                if not 0 <= size <= MAX_SIZE:
                    raise ValueError(f"its size {size} is negative or absurd")
                if self.sparse and entry.type == SPARSE:
                    size = self.sparse.stored
                    self._holes += max(entry.size - size, 0)
            except ValueError as error:
                raise entry_error(name, str(error)) from error
            self._left = size
            self._padding = -size % BLOCK
            self.entries += 1
            if self._max_size is not None:
                self._check_size(size + self._padding)
            yield entry

    @property
    def position(self) -> int:
        """The offset in the stream of the next byte; right after an entry, of its body."""
        return self._total - len(self._buffer) + self._at

    def piece(self) -> bytes | memoryview:
        """Return the next bytes of the current entry's body, at most LARGE; b"" at its end."""
        start = self._at
        if self._left and start == len(self._buffer):
            self._buffer = self._read(CHUNK if self._left < LARGE else LARGE)
            start = 0
            if not self._buffer:
                raise self._stream_error(f"the archive ends {self._left} bytes before the end of its content")
        end = start + self._left
        # A view costs less than a copy, except for few bytes.
        found = self._buffer[start:end] if self._left < _SMALL else memoryview(self._buffer)[start:end]
        self._at = start + len(found)
        self._left -= len(found)
        return found

    def check_rest(self) -> None:
        """Read to the stream's end. Raises ArchiveRejected if the bytes after the end mark are not all padding.

        Also if these are more than the archive's bytes and than MAX_IDLE: the stream might have no end.
        """
        self._check_size(0)
        piece = self._buffer[self._at :]
        most = max(self._total - len(piece), MAX_IDLE)
        rest = 0
        while piece or (piece := self._read(CHUNK)):
            rest += len(piece)
            self._check_size(len(self._buffer) - self._at)
            if rest > most:
                raise self._stream_error(f"more than {most} bytes follow the archive's end mark")
            if not self._expected and piece.count(0) != len(piece):
                raise self._stream_error("data follows the archive's end mark", REST_HINT)
            piece = b""

    def _read(self, size: int) -> bytes:
        """Return the stream's next bytes, at most *size*."""
        piece = self._source(size)
        self._total += len(piece)
        return piece

    def _check_size(self, more: int) -> None:
        """Raise ArchiveRejected if the stream with *more* bytes exceeds max_size."""
        if self._max_size is not None and self.position + self._holes + more > self._max_size:
            cause = f"with this entry the layer has more than the {self._max_size} bytes allowed"
            raise self._stream_error(cause, SIZE_HINT)

    def _next_block(self) -> bytes | None:
        """Return the next header; None at the archive's end: two blocks of zeros, or one at the stream's end.

        One block is enough by the rule of Go and GNU tar.
        """
        if self._left > MAX_IDLE:
            raise self._stream_error(f"its {self._left} bytes of content do not belong to a file of the layer")
        while self._left:
            self.piece()
        start = self._at + self._padding
        end = start + BLOCK
        if end <= len(self._buffer):
            block = self._buffer[start:end]
            self._at = end
        elif self._padding and not self._take(self._padding, whole=not self._expected):
            if not self._expected:
                raise self._stream_error("the archive ends before the padding of its content", CUT_HINT)
            block = b""
        else:
            block = self._take(BLOCK)
        if not block and self._last is not None and not self._expected:
            raise self._stream_error("the archive ends after this entry, without an end mark", CUT_HINT)
        if block and block != _ZEROS:
            return block
        if block and self._take(BLOCK) not in (b"", _ZEROS):
            raise self._stream_error("one block of zeros follows this entry, then other data")
        if (self._pax or self._long) and not self._expected:
            raise self._stream_error("it describes an entry that is missing", CUT_HINT)
        return None

    def _take(self, size: int, whole: bool = True) -> bytes:
        """Return *size* bytes, or b"" at the stream's end. Raises ArchiveRejected if the stream ends in between.

        whole: if False, return b"" in this case too.
        """
        end = self._at + size
        if end > len(self._buffer):
            pieces = [self._buffer[self._at :]]
            have = len(pieces[0])
            while have < size:
                piece = self._read(CHUNK)
                if not piece:
                    if have and whole:
                        raise self._stream_error("the archive ends within a block")
                    self._buffer, self._at = b"", 0
                    return b""
                pieces.append(piece)
                have += len(piece)
            self._buffer, self._at, end = b"".join(pieces), 0, size
        found = self._buffer[self._at : end]
        self._at = end
        return found

    def _stream_error(self, cause: str, hint: str | None = None) -> ArchiveRejected:
        name = b"(start of the archive)" if self._last is None else self._last
        return entry_error(name, cause, hint or (NO_TAR_HINT if self._last is None else DAMAGED_HINT))

    def _extend(self, kind: bytes, size: int) -> None:
        """Read an entry that describes the next one.

        In POSIX a global header is for all later entries; Go reads it as an entry of its own, which moby skips. Global
        headers are skipped here too, so the layer is the same as in Docker.
        """
        if not 0 <= size <= LIMIT:
            raise ValueError(f"an extended header of {size} bytes; more than {LIMIT} are not read")
        before, number_of_entry = self._idle
        before = (before if number_of_entry == self.entries else 0) + BLOCK + size
        if before > _MAX_HEADERS:
            raise ValueError(f"more than {_MAX_HEADERS} bytes of extended headers come before one entry")
        self._idle = before, self.entries
        self._check_size(size)
        body = self._take(size + -size % BLOCK)[:size]
        if len(body) != size:
            raise ValueError("the archive ends before an extended header's content")
        if kind == _PAX_GLOBAL:
            parse_records(body)
            if self._extended:
                raise ValueError("a global PAX header comes between an entry and what describes it")
            return
        self._extended = True
        if kind == _PAX:
            self._pax = parse_records(body)
        else:
            self._long[b"path" if kind == _LONG_NAME else b"linkpath"] = text(body)

    def _name(self, name: bytes, block: bytes, fields: tuple[bytes, ...]) -> bytes:
        """Return the entry's whole name. name: the name field of the header."""
        longer = self._pax.get(SPARSE_NAME) or self._long.get(b"path") or self._pax.get(b"path")
        if longer:
            return longer
        before = prefix(block, fields[7], fields[9]) if fields[9][0] else b""
        return before + b"/" + name if before else name

    def _entry(self, name: bytes, fields: tuple[bytes, ...]) -> Entry:
        _unused, owner, size_field, mtime, _unused, flag, linkname, magic, device, _unused = fields
        kind = _TYPES.get(flag)
        if kind is None or (flag == SPARSE and magic != GNU):  # star means something else by S
            what = f"{flag!r}{_OF_BACKUPS.get(flag, '')}"
            raise ValueError(f"it is of type {what}, which no layer needs and this collection does not read")
        if flag == _V7_REGULAR and name.endswith(b"/"):
            kind = DIRECTORY
        mode, uid, gid = owner_of(owner)
        size = number(size_field) if kind == REGULAR else 0  # POSIX: other types have no body, and the field is ignored
        link = text(linkname) if linkname[0] else b""
        entry = Entry(name, kind, mode, uid, gid, size, nanoseconds(mtime), link)
        if kind in (CHAR, BLOCKDEV):
            if not has_devices(magic):
                raise ValueError("it is a device, but the format of its header has no field for the device number")
            entry = entry._replace(major=number(device[:8]), minor=number(device[8:]))
            if not (0 <= entry.major <= MAX_MAJOR and 0 <= entry.minor <= MAX_MINOR):
                raise ValueError(f"its device number {entry.major}:{entry.minor} is out of range")
        if self._extended:
            entry = amended(entry, {**self._pax, **self._long})
        if flag == SPARSE or self._pax:
            self.sparse = sparse_map(entry, fields[9] if flag == SPARSE else b"", self._pax, self._take)
            if self.sparse:
                entry = entry._replace(type=SPARSE, size=self.sparse.size)
        if self._extended:
            self._pax, self._long, self._extended = {}, {}, False
        return entry
