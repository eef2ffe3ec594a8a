# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at a step, or whose step fails, leaves the old state or the new; the next run needs no help.

For each step of an undisturbed run there is one run in which the step fails: with ENOSPC, EDQUOT, EIO, and by SIGKILL.
This does not test durability: the page cache survives a kill.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests.crash import tracing
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Case
from ansible_collections.strata.overlay2.tests.crash.playing import Stage, means_full, unmount_below
from ansible_collections.strata.overlay2.tests.crash.sampling import sample, sample_cases

CODES = {"ENOSPC": "no_space", "EDQUOT": "no_space", "EIO": "os_error", tracing.KILL: "os_error"}  # last: of a child
SYNCING = ("fsync", "fdatasync", "syncfs")
REMOVING = ("rmdir", "unlink", "unlinkat")

pytestmark = pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")


@pytest.fixture
def area(tmp_path: Path) -> t.Iterator[Path]:
    yield tmp_path
    unmount_below(tmp_path)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in sample_cases(CASES)])
def test_interrupted_at_any_step(area: Path, case: Case) -> None:
    stage = Stage(area, case)
    stage.make()
    steps = tracing.record(case.call.main, case.call.at(stage.home), stage.home)
    every = [(step, fault) for step in steps for fault in CODES if means_full(step, fault)]
    plays = sample(every, case.name, 4)
    failures = []
    for step, fault in plays:
        try:
            play(stage, step, fault)
        except AssertionError as error:
            failures.append(f"{fault} at {step}\n{error}")
    assert not failures, f"{len(failures)} of {len(plays)}:\n" + "\n\n".join(failures)


def play(stage: Stage, step: tracing.Step, fault: str) -> None:
    stage.make()
    outcome = tracing.interrupt(stage.case.call.main, stage.case.call.at(stage.home), step, fault)
    assert outcome.hit
    stage.check(outcome.result, CODES[fault], certain=step.name not in SYNCING, removing=step.name in REMOVING)
    stage.finish()
