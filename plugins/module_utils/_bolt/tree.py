# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The buckets of a bbolt database: names with values or further buckets. Pure. PRIVATE to the collection.

Source: bbolt internal/common/page.go, inode.go, bucket.go. A bucket is a tree of branch and leaf pages. A small bucket
without buckets in it is one leaf page within the value that stands for it.

A database may be damaged or made up. One place alone leads to each page, so all walks together read each page once,
whatever the pages say; and what the elements of a page hold fits into the page once.
"""

from __future__ import annotations

import struct
import typing as t

from .meta import HEADER, Data, Meta, Unreadable

_BRANCH = 1
_LEAF = 2
_A_BUCKET = 1  # the flag of an element whose value is a bucket
_IN_BRANCH = struct.Struct("=IIQ")  # place of the key, bytes of the key, page
_IN_LEAF = struct.Struct("=IIII")  # flags, place of the key, bytes of the key, bytes of the value
_BUCKET = struct.Struct("=QQ")  # root page, 0 if the only page follows; sequence
_DEPTH = 32  # pages from the root of a bucket to a leaf; bbolt splits pages that are full, so real trees have few


class Page(t.NamedTuple):
    """One page with its continuation, or the page of a bucket within a value."""

    number: int  # 0 within a value
    flags: int
    length: int  # its elements
    start: int  # where it starts in the data
    end: int


class Element(t.NamedTuple):
    """One element of a page, and where its key and value lie."""

    number: int  # within its page
    flags: int  # of a leaf
    page: int  # of a branch
    key: int
    value: int
    end: int


class Pages:
    """The pages of one database, and which place leads to each."""

    def __init__(self, data: Data, meta: Meta) -> None:
        self._data = data
        self._meta = meta
        self._led: dict[int, tuple[int, int]] = {}  # page -> page and element that lead to it
        self._part_of: dict[int, int] = {}  # page -> the page that it continues, or itself

    def page(self, number: int, place: tuple[int, int]) -> Page:
        """Return the page *number*, to which the element *place* leads. Raises Unreadable."""
        start = number * self._meta.page_size
        if not 2 <= number < self._meta.pages or start + HEADER.size > len(self._data):
            raise Unreadable(f"page {number} is not one of its pages")
        own, flags, length, overflow = HEADER.unpack_from(self._data, start)
        end = start + (overflow + 1) * self._meta.page_size
        if own != number or flags not in (_BRANCH, _LEAF):
            raise Unreadable(f"page {number} is not a page of a bucket")
        if number + overflow >= self._meta.pages or end > len(self._data):
            raise Unreadable(f"page {number} is cut off")
        if number not in self._led:
            self._claim(number, overflow)
        if self._led.setdefault(number, place) != place:
            raise Unreadable(f"two places lead to page {number}")
        return Page(number, flags, length, start, end)

    def _claim(self, number: int, overflow: int) -> None:
        for part in range(number, number + overflow + 1):
            if self._part_of.setdefault(part, number) != number:
                raise Unreadable(f"page {part} is part of two pages")

    def elements(self, page: Page) -> t.Iterator[Element]:
        """Yield the elements of a page. Raises Unreadable if they do not lie in it."""
        form = _IN_BRANCH if page.flags == _BRANCH else _IN_LEAF
        free = page.end - page.start - HEADER.size - page.length * form.size
        least = page.start + HEADER.size + page.length * form.size
        if free < 0:
            raise Unreadable(f"page {page.number} has more elements than fit")
        for index in range(page.length):
            at = page.start + HEADER.size + index * form.size
            element = self._element(page, index, at)
            free -= element.end - element.key
            if free < 0 or element.key < least or element.end > page.end:
                raise Unreadable(f"element {index} of page {page.number} does not lie in the page")
            yield element

    def _element(self, page: Page, index: int, at: int) -> Element:
        if page.flags == _BRANCH:
            key, key_size, number = _IN_BRANCH.unpack_from(self._data, at)
            return Element(index, 0, number, at + key, at + key + key_size, at + key + key_size)
        flags, key, key_size, value_size = _IN_LEAF.unpack_from(self._data, at)
        return Element(index, flags, 0, at + key, at + key + key_size, at + key + key_size + value_size)

    def bytes(self, start: int, end: int) -> bytes:
        """Return the bytes from *start* to *end*."""
        return self._data[start:end]

    def leaves(self, root: int, place: tuple[int, int]) -> t.Iterator[Page]:
        """Yield the leaf pages below the page *root*, in their order. Raises Unreadable."""
        waiting = [(root, place, 1)]
        while waiting:
            number, place, depth = waiting.pop()
            page = self.page(number, place)
            if page.flags == _LEAF:
                yield page
                continue
            if depth == _DEPTH or not page.length:
                raise Unreadable(f"page {number} leads nowhere")
            children = [(element.page, (number, element.number), depth + 1) for element in self.elements(page)]
            waiting.extend(reversed(children))


class Bucket(t.NamedTuple):
    """One bucket. The same bucket can be read many times."""

    pages: Pages
    root: int  # its root page, 0 if its only page lies within a value
    place: tuple[int, int]  # the page and element that lead to it
    within: tuple[int, int] = (0, 0)  # where its only page starts, and where the value ends

    def items(self) -> t.Iterator[tuple[bytes, bytes | Bucket]]:
        """Yield the keys, ascending, each with its value or bucket. Raises Unreadable."""
        last: bytes | None = None
        for page in self._leaves():
            for element in self.pages.elements(page):
                key = self.pages.bytes(element.key, element.value)
                if last is not None and key <= last:
                    raise Unreadable(f"the keys of page {page.number} are not in their order")
                last = key
                yield key, self._value(page, element)

    def values(self) -> dict[bytes, bytes]:
        """Return the values by key, without the buckets. Raises Unreadable."""
        return {key: value for key, value in self.items() if isinstance(value, bytes)}

    def buckets(self) -> t.Iterator[tuple[bytes, Bucket]]:
        """Yield the buckets in this bucket, by key. Raises Unreadable."""
        for key, value in self.items():
            if isinstance(value, Bucket):
                yield key, value

    def bucket(self, *path: bytes) -> Bucket | None:
        """Return the bucket at *path* below this one, None if there is none. Raises Unreadable."""
        found: Bucket | None = self
        for name in path:
            found = next((bucket for key, bucket in found.buckets() if key == name), None) if found else None
        return found

    def _leaves(self) -> t.Iterator[Page]:
        if self.root:
            yield from self.pages.leaves(self.root, self.place)
        else:
            yield self._page_within()

    def _page_within(self) -> Page:
        start, end = self.within
        if end - start < HEADER.size:
            raise Unreadable(f"a bucket in page {self.place[0]} is cut off")
        _number, flags, length, _overflow = HEADER.unpack(self.pages.bytes(start, start + HEADER.size))
        if flags != _LEAF:
            raise Unreadable(f"a bucket in page {self.place[0]} is not a leaf")
        return Page(0, flags, length, start, end)

    def _value(self, page: Page, element: Element) -> bytes | Bucket:
        if not element.flags:
            return self.pages.bytes(element.value, element.end)
        # A bucket within a value holds no bucket, so that the depth is bounded by the count of pages.
        if element.flags != _A_BUCKET or not page.number or element.end - element.value < _BUCKET.size:
            raise Unreadable(f"element {element.number} of page {page.number} is neither a value nor a bucket")
        start = element.value + _BUCKET.size
        root, _sequence = _BUCKET.unpack(self.pages.bytes(element.value, start))
        return Bucket(self.pages, root, (page.number, element.number), (start, element.end))


def root_bucket(data: Data, meta: Meta) -> Bucket:
    """Return the bucket that holds all others. data: the file, at least as far as *meta* says that it is in use."""
    return Bucket(Pages(data, meta), meta.root, (0, 0))
