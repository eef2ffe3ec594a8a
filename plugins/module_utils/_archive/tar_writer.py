# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header blocks of a tar entry, byte for byte as moby writes them. PRIVATE to the collection.

moby writes with Go's archive/tar, format PAX. A diff id is a hash over these bytes, so where the formats leave
a choice, Go's is the right one: a lone ustar block wherever it can say everything, else a PAX ``x`` entry before it.
Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; Go src/archive/tar/writer.go.
"""

from __future__ import annotations

import functools
import posixpath
import struct
import typing as t
import zlib

from .tar import BLOCK, Entry, xattr_keyword

NAME_SIZE = 100
PREFIX_SIZE = 155
MAX_ID = 0o7777777  # what seven octal digits hold
MAX_NUMBER = 0o77777777777  # what eleven octal digits hold: 8 GiB - 1, and a time in 2242

# name, (mode, uid, gid), size, mtime, checksum (spaces while it is summed), type, linkname,
# magic with version and empty user and group names, (major, minor), prefix
_BLOCK = struct.Struct("100s 24s 12s 12s 8s c 100s 72s 16s 155s 12x")
_MAGIC = b"ustar\x0000"
_BLANK = b" " * 8
_CHECKSUM_AT = 148
_NON_ASCII = bytes(range(128, 256)) + b"\0"
_NO_DEVICE = b"0000000\x000000000\0"


def header(entry: Entry) -> bytes:
    """Return the header block of *entry*, preceded by a PAX entry where one block cannot say it.

    mtime is floored to seconds, as moby does before it writes. A name that is not UTF-8 stands raw in its PAX record.
    """
    records = _records(entry)
    if not records:
        return _block(entry, entry.name, entry.linkname)
    if len(records) == 1 and b"path" in records:
        split = _split(entry.name)
        if split:
            return _block(entry, split[1], entry.linkname, split[0])
    return _extended(entry.name, records) + _block(entry, _stub(entry.name), _stub(entry.linkname))


def _records(entry: Entry) -> dict[bytes, bytes]:
    """Return the PAX records for what one block cannot hold; a splittable path is among them all the same."""
    records = {xattr_keyword(name): value for name, value in entry.xattrs.items()} if entry.xattrs else {}
    if len(entry.name) > NAME_SIZE or not entry.name.isascii():
        records[b"path"] = entry.name
    if entry.linkname and (len(entry.linkname) > NAME_SIZE or not entry.linkname.isascii()):
        records[b"linkpath"] = entry.linkname
    if entry.uid > MAX_ID:
        records[b"uid"] = b"%d" % entry.uid
    if entry.gid > MAX_ID:
        records[b"gid"] = b"%d" % entry.gid
    if entry.size > MAX_NUMBER:
        records[b"size"] = b"%d" % entry.size
    mtime = entry.mtime_ns // 10**9
    if not 0 <= mtime <= MAX_NUMBER:
        records[b"mtime"] = b"%d" % mtime
    return records


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Split a long ASCII path at its last fitting slash into ustar's prefix and name; None where it cannot be."""
    if not name.isascii():
        return None
    end = PREFIX_SIZE + 1 if len(name) > PREFIX_SIZE + 1 else len(name) - name.endswith(b"/")
    at = name.rfind(b"/", 0, end)
    if at <= 0 or not 0 < len(name) - at - 1 <= NAME_SIZE:
        return None
    return name[:at], name[at + 1 :]


def _stub(name: bytes) -> bytes:
    """Return what the block says of a name that stands in full in the PAX records: its ASCII part, cut."""
    cut = name.translate(None, _NON_ASCII)
    if cut[NAME_SIZE - 1 : NAME_SIZE] == b"/" and len(cut) > NAME_SIZE:
        end = len(cut[:NAME_SIZE].rstrip(b"/"))  # old readers would take what ends in a slash for a directory
        return cut[:end] + b"\0" + cut[end + 1 : NAME_SIZE]
    return cut[:NAME_SIZE]


def _extended(name: bytes, records: t.Mapping[bytes, bytes]) -> bytes:
    """Return the ``x`` entry, header and padded body, that carries *records*."""
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    parent, base = posixpath.split(name)
    title = posixpath.join(parent, b"PaxHeaders.0", base).translate(None, _NON_ASCII)[:NAME_SIZE].rstrip(b"/")
    head = _sealed(
        _BLOCK.pack(title, _owner(0, 0, 0), b"%011o" % len(body), b"%011o" % 0, _BLANK, b"x", b"", _MAGIC, b"", b"")
    )
    return head + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """Return one PAX record, ``LENGTH KEY=VALUE`` and a newline, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(b"%d" % rest)
    length = rest + len(b"%d" % length)  # the digits themselves may have added one
    return b"%d %s=%s\n" % (length, key, value)


def _block(entry: Entry, name: bytes, linkname: bytes, prefix: bytes = b"") -> bytes:
    """Return the ustar block. A number that does not fit is 0 here: its PAX record has it."""
    mtime = entry.mtime_ns // 10**9
    return _sealed(
        _BLOCK.pack(
            name,
            _owner(entry.mode, entry.uid, entry.gid),
            b"%011o" % (entry.size if entry.size <= MAX_NUMBER else 0),
            b"%011o" % (mtime if 0 <= mtime <= MAX_NUMBER else 0),
            _BLANK,
            entry.type,
            linkname,
            _MAGIC,
            b"%07o\0%07o" % (entry.major, entry.minor) if entry.major or entry.minor else _NO_DEVICE,
            prefix,
        )
    )


@functools.lru_cache(maxsize=256)  # a layer has few owners and modes
def _owner(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode, uid if uid <= MAX_ID else 0, gid if gid <= MAX_ID else 0)


def _sealed(block: bytes) -> bytes:
    """Put the checksum in. adler32's low half is 1 + the sum of the bytes: ASCII cannot reach its modulus 65521."""
    total = (zlib.adler32(block) & 0xFFFF) - 1
    return b"%s%06o\0%s" % (block[:_CHECKSUM_AT], total, block[_CHECKSUM_AT + 7 :])
