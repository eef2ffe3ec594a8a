# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power is cut at a write of a run: the store is the old or the new, whole, and new if the run had returned.

All cases of tests/crash run on a device whose writes and flushes are recorded. Then each state that a cut can leave is
made and mounted. The next run needs no help, also when it is cut itself.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Case
from ansible_collections.strata.overlay2.tests.power import recorder, states
from ansible_collections.strata.overlay2.tests.power.bench import Bench
from ansible_collections.strata.overlay2.tests.power.choosing import choose
from ansible_collections.strata.overlay2.tests.power.cutting import (
    Recording,
    prepared,
    record,
    record_case,
    why_wrong,
)
from ansible_collections.strata.overlay2.tests.power.devices import MAKERS
from ansible_collections.strata.overlay2.tests.power.levels import LEVEL, some
from ansible_collections.strata.overlay2.tests.power.stage import PowerStage

pytestmark = pytest.mark.skipif(recorder.why_not() is not None, reason=recorder.why_not() or "")


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        pytest.param(kind, case, id=f"{kind} {case.name}")
        for kind in MAKERS
        for case in some(CASES, LEVEL.cases, f"cases {kind}")
    ],
)
def test_a_power_cut_leaves_the_old_or_the_new(
    tmp_path: Path, tell: t.Callable[[str], None], kind: str, case: Case
) -> None:
    name = f"{kind} {case.name}"
    with Bench(tmp_path, kind).opened() as bench:
        stage, image = prepared(bench, case)
        recording = record_case(bench, stage, image)
        chosen = choose(recording, LEVEL.kept, name)
        failures = play(bench, stage, recording, chosen)
        tried = len(chosen)
        before = [state for state in chosen if not recording.is_done(state)]
        for state in some(before, LEVEL.again, f"again {name}"):
            again = record(bench, recording.image(state), lambda: None, stage.next_run)
            chosen = choose(again, LEVEL.kept_again, f"again {name} {state}")
            failures += [f"{state}; the next run:\n{why}" for why in play(bench, stage, again, chosen, again=True)]
            tried += len(chosen)
    own = recording.entries[recording.ready :]
    flushes = sum(entry.flush for entry in own)
    tell(f"{len(own) - flushes:4} writes {flushes:3} flushes {tried:5} states {len(failures):3} failures")
    assert not failures, f"{len(failures)} of {tried}:\n" + "\n\n".join(failures)


def play(
    bench: Bench, stage: PowerStage, recording: Recording, chosen: t.Sequence[states.State], *, again: bool = False
) -> list[str]:
    """Check each state; return what is wrong. again: as for PowerStage.compare."""
    failures = []
    for number, state in enumerate(chosen):
        why = why_wrong(bench, stage, recording, state, finish=number % LEVEL.finished == 0, again=again)
        if why is not None:
            failures.append(f"{state} of {len(recording.entries)}, durable before {recording.durable}\n{why}")
    return failures
