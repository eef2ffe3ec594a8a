# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is tried: ./dev sets STRATA_POWER, and the seed STRATA_CRASH."""

from __future__ import annotations

import os
import random
import typing as t

from ansible_collections.strata.overlay2.tests.power.states import BOUNDARY, KINDS, ONLY, PREFIX, SUBSET, TORN, Amounts

SEED = os.environ.get("STRATA_CRASH", "0")
T = t.TypeVar("T")
ALL = 1 << 30


class Level(t.NamedTuple):
    """Numbers of what is tried.

    cases:       on each filesystem.
    amounts:     of states that are made; kept: of these by kind, that are tried.
    finished:    in one state of so many, the next run goes to its end.
    again:       states in which the next run is recorded, and cut too; kept_again: of the states after that, by kind.
    error_cases: on each filesystem whose device fails; errors: of each case.
    controls:    runs that lack syncs.
    """

    cases: int
    error_cases: int
    errors: int
    controls: int
    amounts: Amounts
    kept: dict[str, int]
    finished: int
    again: int
    kept_again: dict[str, int]


LEVELS = {
    "sample": Level(
        cases=6,
        error_cases=3,
        errors=2,
        controls=4,
        amounts=Amounts(subsets=4, torn=1),
        kept={BOUNDARY: 3, ONLY: 2, PREFIX: 0, SUBSET: 2, TORN: 1},
        finished=4,
        again=1,
        kept_again={BOUNDARY: 1, ONLY: 1, PREFIX: 0, SUBSET: 1, TORN: 0},
    ),
    "usual": Level(
        cases=ALL,
        error_cases=ALL,
        errors=3,
        controls=ALL,
        amounts=Amounts(subsets=4, torn=1),
        kept={BOUNDARY: ALL, ONLY: 16, PREFIX: 4, SUBSET: 10, TORN: 5},
        finished=5,
        again=2,
        kept_again={BOUNDARY: 3, ONLY: 2, PREFIX: 0, SUBSET: 3, TORN: 0},
    ),
    "full": Level(
        cases=ALL,
        error_cases=ALL,
        errors=ALL,
        controls=ALL,
        amounts=Amounts(subsets=256, torn=8),
        kept=dict.fromkeys(KINDS, ALL),
        finished=5,
        again=20,
        kept_again=dict.fromkeys(KINDS, 20),
    ),
}
LEVEL = LEVELS[os.environ.get("STRATA_POWER", "usual")]


def chance(name: str) -> random.Random:
    """Return what chooses for the test *name*: the same for the same seed."""
    return random.Random(f"{SEED} {name}")


def some(things: t.Sequence[T], count: int, name: str) -> list[T]:
    """Return *count* of *things* in their order, or all, chosen by the seed and *name*."""
    numbers = chance(name).sample(range(len(things)), min(count, len(things)))
    return [things[number] for number in sorted(numbers)]
