# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate the results of ./dev kernels: python3 kernels.py SUITE RESULTS PAGE NOTE

RESULTS holds the files of tests/kernels/run.sh: JUnit files, and kernel.json. Prints the sum, writes the suite's row to
PAGE and the sum to NOTE, and fails if a test failed, or was skipped for a reason that is not in EXCUSES.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("machines")))
import suites

# Suites, and reasons for which tests may be skipped there. Each machine has all tools and every filesystem.
EXCUSES: tuple[tuple[str, str], ...] = (
    ("all", r": no module has a parameter that is"),
    ("all", r": cannot change it: "),
    ("bullseye", r": a kernel before 5\.14 "),
    ("forky", r"\.test_xfs\.test_an_old_.*: cannot mount xfs "),  # version 4, which Linux 7 does not read
)

PAGE = """\
# Kernels

This page lists for each kernel the features that a store can use. `./dev kernels SUITE` boots the kernel of that Debian
release, runs the tests there, and writes the row.

{table}

* index, metacopy, redirect_dir: whether overlayfs accepts `NAME=on`, and the default of a mount without the option.
* mounts without root: in a user namespace of a user other than root, with userxattr.
* native diff: with the options of our mounts, an upperdir alone shows what changed.
* quotas: project quotas, counted and enforced.
"""


def page(rows: dict[str, dict[str, str]]) -> str:
    """Return the page for the rows of suites."""
    known = [suite for suite in suites.SUITES if suite in rows]
    head = ["Debian", *rows[known[0]]]
    lines = [head, ["---"] * len(head), *([suite, *rows[suite].values()] for suite in known)]
    return PAGE.format(table="\n".join(f"| {' | '.join(line)} |" for line in lines))


def parse(text: str) -> dict[str, dict[str, str]]:
    """Return the rows of a page."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {line[0]: dict(zip(cells[0][1:], line[1:])) for line in cells[2:]}


def with_row(text: str, suite: str, row: dict[str, str]) -> str:
    """Return the page with the suite's row; rows with other columns are dropped."""
    rows = {name: old for name, old in parse(text).items() if list(old) == list(row)}
    return page({**rows, suite: row})


class Outcome(t.NamedTuple):
    """passed: number of tests; failed: their names; skipped: their names and reasons."""

    passed: int
    failed: list[str]
    skipped: list[tuple[str, str]]


def outcome(results: Path) -> Outcome:
    """Return the outcome of the JUnit files in a directory."""
    passed, failed, skipped = 0, [], []
    for file in sorted(results.glob("*.xml")):
        for case in xml.etree.ElementTree.parse(file).iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            excuse = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(name)
            elif excuse is not None:
                skipped.append((name, excuse.get("message", "")))
            else:
                passed += 1
    return Outcome(passed, failed, skipped)


def not_excused(suite: str, skipped: t.Iterable[tuple[str, str]]) -> list[str]:
    """Return the skipped tests, with reasons, that must not be skipped on the suite."""
    patterns = [pattern for where, pattern in EXCUSES if where in ("all", suite)]
    told = [f"{test}: {why}" for test, why in skipped]
    return [line for line in told if not any(re.search(pattern, line) for pattern in patterns)]


def main() -> int:
    suite, results, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    kernel = results / "kernel.json"
    if not kernel.exists():
        print(f"dev: {suite}: the machine returned no facts about its kernel", file=sys.stderr)
        return 1
    row = json.loads(kernel.read_text(encoding="utf-8"))
    done = outcome(results)
    faults = [f"failed: {name}" for name in done.failed]
    faults += [f"skipped, but must not be: {name}" for name in not_excused(suite, done.skipped)]
    if not f"{row['Linux']}.".startswith(f"{suites.SUITES[suite].kernel}."):
        faults.append(f"the kernel is {row['Linux']}, not {suites.SUITES[suite].kernel}")
    if not done.passed:
        faults.append("no test was run")
    for fault in faults:
        print(f"dev: {suite}: {fault}", file=sys.stderr)
    note = (
        f"{suite}, Linux {row['Linux']}, Python {row['Python']}, without Ansible: {done.passed} passed, "
        f"{len(done.failed)} failed, {len(done.skipped)} skipped"
    )
    print(f"dev: {note}", file=sys.stderr)
    Path(sys.argv[4]).write_text(f"{note}\n", encoding="utf-8")
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if (new := with_row(old, suite, row)) != old:
        file.write_text(new, encoding="utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
