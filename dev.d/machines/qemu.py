# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU: its command line and its machine protocol."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import time
import typing as t
from pathlib import Path

MEMORY = 2048  # MiB
DATA = 10  # GiB
CPUS = {
    # The host's processor with KVM; otherwise the model that is cheapest to translate.
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", "Nehalem-v1"],
}


def bare(accelerator: str, kernel: Path, initrd: Path, append: str) -> list[str]:
    """Return the command line of a machine with only processors, memory and a kernel. It writes console.log."""
    return [
        *("qemu-system-x86_64", "-machine", "q35", *CPUS[accelerator], "-smp", "2", "-m", str(MEMORY)),
        *("-display", "none", "-no-user-config", "-nodefaults", "-no-reboot", "-serial", "file:console.log"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", f"console=ttyS0 panic=-1 quiet {append}"),
    ]


def whole(accelerator: str, image: Path, cache: str) -> list[str]:
    """Return the command line of a whole machine, to run in the machine's directory.

    cache: as QEMU takes it. "unsafe" is fast. With "writeback", killing QEMU loses unflushed data, like a disk that
    loses its power, because qcow2 keeps the places of new data in QEMU's memory until a flush.
    """
    disks: list[str] = []
    for name in ("root", "data"):
        disks += ["-drive", f"file={name}.qcow2,if=virtio,format=qcow2,cache={cache},discard=unmap"]
    return [
        *bare(accelerator, image / "vmlinuz", image / "initrd", "root=/dev/vda rw mitigations=off"),
        *disks,
        # Port 0: the kernel chooses a free port.
        *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22", "-device", "virtio-net-pci,netdev=net"),
        *("-device", "virtio-rng-pci", "-qmp", "unix:qmp,server=on,wait=off"),
    ]


def forwarded_port(usernet: str) -> int:
    """Return the port of this host that leads to the guest's sshd, from the output of "info usernet"."""
    found = re.search(r"TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b", usernet)
    if found is None:
        raise ValueError(f"QEMU forwards no port to the guest's: {usernet!r}")
    return int(found[1])


class Lost(Exception):
    """A machine has ended, or does not answer."""


class Qemu:
    """A running QEMU of *directory*. Another process may have started it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self, argv: t.Sequence[str], *, inherit: t.Sequence[int] = ()) -> None:
        """Start QEMU in a new session, and return when it accepts commands. inherit: file descriptors for QEMU."""
        (self.directory / "qmp").unlink(missing_ok=True)
        with open(self.directory / "qemu.log", "ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=inherit,
            )
        started = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
        (self.directory / "pid").write_text(f"{process.pid} {started}", encoding="ascii")
        while not self._accepts():
            if process.poll() is not None:
                raise Lost(f"QEMU does not start:\n{self.tail('qemu.log')}")
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Return QEMU's process id; None if it has ended. The start time reveals an id reused by another process."""
        try:
            pid, started = (self.directory / "pid").read_text(encoding="ascii").split()
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(pid) if fields[19] == started and fields[0] != "Z" else None

    def kill(self) -> bool:
        """Kill QEMU. Return whether it was running."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, 9)
        while self.pid() is not None:
            time.sleep(0.02)
        return True

    def ask(self, command: str, **arguments: t.Any) -> t.Any:
        """Send one command of QEMU's machine protocol, and return the answer."""
        try:
            with self._connected() as connection:
                stream = connection.makefile("rw", encoding="utf-8")
                stream.readline()  # QEMU's greeting
                self._say(stream, "qmp_capabilities", {})
                return self._say(stream, command, arguments)
        except OSError as error:
            raise Lost(f"QEMU does not answer: {error}\n{self.tail('qemu.log')}") from error

    def _accepts(self) -> bool:
        """Tell whether QEMU accepts a connection. Between bind(2), which makes the file, and listen(2) it refuses."""
        try:
            self._connected().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def _connected(self) -> socket.socket:
        directory = os.open(self.directory, os.O_PATH)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(60)
            # The path of a socket has at most 108 bytes, and the directory's path can be longer.
            connection.connect(f"/proc/self/fd/{directory}/qmp")
        except OSError:
            connection.close()
            raise
        finally:
            os.close(directory)
        return connection

    @staticmethod
    def _say(stream: t.TextIO, command: str, arguments: dict[str, t.Any]) -> t.Any:
        stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        stream.flush()
        while line := stream.readline():  # events can come before the answer
            answer = json.loads(line)
            if "error" in answer:
                raise Lost(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise OSError(f"QEMU hung up on {command}")

    def save(self, state: Path) -> None:
        """Stop the machine and write its memory to a file."""
        self.ask("stop")
        self.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 36})
        self.ask("migrate", uri=f"exec:cat >{shlex.quote(str(state))}")
        while (status := self.ask("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise Lost("QEMU cannot save the machine's memory")
            time.sleep(0.1)

    def resume(self) -> None:
        """Resume the machine after QEMU has read its memory."""
        while (status := self.ask("query-status")["status"]) == "inmigrate":
            time.sleep(0.02)
        if status not in ("paused", "postmigrate", "running"):
            raise Lost(f"QEMU cannot read the machine's memory: it is {status}\n{self.tail('qemu.log')}")
        self.ask("cont")

    def port(self) -> int:
        """Return the port of this host that leads to the guest's sshd."""
        return forwarded_port(self.ask("human-monitor-command", **{"command-line": "info usernet"}))

    def tail(self, name: str) -> str:
        """Return the end of one of QEMU's logs."""
        try:
            return (self.directory / name).read_text(encoding="utf-8", errors="replace")[-3000:]
        except FileNotFoundError:
            return ""


def new_disk(path: Path, *, base: Path | None = None, kind: str = "qcow2", size: int = 0) -> None:
    """Make a qcow2 file: on *base*, a file of this *kind*, or empty with *size* GiB."""
    path.unlink(missing_ok=True)
    backing = ["-b", str(base), "-F", kind] if base else []
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), *([f"{size}G"] if size else [])]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
