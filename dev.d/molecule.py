# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one scenario: python3 dev.d/molecule.py SUITE[,SUITE...] SCENARIO DIRECTORY RESULT

The scenario gets one machine of each suite. DIRECTORY holds all files of the run. RESULT.count and RESULT.note are for
test.py, and count assertions. Molecule's exit code is not enough: Molecule accepts a play that skips its tasks, and a
scenario without verify.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("machines")))
import suites

NEEDED = ("create", "converge", "verify", "destroy")


def faults(record: t.Sequence[dict[str, t.Any]], kernel: str, expected: str, installed: str) -> list[str]:
    """Return the reasons why a run that Molecule accepts proves nothing about a machine.

    record:    each play in order: its playbook, its name, the path of our collection, the number of tasks by outcome.
    kernel:    the machine's kernel release; expected: the start that it must have.
    installed: the directory below which the collection from the tarball is installed.
    """
    found = []
    for name in NEEDED:
        if not any(play["playbook"] == name for play in record):
            found.append(f"no playbook {name} was run")
    for play in record:
        where = f"{play['playbook']}, play {play['play']!r}"
        if not play.get("ok"):
            found.append(f"{where}: no task was run")
        if not play["collection"].startswith(f"{installed}/"):
            found.append(f"{where}: its collection is that in {play['collection']}")
        for outcome in ("failed", "unreachable"):
            if play.get(outcome):
                found.append(f"{where}: {play[outcome]} tasks {outcome}")
    if not any(play.get("asserted") for play in record if play["playbook"] == "verify"):
        found.append("verify asserted nothing")
    if not f"{kernel}.".startswith(f"{expected}."):
        found.append(f"the kernel is {kernel or 'not known'}, not {expected}")
    return found


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    suites_given, scenario, here, result = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    installed = os.environ["STRATA_COLLECTIONS"].partition(":")[0]
    # The path of a socket has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="strata-", dir="/tmp") as sockets:
        env = {
            **os.environ,
            "STRATA_MACHINES": str(here),
            "STRATA_RECORD": str(here / "record"),
            "STRATA_SUITES": suites_given,
            "STRATA_SOCKETS": sockets,
            "MOLECULE_EPHEMERAL_DIRECTORY": str(here / "molecule"),
        }
        env.pop("ANSIBLE_CONFIG", None)  # Molecule writes its own configuration
        done = subprocess.run(["molecule", "test", "-s", scenario], env=env, stdin=subprocess.DEVNULL, check=False)
    record = [json.loads(line) for line in read(here / "record").splitlines()]
    found = [f"molecule ended with {done.returncode}"] if done.returncode else []
    kernels = []
    for suite in suites_given.split(","):
        kernel = read(here / f"{suite}.kernel").strip()
        own = [play for play in record if play["host"] in (suite, "")]
        found += [f"{suite}: {fault}" for fault in faults(own, kernel, suites.SUITES[suite].kernel, installed)]
        kernels.append(f"{suite}, Linux {kernel or 'not known'}")
    asserted = sum(play.get("asserted", 0) for play in record)
    Path(f"{result}.count").write_text(f"{asserted} {len(found)} 0\n", encoding="ascii")
    for fault in found:
        print(f"dev: {scenario} on {fault}", file=sys.stderr)
    note = f"{' and '.join(kernels)}, scenario {scenario}: {asserted} assertions held, {len(found)} faults"
    Path(f"{result}.note").write_text(f"{note}\n", encoding="utf-8")
    print(f"dev: {note}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
