# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU: its command line, and talking to it."""

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
    # What a host that has KVM is made of; and the one that costs least to translate.
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", "Nehalem-v1"],
}


def bare(accelerator: str, kernel: Path, initrd: Path, append: str) -> list[str]:
    """Return the command line of a machine that has processors, memory and a kernel, and writes console.log."""
    return [
        *("qemu-system-x86_64", "-machine", "q35", *CPUS[accelerator], "-smp", "2", "-m", str(MEMORY)),
        *("-display", "none", "-no-user-config", "-nodefaults", "-no-reboot", "-serial", "file:console.log"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", f"console=ttyS0 panic=-1 quiet {append}"),
    ]


def whole(accelerator: str, image: Path, cache: str) -> list[str]:
    """Return the command line of a machine that stands in its own directory.

    cache: QEMU's word: "unsafe" is fast; with "writeback" what the guest has not flushed is lost when QEMU is killed,
    as it is when a disk loses its power: qcow2 keeps in QEMU's memory, until a flush, where it has put new data.
    """
    disks: list[str] = []
    for name in ("root", "data"):
        disks += ["-drive", f"file={name}.qcow2,if=virtio,format=qcow2,cache={cache},discard=unmap"]
    return [
        *bare(accelerator, image / "vmlinuz", image / "initrd", "root=/dev/vda rw mitigations=off"),
        *disks,
        # Port 0: the kernel chooses one that is free.
        *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22", "-device", "virtio-net-pci,netdev=net"),
        *("-device", "virtio-rng-pci", "-qmp", "unix:qmp,server=on,wait=off"),
    ]


def forwarded_port(usernet: str) -> int:
    """Return the port of this host that leads to the guest's sshd, from what "info usernet" prints."""
    found = re.search(r"TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b", usernet)
    if found is None:
        raise ValueError(f"QEMU forwards no port to the guest's: {usernet!r}")
    return int(found[1])


class Lost(Exception):
    """A machine ended, or does not answer."""


class Qemu:
    """A running QEMU that stands in *directory*, and may have been started by another process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self, argv: t.Sequence[str], *, inherit: t.Sequence[int] = ()) -> None:
        """Start it, in a session of its own, and return once it takes commands. inherit: file descriptors it keeps."""
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
        while not (self.directory / "qmp").exists():
            if process.poll() is not None:
                raise Lost(f"QEMU does not start:\n{self.tail('qemu.log')}")
            time.sleep(0.02)

    def pid(self) -> int | None:
        """Return its process id; None if it has ended. A number used again by another process is told by its start."""
        try:
            pid, started = (self.directory / "pid").read_text(encoding="ascii").split()
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(pid) if fields[19] == started and fields[0] != "Z" else None

    def kill(self) -> bool:
        """Cut its power. Return whether it had any."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, 9)
        while self.pid() is not None:
            time.sleep(0.02)
        return True

    def ask(self, command: str, **arguments: t.Any) -> t.Any:
        """Have one command of QEMU's machine protocol carried out, and return its answer."""
        directory = os.open(self.directory, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                # The name of a socket has 108 bytes at most, and the directory may be a deep one.
                connection.connect(f"/proc/self/fd/{directory}/qmp")
                stream = connection.makefile("rw", encoding="utf-8")
                stream.readline()  # its greeting
                self._say(stream, "qmp_capabilities", {})
                return self._say(stream, command, arguments)
        except OSError as error:
            raise Lost(f"QEMU does not answer: {error}\n{self.tail('qemu.log')}") from error
        finally:
            os.close(directory)

    @staticmethod
    def _say(stream: t.TextIO, command: str, arguments: dict[str, t.Any]) -> t.Any:
        stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        stream.flush()
        while line := stream.readline():  # events come between
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
        """Let the machine go on, once its memory has been read."""
        while (status := self.ask("query-status")["status"]) == "inmigrate":
            time.sleep(0.02)
        if status not in ("paused", "postmigrate", "running"):
            raise Lost(f"QEMU cannot read the machine's memory: it is {status}\n{self.tail('qemu.log')}")
        self.ask("cont")

    def port(self) -> int:
        """Return the port of this host that leads to the guest's sshd."""
        return forwarded_port(self.ask("human-monitor-command", **{"command-line": "info usernet"}))

    def tail(self, name: str) -> str:
        """Return the end of one of its logs."""
        try:
            return (self.directory / name).read_text(encoding="utf-8", errors="replace")[-3000:]
        except FileNotFoundError:
            return ""


def new_disk(path: Path, *, base: Path | None = None, kind: str = "qcow2", size: int = 0) -> None:
    """Make a qcow2 file: over *base*, which is of this *kind*, or empty, of *size* GiB."""
    path.unlink(missing_ok=True)
    backing = ["-b", str(base), "-F", kind] if base else []
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), *([f"{size}G"] if size else [])]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
