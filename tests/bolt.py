# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes bbolt databases from dictionaries, without the code under test."""

from __future__ import annotations

import struct
import typing as t

Tree = dict[bytes, t.Any]  # bytes, or a Tree: a bucket

HEADER, ELEMENT = 16, 16


def fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


def meta_page(number: int, txid: int, root: int, pages: int, page_size: int = 4096) -> bytes:
    fields = struct.pack("=IIIIQQQQQ", 0xED0CDAED, 2, page_size, 0, root, 0, 2**64 - 1, pages, txid)
    header = struct.pack("=QHHI", number, 4, 0, 0)
    return (header + fields + struct.pack("=Q", fnv1a(fields))).ljust(page_size, b"\0")


class Writer:
    """Appends the pages of trees; the pages of older trees stay."""

    def __init__(self, page_size: int = 4096) -> None:
        self.page_size = page_size
        self.pages: list[bytes] = [b"", b""]
        self.txid = 0
        self.metas = [meta_page(0, 0, 0, 0, page_size), meta_page(1, 0, 0, 0, page_size)]

    def commit(self, tree: Tree) -> None:
        """Write *tree* as the next transaction."""
        self.txid += 1
        root = self._bucket(tree)
        self.metas[self.txid % 2] = meta_page(self.txid % 2, self.txid, root, len(self.pages), self.page_size)

    def data(self) -> bytes:
        return b"".join([*self.metas, *self.pages[2:]])

    def _bucket(self, tree: Tree) -> int:
        """Write the pages of a bucket; return the number of its root page."""
        leaves = [(key, self._element(value)) for key, value in sorted(tree.items())]
        level = self._level(leaves, 2, lambda pair: len(pair[1][1]))
        while len(level) > 1:
            level = self._level(level, 1, lambda pair: 0)
        return level[0][1]

    def _element(self, value: bytes | Tree) -> tuple[int, bytes]:
        if isinstance(value, bytes):
            return 0, value
        flat = all(isinstance(inner, bytes) for inner in value.values())
        if flat and HEADER + sum(ELEMENT + len(k) + len(v) for k, v in value.items()) <= self.page_size // 4:
            pairs = [(key, (0, inner)) for key, inner in sorted(value.items())]
            return 1, struct.pack("=QQ", 0, 0) + self._page(0, 2, pairs)
        return 1, struct.pack("=QQ", self._bucket(value), 0)

    def _level(self, pairs: list, flags: int, more: t.Callable) -> list[tuple[bytes, int]]:
        """Write the pages of one level; return the first key and the number of each page."""
        level, start, used, least = [], 0, HEADER, 2 if flags == 1 else 1  # a branch of one page would lead nowhere
        for index, pair in enumerate([*pairs, None]):
            size = ELEMENT + len(pair[0]) + more(pair) if pair else 0
            if pair is None or (used + size > self.page_size and index - start >= least):
                level.append((pairs[start][0] if pairs else b"", self._add(flags, pairs[start:index])))
                start, used = index, HEADER
            used += size
        return level

    def _add(self, flags: int, pairs: list) -> int:
        number = len(self.pages)
        page = self._page(number, flags, pairs)
        count = -(-len(page) // self.page_size)
        page = page[:12] + struct.pack("=I", count - 1) + page[16:]
        page = page.ljust(count * self.page_size, b"\0")
        self.pages += [page[at : at + self.page_size] for at in range(0, len(page), self.page_size)]
        return number

    def _page(self, number: int, flags: int, pairs: list) -> bytes:
        elements, content = b"", b""
        for index, (key, rest) in enumerate(pairs):
            place = (len(pairs) - index) * ELEMENT + len(content)
            if flags == 1:
                elements += struct.pack("=IIQ", place, len(key), rest)
                content += key
            else:
                elements += struct.pack("=IIII", rest[0], place, len(key), len(rest[1]))
                content += key + rest[1]
        return struct.pack("=QHHI", number, flags, len(pairs), 0) + elements + content


def written(tree: Tree, page_size: int = 4096) -> bytes:
    """Return a database with *tree*."""
    writer = Writer(page_size)
    writer.commit({})
    writer.commit(tree)
    return writer.data()
