# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls: a run whose syncs are left out loses what it reported, and the checks find that.

A suite that finds nothing proves nothing. So each kind of sync is left out in turn, in a run for which it matters.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests.crash.cases import CASES
from ansible_collections.strata.overlay2.tests.power import recorder, syncs
from ansible_collections.strata.overlay2.tests.power.bench import Bench
from ansible_collections.strata.overlay2.tests.power.cutting import prepared, record_case, why_wrong
from ansible_collections.strata.overlay2.tests.power.devices import MAKERS
from ansible_collections.strata.overlay2.tests.power.levels import LEVEL, chance, some
from ansible_collections.strata.overlay2.tests.power.states import BOUNDARY, all_states

pytestmark = pytest.mark.skipif(recorder.why_not() is not None, reason=recorder.why_not() or "")


class Fault(t.NamedTuple):
    """Syncs that are left out. number: only this one of *kinds*, the first is 1; 0: all. on: where a cut shows it."""

    kinds: tuple[str, ...]
    number: int
    case: str
    on: tuple[str, ...] = tuple(MAKERS)

    def __str__(self) -> str:
        which = f"sync {self.number} of" if self.number else "every sync of"
        return f"{which} {' '.join(self.kinds)} in {self.case}"


FAULTS = (
    Fault(syncs.KINDS, 0, "fill a layer"),
    Fault(syncs.KINDS, 0, "replace content"),
    Fault((syncs.FILESYSTEM,), 2, "seal"),  # the first is of what is staged, the second of what is published
    Fault((syncs.FILESYSTEM,), 1, "fill a layer"),
    Fault((syncs.FILESYSTEM,), 3, "unmount volatile"),
    Fault((syncs.FILESYSTEM,), 2, "make a chain"),  # likewise
    Fault((syncs.FILE,), 0, "change a store", ("xfs",)),  # ext4 writes a file before it is renamed over another
    Fault((syncs.DIRECTORY,), 0, "remove a store"),
    Fault((syncs.DIRECTORY,), 0, "mount"),
)


EVERY = [(kind, fault) for fault in FAULTS for kind in fault.on]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [pytest.param(kind, fault, id=f"{kind} {fault}") for kind, fault in some(EVERY, LEVEL.controls, "controls")],
)
def test_a_sync_that_is_left_out_is_found(
    tmp_path: Path, tell: t.Callable[[str], None], kind: str, fault: Fault
) -> None:
    case = next(case for case in CASES if case.name == fault.case)
    with Bench(tmp_path, kind).opened() as bench:
        stage, image = prepared(bench, case)
        recording = record_case(bench, stage, image, syncs.leave_out(*fault.kinds, number=fault.number))
        every = all_states(recording.entries, recording.ready, LEVEL.amounts, chance(f"control {kind} {fault}"))
        every.sort(key=lambda state: state.kind != BOUNDARY)
        found = (why_wrong(bench, stage, recording, state, finish=False) for state in every)
        tried, why = next(((number, why) for number, why in enumerate(found, 1) if why), (len(every), None))
    tell(f"{tried:5} states until one fails, of {len(every)}")
    assert why is not None, f"{tried} states, and all are right"
