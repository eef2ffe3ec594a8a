# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stages of ./dev test, and count: python3 test.py RESULTS [--all]

Each stage is one ./dev command. The first failing stage ends the run. The last line is the sum:
"N passed, N failed, N skipped". A stage without a count of tests counts as one test.
"""

from __future__ import annotations

import collections
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
import xml.etree.ElementTree
from pathlib import Path

SEED = 99  # fixed in machines, so that a failure comes from a change, not from luck; ./dev kernels alone uses others
LIMIT = 2400  # seconds for a stage, so that a hang is a failure, and the sum is still printed


class Stage(t.NamedTuple):
    command: str
    what: str
    needs: str = "plugins"  # skip the stage while this path does not exist


# Scenarios of extensions/molecule. SCENARIOS are part of every run. All scenarios on all kernels take hours.
SCENARIOS = ("quota", "driver")
LONG_SCENARIOS = ("rootless", "reboot")
PAIRS = {"buildhost": ("bookworm,trixie", "bullseye,forky")}  # scenarios with two machines at once, and their suites


def asking(suite: str) -> Stage:
    """Return the stage that asks the kernel of a Debian release, in a machine."""
    return Stage(f"kernels {suite} {SEED}", f"tests that ask the kernel, on that of {suite}")


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
    Stage("unit controller", "unit tests on this machine's Python, with Ansible", "tests/unit"),
    Stage("lint docs", "module documentation", "plugins/modules"),
    Stage("lint ansible-lint", "profile production, strict"),
    Stage("sanity", "ansible-test sanity"),
    Stage("conformance", "real overlayfs and real Docker on our layers", "tests/conformance"),
    Stage("examples", "the documentation's examples, also with the lowest ansible-core", "tests/examples"),
    Stage("integration", "the modules through Ansible on real mounts", "tests/integration/targets"),
    Stage("report", "the page about a fleet in a real browser", "tests/report"),
    Stage("crash --sample", "runs interrupted at some steps, full disks, many runs at once", "tests/crash"),
    asking("bookworm"),
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


def run(stage: Stage, results: Path) -> tuple[Counts, bool]:
    counts = Counts()
    if not Path(stage.needs).exists():
        counts.skip(f"there is no {stage.needs}")
        return counts, True
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    process = subprocess.Popen(
        ["timeout", "--kill-after=30", str(LIMIT), "./dev", *stage.command.split()],
        env={**os.environ, "RESULTS": str(results)},
        stdin=subprocess.DEVNULL,
    )
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The stage is its own process group, so the terminal's Ctrl-C does not reach the stage.
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    counts.read(results)
    if code != 0 and not counts.failed:
        counts.failed += 1
    elif not counts.passed + counts.failed + counts.skipped:
        counts.passed += 1
    return counts, code == 0


def main() -> int:
    results = Path(sys.argv[1])
    everything = "--all" in sys.argv[2:]
    stages = STAGES + (ONLY_IN_ALL if everything else ())
    total, times, ok = Counts(), [], True
    for number, stage in enumerate(stages, 1):
        print(f"\n== {number}/{len(stages)} {stage.command}: {stage.what}", flush=True)
        start = time.monotonic()
        counts, ok = run(stage, results / stage.command.replace(" ", "-"))
        line = f"{'ok' if ok else 'FAILED'} in {time.monotonic() - start:.1f} s: {counts}"
        print(f"-- {stage.command}: {line}", flush=True)
        times.append(f"   {stage.command:<24} {line}")
        total.add(counts, stage.command)
        if not ok:
            left = [later.command for later in stages[number:]]
            total.skipped += len(left)
            total.reasons[f"stages not run, as {stage.command} failed: {', '.join(left)}"] = len(left)
            break

    print("\n== Stages", *times, sep="\n")
    if total.notes:
        print("\n== Kernels", *(f"   {note}" for note in total.notes), sep="\n")
    if not everything:
        print("\n== Left to ./dev test --all", *(f"   {stage.command}" for stage in ONLY_IN_ALL), sep="\n")
    if total.reasons:
        print("\n== Skipped", *(f"   {count} {reason}" for reason, count in total.reasons.items()), sep="\n")
    print(f"\n{total}", flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
