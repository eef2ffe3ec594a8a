# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a tar lie in it, found by its headers alone. PRIVATE to the collection.

Unlike _archive's TarReader, which reads a layer from end to end, this one reads no content. Of a header, only the name,
the type, the size and the target of a link count.
Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5).
"""

from __future__ import annotations

import posixpath
import typing as t
import zlib

from .._archive.pax import MAX_SIZE, SPARSE_NAME, SPARSE_PREFIX, Records, decimal, parse_records
from .._archive.tar import BLOCK, HARDLINK, REGULAR, SPARSE, SYMLINK
from .._archive.tar_fields import adds_up, expected_adler, number, prefix, text
from .errors import CUT_HINT, HINT, START, file_error

ReadAt = t.Callable[[int, int], bytes]  # offset, size: fewer bytes at the end of the archive, EOFError beyond it

_MOST_HEADERS = 50_000  # with those of names; an archive of 128 layers has 400
_MOST_NAMES = 8 << 20  # bytes of all names together
_LIMIT = 1 << 20  # bytes of an extended header, as in Go
_HOPS = 8  # links in a row
_LONGEST_PATH = 4096  # bytes, as in the kernel
_LINKS = (SYMLINK, HARDLINK)
_ZEROS = bytes(BLOCK)
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENDED = frozenset((_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK))
_FILES = (REGULAR, b"\0", b"7")  # the types of a regular file
_OTHER = b"5"  # the kind of all that is neither a file nor a link
_KINDS = {
    **dict.fromkeys(_FILES, REGULAR),
    **{SYMLINK: SYMLINK, HARDLINK: HARDLINK},
    **dict.fromkeys((b"3", b"4", b"5", b"6", SPARSE), _OTHER),
}
_NO_TAR_HINT = (
    "give an OCI image layout or the archive of docker save, as a directory or a tar, plain or compressed with gzip,"
    " bzip2, xz or zstd"
)


class Member(t.NamedTuple):
    """An entry of a tar. kind: its type. offset, size: of its content. target: of a link."""

    kind: bytes
    offset: int
    size: int
    target: bytes = b""


class Members:
    """The members of a tar by name. Of two with one name, the last one counts, as if the tar had been unpacked."""

    def __init__(self) -> None:
        self._members: dict[bytes, Member] = {}
        self._doubled: set[bytes] = set()

    def add(self, name: bytes, member: Member) -> None:
        """Add a member. A name that leads out of the archive names nothing, since nothing is unpacked."""
        path = _normal(name)
        if path is None:
            return
        if path in self._members:
            self._doubled.add(path)
        self._members[path] = member

    def is_doubled(self, name: bytes) -> bool:
        """Tell whether several members have this name."""
        return _normal(name) in self._doubled

    def find(self, name: bytes) -> Member | None:
        """Return the regular file *name*, through links inside the archive; None if it is missing.

        A link may also be in the place of a directory: `docker load` unpacks the archive, so Docker follows each link.
        raises: ArchiveRejected if the name is another kind of file, or leads out of the archive.
        """
        path = _normal(name)
        if path is None:
            raise file_error(name, "this name leads out of the archive")
        found = self._members.get(path)
        if found is None or found.kind in _LINKS:
            found = self._members.get(self._resolved(name, path))
        if found is None or found.kind == REGULAR:
            return found
        raise file_error(name, "it is not a regular file")

    def _resolved(self, name: bytes, path: bytes) -> bytes:
        """Return the path in the archive to which *path* leads. Raises ArchiveRejected."""
        done: list[bytes] = []
        todo = _reversed_parts(name, path)
        hops = 0
        while todo:
            part = todo.pop()
            if part == b"..":
                if not done:
                    raise file_error(name, "the link with this name leads out of the archive")
                done.pop()
                continue
            done.append(part)
            member = self._members.get(b"/".join(done))
            if member is None or member.kind not in _LINKS:
                continue
            hops += 1
            if hops > _HOPS:
                raise file_error(name, f"more than {_HOPS} links lead to it")
            if member.kind == HARDLINK:  # its target starts at the root
                done.clear()
            elif member.target.startswith(b"/"):
                raise file_error(name, "the link with this name leads out of the archive")
            else:
                done.pop()
            todo += _reversed_parts(name, member.target)
        return b"/".join(done)


def _reversed_parts(name: bytes, path: bytes) -> list[bytes]:
    """Return the parts of *path*, the last one first. Raises ArchiveRejected if no kernel takes the path of *name*."""
    if len(path) > _LONGEST_PATH:
        raise file_error(name, f"its path, or that of a link that leads to it, has more than {_LONGEST_PATH} bytes")
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def _normal(name: bytes) -> bytes | None:
    """Return a name without ``./`` and the like; None if it leads out of the archive."""
    path = posixpath.normpath(name.lstrip(b"/"))
    return None if path == b".." or path.startswith(b"../") else path


class Headers:
    """Iterates over the members of a tar, as pairs of name and Member.

    raises: ArchiveRejected, and the errors of *read_at*.
    """

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._at = 0  # the offset of the next header
        self._last = START.encode()  # the member before, for messages
        self._names = 0  # bytes
        self._pax: Records = {}  # what extended headers say of the next member
        self._long: Records = {}  # the same in GNU's form, which has precedence

    def __iter__(self) -> t.Iterator[tuple[bytes, Member]]:
        for _count in range(_MOST_HEADERS):
            block = self._read(self._at, BLOCK, self._last)
            if not block or block == _ZEROS:
                return
            try:
                found = self._member(block)
            except ValueError as error:
                if not self._at:
                    raise file_error(
                        START, f"the archive is not a tar: in its first header, {error}", _NO_TAR_HINT
                    ) from error
                raise file_error(self._last, f"the header after it is damaged: {error}", HINT) from error
            if found:
                name, member = found
                self._last = name
                self._names += len(name) + len(member.target)
                if self._names > _MOST_NAMES:
                    raise file_error(name, f"with it, the names in the archive take more than {_MOST_NAMES} bytes")
                yield found
        raise file_error(self._last, f"the archive has more than {_MOST_HEADERS} headers", _NO_TAR_HINT)

    def _member(self, block: bytes) -> tuple[bytes, Member] | None:
        """Return the name and the member of a header; None for an extended header, which describes the next one."""
        checksum = block[148:156]
        if zlib.adler32(block) & 0xFFFF != expected_adler(checksum) and not adds_up(block, checksum):
            raise ValueError("the checksum is wrong")
        flag, size, body = block[156:157], number(block[124:136]), self._at + BLOCK
        if flag in _EXTENDED:
            self._extend(flag, body, size)
            return None
        records = {**self._pax, **self._long}
        self._pax, self._long = {}, {}
        name = records.get(SPARSE_NAME) or records.get(b"path") or _whole_name(block)
        target = records.get(b"linkpath") or text(block[157:257])
        if flag not in _KINDS:
            raise ValueError(f"the type is {flag!r}, which no image needs")
        kind = _KINDS[flag]
        if records.get(b"size"):
            size = decimal(b"size", records[b"size"])
        if flag not in (*_FILES, SPARSE):
            size = 0  # POSIX: the field is ignored
        if not 0 <= size <= MAX_SIZE - body:
            raise ValueError(f"the size {size} is negative or absurd")
        if flag == SPARSE:
            body = self._after_map(block[482:483], body)
        if any(key.startswith(SPARSE_PREFIX) for key in records) or (kind == REGULAR and name.endswith(b"/")):
            kind = _OTHER
        self._at = body + size + -size % BLOCK
        return name, Member(kind, body, size, target if kind in (SYMLINK, HARDLINK) else b"")

    def _extend(self, flag: bytes, at: int, size: int) -> None:
        """Read an extended header: it describes the next member, or, if it is global, nothing that counts here."""
        if not 0 <= size <= _LIMIT:
            raise ValueError(f"an extended header has {size} bytes; more than {_LIMIT} are not read")
        body = self._read(at, size, self._last)
        if len(body) < size:
            raise ValueError("an extended header is cut off")
        if flag == _PAX:
            self._pax = parse_records(body)
        elif flag != _PAX_GLOBAL:
            self._long[b"path" if flag == _LONG_NAME else b"linkpath"] = text(body)
        self._at = at + size + -size % BLOCK

    def _after_map(self, goes_on: bytes, at: int) -> int:
        """Return the offset behind the map of an old GNU sparse file; each of its blocks says whether one follows."""
        while goes_on not in (b"", b"\0"):
            goes_on = self._read(at, BLOCK, self._last)[504:505]
            at += BLOCK
        return at

    def _read(self, at: int, size: int, name: bytes) -> bytes:
        try:
            found = self._read_at(at, size)
        except EOFError:
            raise file_error(name, "the archive ends within it", CUT_HINT) from None
        if found and len(found) < size == BLOCK:
            if not at:
                raise file_error(START, f"the archive is not a tar: it has {len(found)} bytes", _NO_TAR_HINT)
            raise file_error(name, "the archive ends within the header after it", CUT_HINT)
        return found


def _whole_name(block: bytes) -> bytes:
    name, before = text(block[:100]), prefix(block, block[257:265], block[345:500])
    return before + b"/" + name if before else name
