# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meta pages of a bbolt database, as containerd and BuildKit keep them. Pure. PRIVATE to the collection.

Source: bbolt internal/common/meta.go, db.go. Transaction n writes its meta page at page n % 2, after all its other
pages, so an interruption leaves one whole meta page at least. Numbers are in the byte order of the host.
"""

from __future__ import annotations

import mmap
import struct
import typing as t

Data = t.Union[bytes, mmap.mmap]

META = 4  # the flag of a meta page
HEADER = struct.Struct("=QHHI")  # id, flags, count of elements, overflow: pages that continue this one
HEAD = 128 << 10  # bytes from the start of a file that hold both meta pages, of whatever page size
_MAGIC = 0xED0CDAED
_VERSION = 2
_META = struct.Struct(
    "=IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, freelist, pages, txid, checksum
_PAGE_SIZES = (1024, 2048, 4096, 8192, 16384, 32768, 65536)  # the second meta page starts at one of them


class Unreadable(ValueError):
    """A database cannot be read; the text says why."""


class Meta(t.NamedTuple):
    """What one transaction says of the database."""

    page_size: int
    root: int  # the page of the root bucket
    pages: int  # pages in use, the free ones among them; the file may be longer
    txid: int


def newest_meta(head: Data) -> Meta:
    """Return the newest whole meta page. head: the first HEAD bytes of the file, or all of it. Raises Unreadable."""
    metas = _metas(head)
    if not metas:
        raise Unreadable("it is not a bbolt database: it is empty, cut off or overwritten")
    return max(metas, key=lambda meta: meta.txid)


def wrong_with(head: Data, size: int) -> str:
    """Return why a file of *size* bytes is not a whole database, "" if it may be one.

    The file grows before a new page is used, so the meta page that needs less is right for a file that just grew.
    """
    metas = _metas(head)
    if not metas:
        return "it is not a bbolt database: it is empty, cut off or overwritten"
    pages = min(meta.pages * meta.page_size for meta in metas)
    return "" if pages <= size else f"it is cut off: {size} of {pages} bytes are left"


def _metas(head: Data) -> list[Meta]:
    """Return the whole meta pages. Both name the same page size; the second page starts there."""
    first = _meta(head, 0)
    places = (first.page_size,) if first else _PAGE_SIZES
    second = next((meta for at in places if (meta := _meta(head, at)) and meta.page_size == at), None)
    return [meta for meta in (first, second) if meta]


def _meta(head: Data, start: int) -> Meta | None:
    at = start + HEADER.size
    if len(head) < at + _META.size:
        return None
    magic, version, page_size, _flags, root, _sequence, _freelist, pages, txid, checksum = _META.unpack_from(head, at)
    whole = magic == _MAGIC and version == _VERSION and checksum == _fnv1a(head[at : at + _META.size - 8])
    if not whole or page_size not in _PAGE_SIZES:
        return None
    return Meta(page_size, root, pages, txid)


def _fnv1a(data: bytes) -> int:
    """Return the FNV-1a hash, of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
