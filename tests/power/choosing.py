# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the states of a recording that are tried."""

from __future__ import annotations

from ansible_collections.strata.overlay2.tests.power import states
from ansible_collections.strata.overlay2.tests.power.cutting import Recording
from ansible_collections.strata.overlay2.tests.power.levels import LEVEL, chance, some


def choose(recording: Recording, kept: dict[str, int], name: str) -> list[states.State]:
    """Return states of a recording, as many of each kind as *kept*, and always that of what was on disk at the return.

    name: of the test; with the seed it decides which.
    """
    every = states.all_states(recording.entries, recording.ready, LEVEL.amounts, chance(f"states {name}"))
    chosen = [
        state
        for kind, count in kept.items()
        for state in some([state for state in every if state.kind == kind], count, f"{kind} {name}")
    ]
    end = next(state for state in every if state.kind == states.BOUNDARY and recording.is_done(state))
    return chosen if end in chosen else [*chosen, end]
