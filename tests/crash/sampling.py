# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many cases are played: ./dev crash sets STRATA_CRASH to "full" or to the seed of a sample."""

from __future__ import annotations

import os
import random
import typing as t

SEED = os.environ.get("STRATA_CRASH", "full")
CASES = int(os.environ.get("STRATA_CRASH_CASES", "0"))  # of a sample, at most; 0: all

T = t.TypeVar("T")


def sample(plays: t.Sequence[T], name: str, count: int) -> t.Sequence[T]:
    """Return all *plays*, or *count* of them, in order, that the seed and the *name* choose."""
    if SEED == "full" or count >= len(plays):
        return plays
    chosen = random.Random(f"{SEED} {name}").sample(range(len(plays)), count)
    return [plays[number] for number in sorted(chosen)]


def sample_cases(cases: t.Sequence[T]) -> t.Sequence[T]:
    """Return the *cases* that are played at all."""
    return sample(cases, "cases", CASES or len(cases))
