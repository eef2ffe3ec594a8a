# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tars built block by block, also such as no tool would write."""

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
    """Return header and padded body of one entry; *fields* as Entry has them."""
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


def archive(*members: bytes) -> bytes:
    return b"".join(members) + END


def patched(block: bytes, at: int, field: bytes) -> bytes:
    """Return a header block with *field* at this offset, its checksum made right again."""
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
