# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines to test in: python3 dev.d/machines ACTION DIRECTORY [...]. Everything of a machine lies in DIRECTORY.

What is made once for all (see images.py) is made when it is needed. A failure is one line, and exit code 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import machine
import qemu
import suites


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="machines", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, what in {
        "create": "have a machine run",
        "run": "have a machine run a command, and gone afterwards; without a command, a shell",
        "cut": "cut its power",
        "boot": "give it its power back",
        "destroy": "have it gone",
        "ssh": "run a command in it",
    }.items():
        action = actions.add_parser(name, help=what)
        action.add_argument("directory", type=lambda text: Path(text).absolute())
        if name in ("create", "run"):
            action.add_argument("suite", choices=suites.SUITES)
            action.add_argument("--name", help="its host name")
            action.add_argument("--losing", action="store_true", help="a cut loses what its disks have not flushed")
        if name == "destroy":
            action.add_argument("--running", action="store_true", help="fail if it does not run any more")
        if name in ("run", "ssh"):
            action.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def run(here: machine.Machine, command: list[str]) -> int:
    """Run the command by ssh, with our streams, and return its exit code."""
    return subprocess.run(here.ssh(*command, terminal=not command and sys.stdin.isatty()), check=False).returncode


def create(here: machine.Machine, given: argparse.Namespace) -> None:
    began = time.monotonic()
    here.create(given.suite, given.name or given.suite, "writeback" if given.losing else "unsafe")
    facts = here.facts
    print(f"dev: {facts['name']} runs ({facts['accelerator']}), {time.monotonic() - began:.1f} s", file=sys.stderr)


def main() -> int:
    given = arguments()
    here = machine.Machine(given.directory)
    if given.action == "create":
        create(here, given)
    elif given.action == "run":
        try:
            create(here, given)
            return run(here, given.command)
        finally:
            here.destroy()
    elif given.action == "ssh":
        return run(here, given.command)
    elif given.action == "destroy":
        ran = here.qemu.pid() is not None
        here.destroy()
        if given.running and not ran:
            raise qemu.Lost(f"the machine in {given.directory} was lost before its end")
    else:
        {"cut": here.cut_power, "boot": here.boot}[given.action]()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except qemu.Lost as error:
        sys.exit(f"dev: {error}")
