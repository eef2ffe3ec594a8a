# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run overlay2_image where it can write nothing but the store, and reach no network: python3 images_alone.py

Each line of stdin is a run, as JSON: the parameters, and "kill_at", the number of the file at whose opening the run is
killed. Each line of stdout is the answer: the result, None of a run that was killed; the peaks of memory in KiB, of the
module and of its largest child; and how many files the module opened.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import traceback
import typing as t

from ansible.module_utils.testing import patch_module_args
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images import unpacking
from ansible_collections.strata.overlay2.plugins.module_utils._linux.mount import mount
from ansible_collections.strata.overlay2.plugins.module_utils._linux.namespace import CLONE_NEWNS, unshare
from ansible_collections.strata.overlay2.plugins.modules import overlay2_image

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18  # include/uapi/linux/mount.h


def shut_in(home: str) -> None:
    """Leave this process nothing to write to but *home* and what is mounted by itself, and no network."""
    unshare(CLONE_NEWNS | CLONE_NEWNET)
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount(home, home, "", MS_BIND)
    mount("", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY)
    mount("", os.path.dirname(os.path.dirname(home)), "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def run(params: dict[str, t.Any], kill_at: int) -> None:
    """Run the module in this process, and print the answer. kill_at: 0 for never."""
    opened, own = 0, os.getpid()

    def hook(event: str, _arguments: tuple[t.Any, ...]) -> None:
        nonlocal opened
        if event == "open":
            opened += 1
            if opened == kill_at:
                os.kill(own, signal.SIGKILL)

    shut_in(params["home"])
    out, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), write_through=True)
    sys.addaudithook(hook)
    try:
        with patch_module_args(params):
            overlay2_image.main()
    except SystemExit:
        pass
    result = json.loads(sys.stdout.buffer.getvalue())
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"result": result, "peaks": peaks, "opened": opened}), file=out, flush=True)


def main() -> None:
    """Do each run in a child."""
    unpacking._SMALL = -1  # each layer gets a process
    unpacking.processors = lambda: 8
    for line in sys.stdin:
        params = json.loads(line)
        kill_at = params.pop("kill_at", 0)
        pid = os.fork()
        if not pid:
            try:
                run(params, kill_at)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            print(json.dumps({"result": None}), flush=True)


if __name__ == "__main__":
    main()
