# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record one case on a device, make the states that a power cut can leave, and check each."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.cases import Case
from ansible_collections.strata.overlay2.tests.crash.playing import unmount_below
from ansible_collections.strata.overlay2.tests.power import devices, log, states
from ansible_collections.strata.overlay2.tests.power.bench import Bench
from ansible_collections.strata.overlay2.tests.power.stage import PowerStage


class Recording(t.NamedTuple):
    """A run on a recorded device.

    base:   the device before it was mounted.
    ready:  how many entries were logged, all on disk, when the run began.
    durable: the number after the last write that was on disk for certain when the run returned.
    result: of the run; None while no run was recorded.
    """

    base: devices.Image
    entries: list[log.Entry]
    ready: int
    durable: int
    result: dict[str, t.Any] | None

    def image(self, state: states.State) -> devices.Image:
        """Return the device in a state."""
        changes = ((sector * log.SECTOR, data) for sector, data in dict(state.writes(self.entries)).items())
        return self.base._replace(pieces=(*self.base.pieces, *changes))

    def is_done(self, state: states.State) -> bool:
        """Tell whether the state holds all that was on disk for certain when the run returned."""
        return state.through >= self.durable


def prepared(bench: Bench, case: Case) -> tuple[PowerStage, devices.Image]:
    """Play a case undisturbed; return it, and the filesystem before its run, unmounted."""
    with bench.new_file() as path:
        devices.make_filesystem(path, bench.kind)
        with devices.mounted(path, bench.kind, bench.area):
            try:
                stage = PowerStage(bench.area, case, bench.boot)
                stage.restore()
            finally:
                unmount_below(bench.area)
        return stage, devices.read_image(path)


Run = t.Callable[[], t.Optional[dict[str, t.Any]]]


def record(bench: Bench, image: devices.Image, prepare: t.Callable[[], object], run: Run) -> Recording:
    """Call *prepare* and then *run* on a device with the content of *image*; record its writes."""
    with bench.recorded(image) as device:
        prepare()
        sync(bench.area)
        ready = device.count()
        result = run()
        returned = device.count()
        sync(bench.area)
        entries = device.entries()
    return Recording(image, entries, ready, states.flushed(entries, ready, returned), result)


def sync(where: Path) -> None:
    """Write a filesystem to its disk."""
    subprocess.run(["sync", "--file-system", where], check=True)


def record_case(
    bench: Bench, stage: PowerStage, image: devices.Image, spoil: t.Callable[[], object] = lambda: None
) -> Recording:
    """Record the run of a case. spoil: called in the module's process before the module."""
    call = stage.case.call

    def run() -> dict[str, t.Any] | None:
        stage.write()
        return modules.run_module(call.main, call.at(stage.home), spoil)

    recording = record(bench, image, stage.mount, run)
    assert recording.result is not None and not recording.result.get("failed"), recording.result
    return recording


def why_wrong(
    bench: Bench, stage: PowerStage, recording: Recording, state: states.State, *, finish: bool, again: bool = False
) -> str | None:
    """Check a state; return what is wrong with it, None if all is right.

    finish: also let the next run work on it.
    again:  as for PowerStage.compare.
    """
    try:
        with bench.mounted(recording.image(state)):
            stage.compare(done=recording.is_done(state), again=again)
            if finish:
                stage.finish()
    except subprocess.CalledProcessError as error:
        return f"{error.cmd[0]}: {error.stderr}"
    except (AssertionError, OSError, ValueError) as error:  # ValueError: of a file that is not whole
        return str(error)
    return None
