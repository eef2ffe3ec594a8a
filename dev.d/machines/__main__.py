# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines to test in: python3 dev.d/machines ACTION DIRECTORY [...]. DIRECTORY holds all files of a machine.

An image (see images.py) is built when a machine needs the image. A failure is one line, and exit code 1.
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
        "create": "start a machine",
        "run": "start a machine, run a command, or without one a shell, and destroy the machine",
        "cut": "cut a machine's power",
        "boot": "give a machine its power back",
        "destroy": "destroy a machine",
        "ssh": "run a command in a machine",
    }.items():
        action = actions.add_parser(name, help=what)
        action.add_argument("directory", type=lambda text: Path(text).absolute())
        if name in ("create", "run"):
            action.add_argument("suite", choices=suites.SUITES)
            action.add_argument("--name", help="the machine's host name")
            action.add_argument("--losing", action="store_true", help="a power cut loses unflushed data")
        if name == "destroy":
            action.add_argument("--running", action="store_true", help="fail unless the machine still runs")
        if name in ("run", "ssh"):
            action.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def run(here: machine.Machine, command: list[str]) -> int:
    """Run a command by ssh, with our streams, and return its exit code."""
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
