# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a file for a whole bbolt database, as BuildKit and containerd keep them. PRIVATE to the collection."""

from __future__ import annotations

import struct
import typing as t

_MAGIC = 0xED0CDAED
_META = struct.Struct("<IIIIQQQQ")  # magic, version, page size, flags, root bucket (2), free list, pages in use
_HEADER = 16  # bytes before the meta data in a page
_PAGE_SIZES = (4096, 8192, 16384, 65536)  # the second meta page starts at one of them


def wrong_with(data: bytes, size: int) -> str:
    """Return why a file is not a whole database, "" if it may be one.

    data: the first 128 KiB or more of the file, or all of it. size: bytes of the file.
    Source: bbolt db.go, page.go: there are two meta pages, and an interruption leaves at least one whole; the
    file grows before a new page is used.
    """
    metas = [meta for at in (0, *_PAGE_SIZES) if (meta := _meta(data, at + _HEADER)) is not None]
    if not metas:
        return "it is not a bbolt database: it is empty, cut off or overwritten"
    pages = min(meta[7] * meta[2] for meta in metas)
    return "" if pages <= size else f"it is cut off: {size} of {pages} bytes are left"


def _meta(data: bytes, at: int) -> tuple[t.Any, ...] | None:
    if len(data) < at + _META.size:
        return None
    meta = _META.unpack_from(data, at)
    return meta if meta[0] == _MAGIC else None
