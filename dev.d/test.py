# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stages of ./dev test, and count: python3 test.py RESULTS [--all]

Each stage is one ./dev command. Two stages run side by side where there are two processors, since most stages use one.
A stage's output goes to a file, and is printed when the stage ends. The first failing stage ends the run. The last line
is the sum: "N passed, N failed, N skipped". A stage without a count of tests counts as one test.
"""

from __future__ import annotations

import collections
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing as t
import xml.etree.ElementTree
from pathlib import Path

OUTPUT = "output"  # file with what a stage printed, beside its counts
SEED = 99  # fixed, so that a failure comes from a change, not from luck; ./dev kernels and crash alone use others
LIMIT = 3000  # seconds for a stage, so that a hang is a failure, and the sum is still printed
LANES = min(2, len(os.sched_getaffinity(0)))  # stages that run at a time


class Stage(t.NamedTuple):
    command: str
    what: str
    needs: str = "plugins"  # skip the stage while this path does not exist


# Scenarios of extensions/molecule. SCENARIOS are part of every run. All scenarios on all kernels take hours.
SCENARIOS = ("quota", "driver")
LONG_SCENARIOS = ("rootless", "reboot")
PAIRS = {"buildhost": ("bookworm,trixie", "bullseye,forky")}  # scenarios with two machines at once, and their suites


def asking(suite: str, amount: str = "") -> Stage:
    """Return the stage that asks the kernel of a Debian release, in a machine. amount: "few" for a smaller sample."""
    return Stage(f"kernels {suite} {SEED} {amount}".strip(), f"tests that ask the kernel, on that of {suite}")


def scenarios(suites: str, names: t.Iterable[str]) -> tuple[Stage, ...]:
    """Return the stages that run scenarios in machines of a Debian release, or in one of each of several."""
    what = f"through Ansible, on the kernel of {suites}"
    return tuple(Stage(f"molecule {suites} {name}", f"the scenario {name} {what}") for name in names)


STAGES = (
    Stage("lint ruff", "Python: mistakes, imports, format"),
    Stage("lint shellcheck", "shell scripts"),
    Stage("lint changelog", "changelog fragments"),
    Stage("lint mypy", "types, strict, for Python 3.9", "plugins/modules"),
    Stage("unit 3.9", "unit tests on the lowest Python of a target", "tests/unit"),
    Stage("unit 3.14", "unit tests on the newest Python of a target", "tests/unit"),
    # Of the others, conformance, integration and crash use the code on this machine's Python.
    Stage("unit ansible", "unit tests that need Ansible, on this machine's Python", "tests/unit"),
    Stage("lint docs", "module documentation", "plugins/modules"),
    Stage("lint ansible-lint", "profile production, strict"),
    Stage("sanity", "ansible-test sanity"),
    Stage("environment", "the execution environment, built on a base image made here, and used"),
    Stage("conformance", "real overlayfs and real Docker on our layers", "tests/conformance"),
    Stage("examples", "the documentation's examples, with three ansible-cores", "tests/examples"),
    Stage("integration", "the modules through Ansible on real mounts", "tests/integration/targets"),
    Stage("report", "the page about a fleet in a real browser", "tests/report"),
    Stage(f"crash --sample={SEED}", "runs interrupted at some steps, full disks, many runs at once", "tests/crash"),
    asking("bookworm", "few"),
    *scenarios("bookworm", SCENARIOS),
)
ONLY_IN_ALL = (
    *scenarios("bookworm", LONG_SCENARIOS),
    *(stage for name, pairs in PAIRS.items() for pair in pairs for stage in scenarios(pair, (name,))),
    *(
        stage
        for suite in ("bullseye", "trixie", "forky")
        for stage in (asking(suite), *scenarios(suite, (*SCENARIOS, *LONG_SCENARIOS)))
    ),
)


class Counts:
    """Number of tests by outcome, reasons for skips, and notes of stages for the end."""

    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.reasons: collections.Counter[str] = collections.Counter()
        self.notes: list[str] = []

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def skip(self, reason: str) -> None:
        self.skipped += 1
        self.reasons[reason] += 1

    def read(self, results: Path) -> None:
        """Add the files of a stage: JUnit files, files NAME.count with "PASSED FAILED SKIPPED", and NAME.note."""
        self.notes += [file.read_text(encoding="utf-8").strip() for file in sorted(results.glob("*.note"))]
        for file in results.glob("*.count"):
            passed, failed, skipped = map(int, file.read_text(encoding="utf-8").split())
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        for file in results.glob("*.xml"):
            for case in xml.etree.ElementTree.parse(file).iter("testcase"):
                skipped_as = case.find("skipped")
                if case.find("failure") is not None or case.find("error") is not None:
                    self.failed += 1
                elif skipped_as is not None:
                    self.skip(skipped_as.get("message", "no reason given"))
                else:
                    self.passed += 1

    def add(self, other: Counts, stage: str) -> None:
        self.passed, self.failed = self.passed + other.passed, self.failed + other.failed
        self.skipped += other.skipped
        self.notes += other.notes
        for reason, count in other.reasons.items():
            self.reasons[f"{stage}: {reason}"] += count


class Run:
    """Runs stages in their order, LANES at a time, until all are done or one has failed."""

    def __init__(self, stages: t.Iterable[Stage], results: Path) -> None:
        self.total = Counts()
        self.times: list[str] = []
        self.left = collections.deque(enumerate(stages, 1))
        self.count = len(self.left)
        self.failed = ""
        self._results = results
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def go(self) -> None:
        """Return when no stage runs any more."""
        lanes = [threading.Thread(target=self._lane) for _lane in range(LANES)]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            # A stage is its own process group, so the terminal's Ctrl-C does not reach the stage.
            self._stop("the keyboard")
            for lane in lanes:
                lane.join()

    def _lane(self) -> None:
        while True:
            with self._lock:
                if self.failed or not self.left:
                    return
                number, stage = self.left.popleft()
                print(f"== {number}/{self.count} {stage.command}: {stage.what}", flush=True)
            start = time.monotonic()
            counts, ok = self._one(stage)
            self._tell(stage, counts, ok, time.monotonic() - start)

    def _one(self, stage: Stage) -> tuple[Counts, bool]:
        counts = Counts()
        if not Path(stage.needs).exists():
            counts.skip(f"there is no {stage.needs}")
            return counts, True
        results = self._of(stage)
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        process = self._start(stage, results)
        if process is None:
            return counts, True
        code = process.wait()
        counts.read(results)
        if code != 0 and not counts.failed:
            counts.failed += 1
        elif not counts.passed + counts.failed + counts.skipped:
            counts.passed += 1
        return counts, code == 0

    def _start(self, stage: Stage, results: Path) -> subprocess.Popen[bytes] | None:
        """Return the started stage; None if another stage has just failed."""
        with self._lock, open(results / OUTPUT, "wb") as output:
            if self.failed:
                return None
            process = subprocess.Popen(
                ["timeout", "--kill-after=30", str(LIMIT), "./dev", *stage.command.split()],
                # With CI set, Hypothesis makes up the same examples each time.
                env={"CI": "true", **os.environ, "RESULTS": str(results)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            self._running.append(process)
            return process

    def _of(self, stage: Stage) -> Path:
        return self._results / stage.command.replace(" ", "-")

    def _tell(self, stage: Stage, counts: Counts, ok: bool, seconds: float) -> None:
        with self._lock:
            if self.failed:  # this stage was ended because another stage failed
                self.total.skip(f"{stage.command} was ended, as {self.failed} failed")
                return
            output = self._of(stage) / OUTPUT
            if output.exists():
                print(f"\n-- output of {stage.command}", flush=True)
                sys.stdout.buffer.write(output.read_bytes())
            line = f"{'ok' if ok else 'FAILED'} in {seconds:.1f} s: {counts}"
            print(f"-- {stage.command}: {line}\n", flush=True)
            self.times.append(f"   {stage.command:<24} {line}")
            self.total.add(counts, stage.command)
            if not ok:
                self._stop(stage.command)

    def _stop(self, why: str) -> None:
        self.failed = why
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)


def main() -> int:
    results = Path(sys.argv[1])
    everything = "--all" in sys.argv[2:]
    run = Run(STAGES + (ONLY_IN_ALL if everything else ()), results)
    run.go()
    total = run.total
    if run.left:
        left = [stage.command for _number, stage in run.left]
        total.skipped += len(left)
        total.reasons[f"stages not run, as {run.failed} failed: {', '.join(left)}"] = len(left)
    print("\n== Stages", *run.times, sep="\n")
    if total.notes:
        print("\n== Kernels", *(f"   {note}" for note in total.notes), sep="\n")
    if not everything:
        print("\n== Left to ./dev test --all", *(f"   {stage.command}" for stage in ONLY_IN_ALL), sep="\n")
    if total.reasons:
        print("\n== Skipped", *(f"   {count} {reason}" for reason, count in total.reasons.items()), sep="\n")
    print(f"\n{total}", flush=True)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
