# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header blocks of a tar entry, byte for byte as moby writes them. PRIVATE to the collection.

moby writes with Go's archive/tar, format PAX. A diff id is a hash over these bytes, so if the formats leave a choice,
Go's choice counts: one ustar block if the block can hold all fields, otherwise a PAX ``x`` entry before the block.
Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; Go src/archive/tar/writer.go.
"""

from __future__ import annotations

import functools
import os
import posixpath
import struct
import typing as t
import zlib

from .tar import BLOCK, REGULAR, Entry, xattr_keyword

NAME_SIZE = 100
PREFIX_SIZE = 155
MAX_ID = 0o7777777  # what seven octal digits hold
MAX_NUMBER = 0o77777777777  # what eleven octal digits hold: 8 GiB - 1, and a time in 2242

_MAX_TIME = (MAX_NUMBER + 1) * 10**9 - 1  # ns: the last time whose seconds are MAX_NUMBER

# After the checksum: type, linkname, magic with version and empty user and group names, (major, minor), prefix.
_TAIL = struct.Struct("c 100s 72s 16s 155s 12x")
_MAGIC = b"ustar\x0000"
_NO_DEVICE = b"0000000\x000000000\0"
_PAX = b"x"
_BLANKS = 8 * ord(" ")  # the sum of the checksum field's bytes while the checksum is computed
_NON_ASCII = bytes(range(128, 256)) + b"\0"


def header(entry: Entry) -> bytes:
    """Return the header block of *entry*, after a PAX entry if one block cannot hold all fields.

    mtime is rounded down to seconds, as in moby. A name that is not UTF-8 is written raw in its PAX record.
    """
    records = _records(entry)
    if not records:
        return _block(entry, entry.name, entry.linkname)
    if len(records) == 1 and b"path" in records:
        split = _split(entry.name)
        if split:
            return _block(entry, split[1], entry.linkname, split[0])
    return _extended(entry.name, records) + _block(entry, _stub(entry.name), _stub(entry.linkname))


def plain_header(name: bytes, st: os.stat_result) -> bytes:
    """Return the `header` of a regular file with one name and no xattrs; b"" if one block cannot hold all fields.

    Nearly all entries are such files: this function makes no Entry, and half as many calls.
    """
    mtime_ns, size, uid, gid = st.st_mtime_ns, st.st_size, st.st_uid, st.st_gid
    if len(name) > NAME_SIZE or size > MAX_NUMBER or uid > MAX_ID or gid > MAX_ID or not name.isascii():
        return b""
    if not 0 <= mtime_ns <= _MAX_TIME:
        return b""
    return _sealed(name, _owner(st.st_mode & 0o7777, uid, gid), size, _time(mtime_ns // 10**9), REGULAR)


def _records(entry: Entry) -> dict[bytes, bytes]:
    """Return PAX records for the fields that one block cannot hold; also for a path that `_split` can split."""
    name, _type, _mode, uid, gid, size, mtime_ns, linkname, _major, _minor, xattrs = entry
    records = {xattr_keyword(key): value for key, value in xattrs.items()} if xattrs else {}
    if len(name) > NAME_SIZE or not name.isascii():
        records[b"path"] = name
    if linkname and (len(linkname) > NAME_SIZE or not linkname.isascii()):
        records[b"linkpath"] = linkname
    if uid > MAX_ID:
        records[b"uid"] = b"%d" % uid
    if gid > MAX_ID:
        records[b"gid"] = b"%d" % gid
    if size > MAX_NUMBER:
        records[b"size"] = b"%d" % size
    if not 0 <= mtime_ns <= _MAX_TIME:
        records[b"mtime"] = b"%d" % (mtime_ns // 10**9)
    return records


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Split a long ASCII path at its last fitting slash into ustar's prefix and name; None if no slash fits."""
    if not name.isascii():
        return None
    end = PREFIX_SIZE + 1 if len(name) > PREFIX_SIZE + 1 else len(name) - name.endswith(b"/")
    at = name.rfind(b"/", 0, end)
    if at <= 0 or not 0 < len(name) - at - 1 <= NAME_SIZE:
        return None
    return name[:at], name[at + 1 :]


def _stub(name: bytes) -> bytes:
    """Return the block's form of a name that is whole in the PAX records: its ASCII part, cut."""
    cut = name.translate(None, _NON_ASCII)
    if cut[NAME_SIZE - 1 : NAME_SIZE] == b"/" and len(cut) > NAME_SIZE:
        end = len(cut[:NAME_SIZE].rstrip(b"/"))  # old readers take a name with a final slash for a directory
        return cut[:end] + b"\0" + cut[end + 1 : NAME_SIZE]
    return cut[:NAME_SIZE]


def _extended(name: bytes, records: t.Mapping[bytes, bytes]) -> bytes:
    """Return the ``x`` entry, header and padded body, that carries *records*."""
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    parent, base = posixpath.split(name)
    title = posixpath.join(parent, b"PaxHeaders.0", base).translate(None, _NON_ASCII)[:NAME_SIZE].rstrip(b"/")
    head = _sealed(title, _owner(0, 0, 0), len(body), _time(0), _PAX)
    return head + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """Return one PAX record, ``LENGTH KEY=VALUE`` and a newline, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(b"%d" % rest)
    length = rest + len(b"%d" % length)  # the first length may have got one digit more
    return b"%d %s=%s\n" % (length, key, value)


def _block(entry: Entry, name: bytes, linkname: bytes, prefix: bytes = b"") -> bytes:
    """Return the ustar block. A number that does not fit is 0: the PAX record has the number."""
    _name, kind, mode, uid, gid, size, mtime_ns, _link, major, minor, _xattrs = entry
    tail = b""
    if linkname or prefix or major or minor:
        device = b"%07o\0%07o" % (major, minor) if major or minor else _NO_DEVICE
        tail = _TAIL.pack(kind, linkname, _MAGIC, device, prefix)
    time = _time(mtime_ns // 10**9)
    return _sealed(name, _owner(mode, uid, gid), size if size <= MAX_NUMBER else 0, time, kind, tail)


@functools.lru_cache(maxsize=256)  # a layer has few owners and modes
def _owner(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode, uid if uid <= MAX_ID else 0, gid if gid <= MAX_ID else 0)


@functools.lru_cache(maxsize=256)  # neighbours often have the same
def _time(seconds: int) -> bytes:
    return b"%011o\0" % (seconds if 0 <= seconds <= MAX_NUMBER else 0)


@functools.lru_cache(maxsize=16)
def _plain_tail(kind: bytes) -> tuple[bytes, int]:
    """Return the bytes after the checksum of an entry without linkname, device and prefix, and their sum."""
    tail = _TAIL.pack(kind, b"", _MAGIC, b"" if kind == _PAX else _NO_DEVICE, b"")
    return tail, _sum(tail)


def _sealed(name: bytes, owner: bytes, size: int, time: bytes, kind: bytes, tail: bytes = b"") -> bytes:
    """Return a block of these fields with its checksum. tail: the bytes after the checksum; b"" for a plain entry."""
    start = b"%b%b%011o\0%b" % (name.ljust(NAME_SIZE, b"\0"), owner, size, time)
    tail, total = (tail, _sum(tail)) if tail else _plain_tail(kind)
    return b"%b%06o\0 %b" % (start, _sum(start) + _BLANKS + total, tail)


def _sum(part: bytes) -> int:
    """Return the sum of ASCII bytes. adler32's low half is 1 more: the sum stays below its modulus 65521."""
    return (zlib.adler32(part) & 0xFFFF) - 1
