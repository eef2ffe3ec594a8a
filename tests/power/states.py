# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states in which a device can be after a power cut, from the log of its writes. Pure.

A disk keeps everything that was written before the last flush it finished. Of the writes after it, any may be on the
disk: all in order up to one, one alone, any others; and of a write of several blocks, some blocks. Each state is named
by what it holds.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import typing as t

from ansible_collections.strata.overlay2.tests.power.log import SECTOR, Entry

BLOCK = 4096 // SECTOR  # sectors that reach the disk together

BOUNDARY, ONLY, PREFIX, SUBSET, TORN = KINDS = ("boundary", "only", "prefix", "subset", "torn")


class State(t.NamedTuple):
    """A cut device. It holds all entries before number *through*, then those in *more*, and of *torn* the *blocks*."""

    kind: str
    through: int
    more: tuple[int, ...] = ()
    torn: int | None = None
    blocks: tuple[int, ...] = ()

    def __str__(self) -> str:
        more = f", then {', '.join(map(str, self.more))}" if self.more else ""
        torn = f", and the blocks {', '.join(map(str, self.blocks))} of {self.torn}" if self.torn is not None else ""
        return f"{self.kind}: all writes before {self.through}{more}{torn}"

    def writes(self, entries: t.Sequence[Entry]) -> t.Iterator[tuple[int, bytes]]:
        """Yield each sector written, with its content, in the order of the log."""
        for entry in entries[: self.through]:
            yield from entry.sectors()
        for number in sorted({*self.more, *([] if self.torn is None else [self.torn])}):
            for place, (sector, data) in enumerate(entries[number].sectors()):
                if number != self.torn or place // BLOCK in self.blocks:
                    yield sector, data


class Amounts(t.NamedTuple):
    """How many states are made. subsets: of each window, all if there are no more; torn: of each write."""

    subsets: int
    torn: int


def windows(entries: t.Sequence[Entry], start: int) -> list[list[int]]:
    """Return the numbers of the writes from *start* on, in one list for each time between two flushes."""
    found: list[list[int]] = [[]]
    for number in range(start, len(entries)):
        if entries[number].flush:
            found.append([])
        if entries[number].data:
            found[-1].append(number)
    return [window for window in found if window]


def flushed(entries: t.Sequence[Entry], start: int, end: int) -> int:
    """Return the number after the last write that is durable for certain once *end* entries are logged, or *start*."""
    last = max([start, *(number for number in range(start, end) if entries[number].flush)])
    return max([start, *(number + 1 for number in range(start, last) if entries[number].data)])


def all_states(entries: t.Sequence[Entry], start: int, amounts: Amounts, chance: random.Random) -> list[State]:
    """Return the states that a cut can leave after entry number *start*, without those whose sectors are equal."""
    found: dict[bytes, State] = {}
    for state in _states(entries, start, amounts, chance):
        found.setdefault(_content(entries, state), state)
    return list(found.values())


def _states(entries: t.Sequence[Entry], start: int, amounts: Amounts, chance: random.Random) -> t.Iterator[State]:
    yield State(BOUNDARY, start)
    parts = windows(entries, start)
    for window in parts:  # boundaries first: a state keeps its first name
        yield State(BOUNDARY, window[-1] + 1)
    for window in parts:
        first = window[0]
        yield from (State(ONLY, first, (number,)) for number in window)
        yield from (State(PREFIX, number + 1) for number in window)
        yield from (State(SUBSET, first, chosen) for chosen in _subsets(window, amounts.subsets, chance))
        for number in window:
            yield from _torn(entries, first, window, number, amounts.torn, chance)


def _subsets(window: t.Sequence[int], count: int, chance: random.Random) -> t.Iterator[tuple[int, ...]]:
    if len(window) < 30 and 2 ** len(window) <= count:
        for size in range(len(window) + 1):
            yield from itertools.combinations(window, size)
        return
    for _number in range(count):
        yield tuple(number for number in window if chance.random() < 0.5)


def _torn(
    entries: t.Sequence[Entry], first: int, window: t.Sequence[int], number: int, count: int, chance: random.Random
) -> t.Iterator[State]:
    """Yield states with a part of write *number*: after all before it, or after some of them."""
    blocks = -(-len(entries[number].data) // (BLOCK * SECTOR))
    for _number in range(count if blocks > 1 else 0):
        kept = tuple(sorted(chance.sample(range(blocks), chance.randrange(1, blocks))))
        before = [other for other in window if other < number]
        if chance.random() < 0.5:
            before = [other for other in before if chance.random() < 0.5]
        yield State(TORN, first, tuple(before), number, kept)


def _content(entries: t.Sequence[Entry], state: State) -> bytes:
    """Return a digest of all sectors that differ from the device before the first entry."""
    digest = hashlib.sha256()
    for sector, data in sorted(dict(state.writes(entries)).items()):
        digest.update(sector.to_bytes(8, "little") + data)
    return digest.digest()
