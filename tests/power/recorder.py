# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device whose every write and flush is recorded, or fails on demand: QEMU's storage daemon below a loop device.

The daemon shows a chain of its block drivers as a file, by FUSE: blklogwrites above the image writes the log, blkdebug
below makes writes and flushes fail. So this works on any kernel with FUSE and loop devices.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.tests.power import devices, log

PROGRAM = "qemu-storage-daemon"
FAILURES = ("write", "flush")
_EACH = "log-super-update-interval"
_WAIT = 60  # seconds for the daemon to begin


@functools.cache
def why_not() -> str | None:
    """Return why no device can be recorded here; None if one can."""
    if os.geteuid() != 0:
        return "needs root: mounts, loop devices, device nodes"
    if shutil.which(PROGRAM) is None:
        return f"needs {PROGRAM}, of the package qemu-system-common"
    return next((f"needs {path}" for path in ("/dev/fuse", "/dev/loop-control") if not os.path.exists(path)), None)


class Device:
    """A device that is mounted. Its files lie beside the image at *path*."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shown = path.with_name(f"{path.name}.shown")
        self._log = path.with_name(f"{path.name}.log")
        self._socket = path.with_name(f"{path.name}.qmp")

    def count(self) -> int:
        """Return how many writes and flushes are logged."""
        with open(self._log, "rb") as file:
            return log.count(file)

    def entries(self) -> list[log.Entry]:
        """Return all writes and flushes."""
        with open(self._log, "rb") as file:
            return log.read(file)

    @contextlib.contextmanager
    def served(self) -> t.Iterator[None]:
        """Show the image as the file *shown*, as long as the block runs."""
        self.shown.touch()
        self._log.touch()
        unflushed = {"read-only": False, "cache": {"no-flush": True}}  # of the images on this machine, no cut is tested
        nodes = [
            {"node-name": "image", "driver": "file", "filename": str(self._path), **unflushed},
            {"node-name": "above", "driver": "raw", "file": "image"},
            {"node-name": "log", "driver": "file", "filename": str(self._log), **unflushed},
            # The number of entries is up to date whenever a write is done.
            {"node-name": "top", "driver": "blklogwrites", "file": "above", "log": "log", _EACH: 1},
        ]
        export = {"type": "fuse", "id": "export", "node-name": "top", "mountpoint": str(self.shown), "writable": True}
        command = [PROGRAM, *(word for node in nodes for word in ("--blockdev", json.dumps(node)))]
        command += ["--export", json.dumps(export)]
        command += ["--chardev", f"socket,id=qmp,path={self._socket},server=on,wait=off", "--monitor", "chardev=qmp"]
        daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            self._wait_for(daemon)
            yield
        finally:
            daemon.terminate()
            daemon.communicate()

    def _wait_for(self, daemon: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + _WAIT
        while not self.shown.stat().st_size:  # an empty file until it is shown
            if daemon.poll() is not None or time.monotonic() > deadline:
                daemon.kill()
                raise RuntimeError(f"{PROGRAM}: {daemon.communicate()[1]}")
            time.sleep(0.005)

    def fail(self, what: str, *, once: bool) -> None:
        """Let each write or each flush fail with EIO from now on, or the next one."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as monitor:
            monitor.connect(str(self._socket))
            with monitor.makefile("rw", encoding="utf-8") as stream:
                self._ask(stream, "qmp_capabilities")
                rule = {"event": "none", "iotype": what, "errno": errno.EIO, "once": once}
                node = {"node-name": "failing", "driver": "blkdebug", "image": "image", "inject-error": [rule]}
                self._ask(stream, "blockdev-add", node)
                above = {"node-name": "above", "driver": "raw", "file": "failing"}
                self._ask(stream, "blockdev-reopen", {"options": [above]})

    @staticmethod
    def _ask(stream: t.TextIO, command: str, arguments: dict[str, t.Any] | None = None) -> None:
        stream.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
        stream.flush()
        for line in stream:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{PROGRAM}: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return
        raise RuntimeError(f"{PROGRAM} ended")


@contextlib.contextmanager
def recorded(path: Path, kind: str, where: Path) -> t.Iterator[Device]:
    """Mount the filesystem in a file on a recorded device. The caller deletes the files at *path*."""
    device = Device(path)
    with device.served(), devices.mounted(device.shown, kind, where):
        yield device
