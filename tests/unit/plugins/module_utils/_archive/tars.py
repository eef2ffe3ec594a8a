# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build tars block by block, also tars that no tool would write."""

from __future__ import annotations

import io

from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import (
    BLOCK,
    DIRECTORY,
    END,
    HARDLINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar_writer import header

NS = 10**9
TIME = 1_600_000_000 * NS


def member(name: str | bytes, kind: bytes = REGULAR, body: bytes = b"", **fields) -> bytes:
    """Return header and padded body of one entry. fields: those of Entry."""
    fields = {"mode": 0o755 if kind == DIRECTORY else 0o644, "uid": 0, "gid": 0, "mtime_ns": TIME, **fields}
    fields.setdefault("size", len(body))
    return header(Entry(name=encoded(name), type=kind, **fields)) + padded(body)


def directory(name: str | bytes, **fields) -> bytes:
    return member(name, DIRECTORY, **fields)


def symlink(name: str | bytes, target: str | bytes, **fields) -> bytes:
    return member(name, SYMLINK, linkname=encoded(target), **fields)


def hardlink(name: str | bytes, target: str | bytes, **fields) -> bytes:
    return member(name, HARDLINK, linkname=encoded(target), **fields)


def pax(records: bytes, kind: bytes = b"x", name: str = "PaxHeaders.0/f") -> bytes:
    """Return an extended header entry with this body."""
    return member(name, kind, records)


def record(key: str, value: str | bytes) -> bytes:
    rest = b" " + key.encode() + b"=" + encoded(value) + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def sparse(version: str, pieces: list[tuple[int, int]], body: bytes, size: int | None = None, **said) -> bytes:
    """Return the entries of a sparse file "f": data *pieces* as (offset, length), *body* all of its data.

    version: "old GNU", or "0.0", "0.1", "1.0" of PAX. size: the file's; by default the end of the last piece.
    said:    PAX records in place of the right ones, named without GNU.sparse.; None for none.
    """
    if size is None:
        size = max((sum(piece) for piece in pieces), default=0)
    if version == "old GNU":
        return _old_sparse(pieces, body, size)
    records = {"name": "f", "size": size, "numblocks": len(pieces)}
    if version == "0.1":
        records["map"] = ",".join(str(number) for piece in pieces for number in piece)
    if version == "1.0":
        records = {"name": "f", "realsize": size, "major": 1, "minor": 0}
        lines = [len(pieces), *(number for piece in pieces for number in piece)]
        body = padded("".join(f"{line}\n" for line in lines).encode()) + body
    told = b"".join(
        record(f"GNU.sparse.{key}", str(value)) for key, value in {**records, **said}.items() if value is not None
    )
    if version == "0.0":
        numbers = (zip(("GNU.sparse.offset", "GNU.sparse.numbytes"), map(str, piece)) for piece in pieces)
        told += b"".join(record(*number) for piece in numbers for number in piece)
    return pax(told) + member("GNUSparseFile.0/f", body=body)


def _old_sparse(pieces: list[tuple[int, int]], body: bytes, size: int) -> bytes:
    def table(some: list[tuple[int, int]], slots: int) -> bytes:
        return b"".join(b"%011o\0%011o\0" % piece for piece in some).ljust(slots * 24, b"\0")

    first, rest = pieces[:4], pieces[4:]
    block = member("f", b"S", size=len(body))[:345] + bytes(41) + table(first, 4) + bytes((bool(rest),))
    blocks = patched(patched((block + b"%011o\0" % size).ljust(BLOCK, b"\0"), 257, b"ustar  \0"), 329, bytes(16))
    more = [
        (table(rest[at : at + 21], 21) + bytes((at + 21 < len(rest),))).ljust(BLOCK, b"\0")
        for at in range(0, len(rest), 21)
    ]
    return b"".join((blocks, *more, padded(body)))


def archive(*members: bytes) -> bytes:
    return b"".join(members) + END


def patched(block: bytes, at: int, field: bytes) -> bytes:
    """Return a header block with *field* at this offset and a correct checksum."""
    new = block[:at] + field + block[at + len(field) :]
    return sealed(new)


def sealed(block: bytes) -> bytes:
    total = sum(block[:148]) + 8 * 32 + sum(block[156:BLOCK])
    return block[:148] + b"%06o\0 " % total + block[156:]


def reader(tar: bytes, most: int | None = None):
    """Return a read function over *tar* that gives at most *most* bytes at once."""
    stream = io.BytesIO(tar)
    return stream.read if most is None else lambda size: stream.read(min(size, most))


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % BLOCK)


def encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
