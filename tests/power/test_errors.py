# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device fails: from one sync of a run on, or once, each write or each flush fails with EIO.

A run that meets the error fails as the contract says, or succeeds and then all is there. After the next mount, the
store is the old or the new, and the next run needs no help.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Case
from ansible_collections.strata.overlay2.tests.crash.playing import assert_told, unmount_below
from ansible_collections.strata.overlay2.tests.power import devices, recorder, syncs
from ansible_collections.strata.overlay2.tests.power.bench import Bench
from ansible_collections.strata.overlay2.tests.power.cutting import prepared, sync
from ansible_collections.strata.overlay2.tests.power.levels import LEVEL, some
from ansible_collections.strata.overlay2.tests.power.stage import PowerStage

pytestmark = pytest.mark.skipif(recorder.why_not() is not None, reason=recorder.why_not() or "")


class Play(t.NamedTuple):
    """An error. number: the sync before which it begins, the first is 1; 0: before the run. once: only one write."""

    what: str
    number: int
    once: bool

    def __str__(self) -> str:
        return f"{'one' if self.once else 'each'} {self.what} fails from sync {self.number} on"


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        pytest.param(kind, case, id=f"{kind} {case.name}")
        for kind in devices.MAKERS
        for case in some(CASES, LEVEL.error_cases, f"errors {kind}")
    ],
)
def test_a_device_that_fails_leaves_the_old_or_the_new(
    tmp_path: Path, tell: t.Callable[[str], None], kind: str, case: Case
) -> None:
    with Bench(tmp_path, kind).opened() as bench:
        stage, image = prepared(bench, case)
        last = count_syncs(bench, stage, image)
        every = [
            Play(what, number, once)
            for number in range(last + 1)
            for what in recorder.FAILURES
            for once in (False, True)
        ]
        plays = some(every, LEVEL.errors, f"errors {kind} {case.name}")
        outcomes = [play_error(bench, stage, image, each) for each in plays]
    failures = [why for _failed, why in outcomes if why]
    met = sum(failed for failed, _why in outcomes)
    tell(f"{last:4} syncs {len(plays):5} errors, of which {met:3} failed the run {len(failures):3} failures")
    assert not failures, f"{len(failures)} of {len(plays)}:\n" + "\n\n".join(failures)


def count_syncs(bench: Bench, stage: PowerStage, image: devices.Image) -> int:
    """Return how many syncs the run of a case makes."""
    seen = bench.directory / "syncs"
    seen.touch()

    def note(kind: str) -> bool:
        with open(seen, "a", encoding="ascii") as file:
            file.write("x")
        return True

    with bench.mounted(image):
        stage.mount()
        stage.write()
        result = modules.run_module(stage.case.call.main, stage.case.call.at(stage.home), lambda: syncs.watch(note))
        assert result is not None and not result.get("failed"), result
    return len(seen.read_text(encoding="ascii"))


def play_error(bench: Bench, stage: PowerStage, image: devices.Image, play: Play) -> tuple[bool, str]:
    """Play one error; return whether the run failed, and what is wrong afterwards: "" if all is right."""
    with bench.new_file() as path:
        image.write(path)
        bench.boot()
        with recorder.recorded(path, bench.kind, bench.area) as device:
            try:
                result = run_on(device, bench, stage, play)
            finally:
                unmount_below(bench.area)
        after = devices.read_image(path)
    failed = bool(result.get("failed"))
    try:
        if failed:
            assert_told(result, "os_error")
        with bench.mounted(after):
            stage.compare(done=not failed)
            stage.finish()
    except (AssertionError, OSError, ValueError) as error:  # ValueError: of a file that is not whole
        return failed, f"{play}\n{error}"
    return failed, ""


def run_on(device: recorder.Device, bench: Bench, stage: PowerStage, play: Play) -> dict[str, t.Any]:
    """Run a case on a device that fails from one moment on; return the result."""
    done = 0

    def before(kind: str) -> bool:
        nonlocal done
        done += 1
        if done == play.number:
            device.fail(play.what, once=play.once)
        return True

    stage.mount()
    sync(bench.area)
    stage.write()
    if play.number == 0:
        device.fail(play.what, once=play.once)
    result = modules.run_module(stage.case.call.main, stage.case.call.at(stage.home), lambda: syncs.watch(before))
    assert result is not None
    return result


@pytest.mark.parametrize("kind", devices.MAKERS)
@pytest.mark.parametrize("what", recorder.FAILURES)
def test_a_run_whose_device_fails_for_good_does_not_report_success(tmp_path: Path, kind: str, what: str) -> None:
    case = next(case for case in CASES if case.name == "fill a layer")
    with Bench(tmp_path, kind).opened() as bench:
        stage, image = prepared(bench, case)
        assert play_error(bench, stage, image, Play(what, 0, once=False)) == (True, "")
