# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states that a cut can leave, from logs made by hand."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.strata.overlay2.tests.power.log import Entry
from ansible_collections.strata.overlay2.tests.power.states import (
    BOUNDARY,
    KINDS,
    SUBSET,
    TORN,
    Amounts,
    State,
    all_states,
    flushed,
    windows,
)

FLUSH = Entry(0, b"", True)
FEW = Amounts(subsets=4, torn=2)


def write(sector: int, text: str = "x", sectors: int = 1) -> Entry:
    return Entry(sector, text.encode() * 512 * sectors)


LOG = [write(1), FLUSH, write(2), write(3), write(4), FLUSH, write(5), FLUSH, FLUSH]


def held(entries: t.Sequence[Entry], state: State) -> set[int]:
    return {sector for sector, _data in state.writes(entries)}


def made(entries: t.Sequence[Entry], start: int = 0, amounts: Amounts = FEW, seed: int = 1) -> list[State]:
    return all_states(entries, start, amounts, random.Random(seed))


def test_a_window_holds_the_writes_between_two_flushes() -> None:
    assert windows(LOG, 0) == [[0], [2, 3, 4], [6]]
    assert windows(LOG, 3) == [[3, 4], [6]]
    assert windows([FLUSH, Entry(7, b"x" * 512, True)], 0) == [[1]]  # a flush before the write of the same entry


def test_no_state_lacks_what_was_written_before_the_last_flush() -> None:
    for state in made(LOG):
        sectors = held(LOG, state)
        assert not sectors & {2, 3, 4} or 1 in sectors
        assert 5 not in sectors or {1, 2, 3, 4} <= sectors


def test_no_state_lacks_what_was_written_before_the_run() -> None:
    assert all({1, 2} <= held(LOG, state) for state in made(LOG, start=3))


def test_each_prefix_and_each_write_alone_are_states() -> None:
    found = [held(LOG, state) for state in made(LOG)]
    prefixes = [set(range(1, end)) for end in range(1, 7)]
    alone = [{1, 2}, {1, 3}, {1, 4}, {1, 2, 3, 4, 5}]
    assert all(wanted in found for wanted in prefixes + alone)


def test_all_subsets_of_a_small_window_are_states() -> None:
    found = [frozenset(held(LOG, state) - {1}) for state in made(LOG, amounts=Amounts(subsets=8, torn=0))]
    assert {found_one for found_one in found if 5 not in found_one} == {
        frozenset(chosen) for chosen in ((), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4))
    }


def test_of_a_large_window_as_many_subsets_are_made_as_asked_for() -> None:
    entries = [write(number) for number in range(40)]
    assert sum(state.kind == SUBSET for state in made(entries, amounts=Amounts(subsets=50, torn=0))) == 50


def test_states_with_equal_sectors_are_made_once() -> None:
    twice = [write(1), FLUSH, write(1), FLUSH, write(2, "a"), write(2, "b")]
    contents = [tuple(sorted(dict(state.writes(twice)).items())) for state in made(twice)]
    assert len(contents) == len(set(contents)) == 4  # nothing, 1, and 2 as either


def test_a_later_write_to_a_sector_wins() -> None:
    entries = [write(2, "a"), write(2, "b")]
    assert dict(State(SUBSET, 0, (1, 0)).writes(entries)) == {2: b"b" * 512}


def test_a_torn_write_keeps_some_blocks_but_not_all() -> None:
    entries = [write(1), write(100, sectors=24)]
    torn = [held(entries, state) - {1} for state in made(entries, amounts=Amounts(0, 20)) if state.kind == TORN]
    assert torn
    for sectors in torn:
        blocks = {(sector - 100) // 8 for sector in sectors}
        assert 0 < len(blocks) < 3
        assert sectors == {sector for sector in range(100, 124) if (sector - 100) // 8 in blocks}


def test_a_write_of_one_block_is_never_torn() -> None:
    assert not any(state.kind == TORN for state in made([write(8, sectors=8), write(1)], amounts=Amounts(4, 9)))


def test_only_what_a_flush_followed_is_durable_for_certain() -> None:
    assert flushed(LOG, 0, len(LOG)) == 7
    assert flushed(LOG, 0, 7) == 5  # the write 6 was logged, but no flush after it
    assert flushed(LOG, 0, 5) == 1
    assert flushed(LOG, 3, 4) == 3
    assert flushed([], 0, 0) == 0


def test_the_end_of_what_is_durable_is_a_boundary() -> None:
    for end in range(2, len(LOG) + 1):
        assert any(state.kind == BOUNDARY and state.through == flushed(LOG, 0, end) for state in made(LOG))


def test_the_same_seed_gives_the_same_states() -> None:
    entries = [write(number * 10, sectors=16) for number in range(20)]
    assert made(entries, seed=5) == made(entries, seed=5) != made(entries, seed=6)
    assert {state.kind for state in made(entries)} == set(KINDS)
