# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that stays: from one step of a run on, this call fails, or every call that changes a file.

So the run's attempts to undo its steps fail too. The store must still be consistent: no record is about missing
content, no layer is damaged, and the next run needs no help. Such errors come from a filesystem that is full, whose
device fails, or that turned read-only.
"""

from __future__ import annotations

import contextlib
import gc
import io
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.strata.overlay2.plugins.modules import overlay2_facts
from ansible_collections.strata.overlay2.tests.crash import tracing
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Case
from ansible_collections.strata.overlay2.tests.crash.playing import Stage, means_full, unmount_below
from ansible_collections.strata.overlay2.tests.crash.sampling import sample, sample_cases

CODES = {"ENOSPC": "no_space", "EIO": "os_error", "EROFS": "os_error"}

# Of a call that is also used to read, the error would be one of reading.
ALL = tuple(
    name for name in tracing.CALLS.split() if name not in ("open", "openat", "ioctl", "quotactl", "quotactl_fd")
)
WAYS = {  # what else fails
    "alone": (),
    "with all others": ALL,
    "with all but renameat2": tuple(name for name in ALL if name != "renameat2"),  # which exchanges content
}
FAULTS = (
    *((fault, "alone") for fault in CODES),
    *((fault, "with all others") for fault in ("ENOSPC", "EIO")),
    ("EIO", "with all but renameat2"),
)

pytestmark = pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")


@pytest.fixture(scope="module", autouse=True)
def all_is_imported() -> None:
    """Import the files that Ansible imports for an answer: later no file can be opened."""
    with patch_module_args({"home": "/"}), contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit):
        overlay2_facts.main()
    gc.enable()  # a module disables it


@pytest.fixture
def area(tmp_path: Path) -> t.Iterator[Path]:
    yield tmp_path
    unmount_below(tmp_path)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in sample_cases(CASES)])
def test_an_error_that_stays_leaves_what_is_true(area: Path, case: Case) -> None:
    play_lasting(Stage(area, case), case.name, 3)


def play_lasting(stage: Stage, name: str, count: int) -> None:
    """Play all lasting errors, or *count* of them, chosen by the seed and *name*."""
    stage.make()
    steps = tracing.record(stage.case.call.main, stage.case.call.at(stage.home), stage.home)
    every = [
        (step, fault, what)
        for step in steps
        for fault, what in FAULTS
        if (step.own or what == "alone") and means_full(step, fault)
    ]
    plays = sample(every, f"lasting {name}", count)
    failures = []
    for step, fault, what in plays:
        try:
            play(stage, step, fault, what)
        except AssertionError as error:
            failures.append(f"{fault} from {step} on, {what}\n{error}")
    assert not failures, f"{len(failures)} of {len(plays)}:\n" + "\n\n".join(failures)


def play(stage: Stage, step: tracing.Step, fault: str, what: str) -> None:
    stage.make()
    call = stage.case.call
    outcome = tracing.fail_from(call.main, call.at(stage.home), step, fault, WAYS[what])
    assert outcome.hit
    stage.check_true(outcome.result, CODES[fault])
    stage.finish()
