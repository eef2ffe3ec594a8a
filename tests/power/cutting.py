# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record one case on a device, make the states that a power cut can leave, and check each."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import typing as t
import uuid
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._store.layout import DIFF, HOLDERS, VOLATILE_MARKER, WORK
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash import snapshot
from ansible_collections.strata.overlay2.tests.crash.cases import Case
from ansible_collections.strata.overlay2.tests.crash.playing import FACTS, LITTER, Stage, unmount_below
from ansible_collections.strata.overlay2.tests.power import devices, log, recorder, states

BOOT_ID = "/proc/sys/kernel/random/boot_id"
WRITTEN = "written"  # a file that is written through a volatile mount, unsynced


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


class Bench:
    """A directory, a tmpfs, for the images of one case on one filesystem, and the place where they are mounted."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.directory = directory
        self.kind = kind
        self.area = directory / "area"
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[Bench]:
        """Keep the directory in memory, and own the id of the boot, while the block runs."""
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.directory], check=True)
        try:
            self.area.mkdir()
            self.boot()
            subprocess.run(["mount", "--bind", self._boot_file, BOOT_ID], check=True)
            try:
                yield self
            finally:
                subprocess.run(["umount", BOOT_ID], check=True)
        finally:
            subprocess.run(["umount", self.directory], check=True)

    @property
    def _boot_file(self) -> Path:
        return self.directory / "boot_id"

    def boot(self) -> None:
        """From now on, modules see another boot."""
        self._boot_file.write_text(f"{uuid.uuid4()}\n")

    @contextlib.contextmanager
    def new_file(self) -> t.Iterator[Path]:
        """Give the path of a file that nobody used before; with its companions, it is gone after the block."""
        path = self.directory / f"device-{next(self._numbers)}"
        try:
            yield path
        finally:
            for file in self.directory.glob(f"{path.name}*"):
                if file.name.partition(".")[0] == path.name:
                    file.unlink()

    @contextlib.contextmanager
    def mounted(self, image: devices.Image) -> t.Iterator[None]:
        """Mount a copy of *image* after another boot. All mounts in it end with the block."""
        with self.new_file() as path:
            image.write(path)
            self.boot()
            with devices.mounted(path, self.kind, self.area):
                try:
                    yield
                finally:
                    unmount_below(self.area)

    @contextlib.contextmanager
    def recorded(self, image: devices.Image) -> t.Iterator[recorder.Device]:
        """Mount a copy of *image* on a recorded device."""
        with self.new_file() as path:
            image.write(path)
            self.boot()
            with recorder.recorded(path, self.kind, self.area) as device:
                try:
                    yield device
                finally:
                    unmount_below(self.area)


class PowerStage(Stage):
    """As Stage, for what outlives a power cut. later: the store after an undisturbed run that follows a boot."""

    def __init__(self, area: Path, case: Case, boot: t.Callable[[], object]) -> None:
        super().__init__(area, case)
        self.make()
        unmount_below(self.home)
        boot()
        self.next_run()
        self.later = self.take()

    def make(self) -> None:
        """Restore the store before the run, with what was written through a volatile mount."""
        super().make()
        self.write()

    def write(self) -> None:
        """Write through each volatile mount, unsynced."""
        for call in self.case.before:
            if call.module == "mount" and call.params.get("volatile"):
                (self.home / call.params["id"] / "merged" / WRITTEN).write_bytes(b"z" * 50_000)

    def compare(self, *, done: bool, again: bool = False) -> None:
        """Fail unless the store is the old or the new, or is the new if *done*; and unless it is whole.

        again: the run was one after a cut. The cut may have left the marker of a volatile mount, which only the user
               may have removed.
        """
        found = self.take()
        loose = volatile(found)
        was, old, new = (lasting(each, loose) for each in (found, self.old, self.later if again else self.new))
        if done:
            snapshot.assert_same(was._replace(litter=[]), new)
            assert again or loose <= volatile(self.new), f"the marker of volatile layers is still there: {loose}"
        else:
            snapshot.assert_between(was, old, new)
        self.assert_healthy()

    def assert_healthy(self) -> None:
        """Fail if health finds damage."""
        if self.home.exists():
            health = FACTS.run(self.home)["ansible_facts"]["overlay2"].get("health", [])
            assert {finding["code"] for finding in health} <= LITTER, health

    def next_run(self) -> dict[str, t.Any] | None:
        """Run the case again, after a cut."""
        call = self.case.call
        params = call.at(self.home)
        if call.module == "mount" and volatile(self.take()):
            refused = modules.run_module(call.main, params)  # content may be lost: the user must say that it may be
            if refused is not None and refused.get("failed"):
                assert refused["error"] == "store_corrupt" and "force" in refused["hint"], refused
                params["force"] = True
        result = modules.run_module(call.main, params)
        assert result is not None and not result.get("failed"), result
        return result

    def finish(self) -> None:
        """Let the next run go to its end; fail unless the store is the new one, and clean."""
        self.next_run()
        self.compare(done=True, again=True)
        found = self.take()
        if not self.case.call.params.get("merge"):
            again = self.case.call.run(self.home)
            assert not again["changed"], again
        if self.home.exists():
            self.sweep(found)
            assert self.take().litter == []
            self.compare(done=True, again=True)


def lasting(found: snapshot.Snapshot, loose: t.Container[str]) -> snapshot.Snapshot:
    """Return what a power cut must leave: no mounts and what they need, and of *loose* layers no content."""

    def stays(path: str) -> bool:
        layer, _slash, rest = path.partition("/")
        return not (
            path.startswith("mount ")
            or rest == HOLDERS
            or (rest.startswith(f"{WORK}/") and rest != f"{WORK}/")
            or (layer in loose and rest.startswith(f"{DIFF}/"))
        )

    return found._replace(entries={path: entry for path, entry in found.entries.items() if stays(path)})


def volatile(found: snapshot.Snapshot) -> set[str]:
    """Return the layers with the kernel's marker of a volatile mount."""
    return {path.partition("/")[0] for path in found.entries if path.partition("/")[2] == f"{VOLATILE_MARKER}/"}


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
