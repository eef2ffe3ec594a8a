# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine: its directory, its QEMU, and ssh to the machine.

<directory>/machine.json              suite, image, accelerator, cache, name
<directory>/root.qcow2 data.qcow2     differences from the image
<directory>/qmp pid port              of the running QEMU, see qemu.py
<directory>/console.log qemu.log
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import accelerator
import images
import qemu
import suites

PATIENCE = 300  # seconds for a machine to boot and answer
BOOTS = 3  # at most: with two translated processors, a kernel that patches itself can see half a patch and panic
_READY = (
    "state=$(systemctl is-system-running --wait); [ $state = running ] || { systemctl --failed; exit 1; }; "
    f"modprobe -a {' '.join(suites.MODULES)} && sync && echo 3 >/proc/sys/vm/drop_caches"
)


class Machine:
    """The machine whose files are in *directory*. It may run or not, and outlives this object."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.qemu = qemu.Qemu(directory)

    @property
    def facts(self) -> dict[str, str]:
        """Return the content of machine.json."""
        try:
            return t.cast("dict[str, str]", json.loads((self.directory / "machine.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise qemu.Lost(f"there is no machine in {self.directory}") from None

    def create(self, suite: str, name: str, cache: str) -> None:
        """Start a machine of the suite from the saved memory of a booted machine."""
        if self.qemu.pid() is not None:
            raise qemu.Lost(f"a machine is running in {self.directory}")
        with images.locked(suite):
            image = images.image(suite)
            chosen = accelerator.choose(image)
            memory = image / f"memory-{chosen}"
            if not memory.exists():
                _save_memory(suite, image, chosen, memory)
            self._make(suite, image, chosen, cache, name)
            for disk in ("root", "data"):
                qemu.new_disk(self.directory / f"{disk}.qcow2", base=memory / f"{disk}.qcow2")
            self._start(["-incoming", f"exec:cat {shlex.quote(str(memory / 'state'))}"])
            self.qemu.resume()
        self._greet()

    def create_cold(self, suite: str, image: Path, chosen: str) -> None:
        """Boot a machine with new disks. The caller holds the suite's lock."""
        self._make(suite, image, chosen, "unsafe", "machine")
        qemu.new_disk(self.directory / "root.qcow2", base=image / "root.ext4", kind="raw")
        qemu.new_disk(self.directory / "data.qcow2", size=qemu.DATA)
        self._boot()

    def boot(self) -> None:
        """Give the power back to a machine after a cut, and wait until the machine has booted."""
        if self.qemu.pid() is not None:
            raise qemu.Lost(f"the machine in {self.directory} has not lost its power")
        self._boot()

    def cut_power(self) -> None:
        """Kill QEMU, like pulling the machine's plug. The machine must be running."""
        if not self.qemu.kill():
            raise qemu.Lost(f"the machine in {self.directory} was not running")

    def destroy(self) -> bool:
        """Remove all traces of the machine. Return whether there were any."""
        self.qemu.kill()
        if not self.directory.exists():
            return False
        shutil.rmtree(self.directory)
        return True

    def ssh(self, *command: str, terminal: bool = False) -> list[str]:
        """Return the ssh command that runs *command* as root in the machine; without a command, a shell."""
        config = self.directory / "ssh_config"
        if not config.exists():
            raise qemu.Lost(f"there is no machine in {self.directory}")
        return ["ssh", "-F", str(config), *(["-t"] if terminal else []), "machine", *command]

    def _make(self, suite: str, image: Path, chosen: str, cache: str, name: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        facts = {"suite": suite, "image": str(image), "accelerator": chosen, "cache": cache, "name": name}
        (self.directory / "machine.json").write_text(json.dumps(facts), encoding="utf-8")

    def _boot(self) -> None:
        """Boot the machine; boot again if the kernel panics before our code runs."""
        for left in reversed(range(BOOTS)):
            self._start([])
            try:
                self._greet()
                return
            except qemu.Lost as error:
                if not left or "Kernel panic" not in str(error):
                    raise
                images.say(f"{self.facts['name']} panicked while it booted; once more")

    def _start(self, more: list[str]) -> None:
        facts = self.facts
        image = Path(facts["image"])
        in_use = images.use(image)
        try:
            argv = qemu.whole(facts["accelerator"], image, facts["cache"])
            self.qemu.start([*argv, *more], inherit=[in_use])
        finally:
            os.close(in_use)
        new = self.directory / "ssh_config.new"
        new.write_text(ssh_config(image, self.qemu.port()), encoding="utf-8")
        new.rename(self.directory / "ssh_config")

    def _greet(self) -> None:
        """Wait for sshd, and set the machine's clock and host name."""
        end = time.monotonic() + PATIENCE
        while True:
            # A resumed machine has an old clock.
            greeting = f"date -s @{time.time():.3f} >/dev/null && hostname {shlex.quote(self.facts['name'])}"
            done = subprocess.run(
                self.ssh(greeting), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            if self.qemu.pid() is None:
                raise qemu.Lost(f"the machine ended before it answered:\n{self.qemu.tail('console.log')}")
            if time.monotonic() > end:
                raise qemu.Lost(f"no answer by ssh: {done.stderr}\n{self.qemu.tail('console.log')}")
            time.sleep(0.2)


def ssh_config(image: Path, port: int) -> str:
    """Return the known_hosts line of a machine, for any host name."""
    options = {
        "HostName": "127.0.0.1",
        "Port": port,
        "User": "root",
        "IdentityFile": f'"{image}/id"',
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{image}/known_hosts"',
        "HostKeyAlias": "machine",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "ConnectTimeout": 10,
        # Far more than the slowest machine needs.
        "ServerAliveInterval": 30,
        "ServerAliveCountMax": 10,
    }
    return "Host *\n" + "".join(f"    {name} {value}\n" for name, value in options.items())


def _save_memory(suite: str, image: Path, chosen: str, memory: Path) -> None:
    images.say(f"booting a machine of Debian {suite} ({chosen}), whose memory is kept")
    new = image / f"{memory.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    machine = Machine(new)
    try:
        machine.create_cold(suite, image, chosen)
        done = subprocess.run(machine.ssh(_READY), stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        if done.returncode:
            raise qemu.Lost(f"a machine of Debian {suite} does not boot reliably")
        machine.qemu.save(new / "state")
    finally:
        machine.qemu.kill()
    new.rename(memory)
