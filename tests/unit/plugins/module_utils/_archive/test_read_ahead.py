# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces made in a thread: all of them, in order, not too many at once, and none after an error or the end."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.read_ahead import DEPTH, ReadAhead


class Source:
    """Pieces; what has been taken of them, by which thread, and whether they were closed."""

    def __init__(self, count: int, error: BaseException | None = None) -> None:
        self.taken = 0
        self.threads: set[int] = set()
        self.closed = False
        self._count = count
        self._error = error

    def pieces(self) -> t.Generator[bytes, None, None]:
        try:
            for number in range(self._count):
                self.taken += 1
                self.threads.add(threading.get_ident())
                yield b"%d" % number
            if self._error:
                raise self._error
        finally:
            self.closed = True


def alive() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, DEPTH, 1000])
def test_all_come_in_order_from_another_thread(count):
    before, source = alive(), Source(count)
    assert list(ReadAhead(source.pieces())) == [b"%d" % number for number in range(count)]
    assert source.closed
    assert threading.get_ident() not in source.threads
    assert alive() == before


def test_after_the_end_there_is_nothing():
    ahead = ReadAhead(Source(1).pieces())
    assert [*ahead, next(ahead, b"end"), next(ahead, b"end")] == [b"0", b"end", b"end"]


def test_an_error_comes_at_its_place_and_then_nothing():
    before, error = alive(), ValueError("damaged")
    ahead = ReadAhead(Source(2, error).pieces())
    assert [next(ahead), next(ahead)] == [b"0", b"1"]
    with pytest.raises(ValueError, match="damaged") as raised:
        next(ahead)
    assert raised.value is error
    assert next(ahead, b"end") == b"end"
    assert alive() == before


def test_it_is_not_too_far_ahead():
    source = Source(1000)
    with contextlib.closing(ReadAhead(source.pieces())) as ahead:
        for number in range(20):
            assert next(ahead) == b"%d" % number
            assert source.taken <= number + 1 + DEPTH + 1  # it may hold one more, and have no room for it


@pytest.mark.parametrize("taken", [0, 3])
def test_closed_it_stops(taken):
    before, source = alive(), Source(1000)
    ahead = ReadAhead(source.pieces())
    for _unused in range(taken):
        next(ahead)
    ahead.close()
    assert alive() == before
    assert source.taken <= taken + DEPTH + 2
    assert source.closed or not source.taken
    assert next(ahead, b"end") == b"end"


def test_closed_after_the_end_it_is_closed():
    ahead = ReadAhead(Source(1).pieces())
    list(ahead)
    ahead.close()
    ahead.close()
