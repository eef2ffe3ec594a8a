# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker from a distribution's packages, on a data root of the test's own. The test starts and ends Docker."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

ENGINES = os.environ.get("STRATA_ENGINES", "")  # where ./dev unpacked them
PATIENCE = 60  # seconds for a daemon to start or end
_CGROUPS = "/sys/fs/cgroup"
# Where a daemon writes whatever its options say: it sees a tmpfs there.
_PLACES = ("/etc/docker", "/opt/containerd", "/run/docker", "/run/containerd")
_HIDE = 'for place in $PLACES; do mount -t tmpfs tmpfs "$place"; done; exec "$@"'


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which the unpacked programs find each other and their libraries."""
    programs = [f"{ENGINES}/{place}" for place in ("usr/sbin", "usr/bin", "sbin", "bin")]
    libraries = glob.glob(f"{ENGINES}/usr/lib/*-linux-gnu*")
    path = os.pathsep.join([*programs, "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
    return {"PATH": path, "LD_LIBRARY_PATH": os.pathsep.join(libraries), "LC_ALL": "C.UTF-8", **more}


class Docker:
    """dockerd with its data in *root*, which outlives it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "overlay2"
        self._process: subprocess.Popen[bytes] | None = None
        self._run = ""

    @contextlib.contextmanager
    def running(self) -> t.Iterator[None]:
        """Have it run, in a mount namespace of its own, and gone afterwards."""
        # Sockets have short names, and the directory of a test may have a long one.
        with tempfile.TemporaryDirectory(prefix="strata-docker-", dir="/tmp") as self._run, _directories(_PLACES):
            # Without it, new versions keep new images in another store.
            Path(self._run, "daemon.json").write_text('{"features": {"containerd-snapshotter": false}}')
            Path(self._run, ".docker").mkdir()
            Path(self._run, ".docker/cli-plugins").symlink_to(f"{ENGINES}/usr/libexec/docker/cli-plugins")
            self.start()
            try:
                yield
            finally:
                self.end()
                self._remove_cgroups()

    @property
    def pid(self) -> int:
        """The daemon's process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal; start() has it go on."""
        process = self._process
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)
            self._process = None

    def __call__(self, *words: str, stdin: bytes | t.IO[bytes] = b"") -> str:
        """Run a docker command, and return what it prints."""
        return self.output(*words, stdin=stdin).decode().strip()

    def output(self, *words: str, stdin: bytes | t.IO[bytes] = b"") -> bytes:
        """Run a docker command, and return the bytes it prints."""
        given: dict[str, t.Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        done = subprocess.run(self.command(*words), env=self._environment(), capture_output=True, check=False, **given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def command(self, *words: str) -> list[str]:
        """Return a docker command as a list."""
        return ["docker", "--host", f"unix://{self._run}/sock", *words]

    def popen(self, *words: str, **more: t.Any) -> subprocess.Popen[bytes]:
        """Start a docker command."""
        return subprocess.Popen(self.command(*words), env=self._environment(), **more)

    def inspect(self, name: str) -> dict[str, t.Any]:
        """Return what it knows of an image or a container."""
        return t.cast("dict[str, t.Any]", json.loads(self("inspect", name))[0])

    def info(self, key: str) -> t.Any:
        """Return a part of what it tells of itself."""
        return json.loads(self("info", "--format", f"{{{{json .{key}}}}}"))

    def _environment(self) -> dict[str, str]:
        return environment(HOME=self._run, DOCKER_BUILDKIT="1", BUILDKIT_PROGRESS="plain")

    @property
    def run_directory(self) -> str:
        """Where it has its sockets: whatever it starts names it, or lies below it."""
        return self._run

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--bridge=none",
            "--storage-driver=overlay2",
        ]
        places = [f"--data-root={self.root}", f"--exec-root={self._run}/exec", f"--pidfile={self._run}/pid"]
        host = [f"--host=unix://{self._run}/sock", f"--config-file={self._run}/daemon.json"]
        parent = f"--cgroup-parent=/{os.path.basename(self._run)}"
        with open(self.root.parent / "dockerd.log", "ab") as log:
            command = ["unshare", "--mount", "sh", "-euc", _HIDE, "sh", "dockerd", *options, *places, *host, parent]
            env = environment(HOME=self._run, PLACES=" ".join(_PLACES))
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not os.path.exists(f"{self._run}/sock") or self.popen("version", stdout=-3, stderr=-3).wait() != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.root.parent / "dockerd.log").read_text()[-4000:])
            time.sleep(0.05)

    def _remove_cgroups(self) -> None:
        name = os.path.basename(self._run)
        for place in [*glob.glob(f"{_CGROUPS}/{name}"), *glob.glob(f"{_CGROUPS}/*/{name}")]:
            for directory, _unused, _unused in os.walk(place, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)


@contextlib.contextmanager
def _directories(paths: t.Iterable[str]) -> t.Iterator[None]:
    """Have these directories; afterwards those are gone that were not there."""
    made = [path for path in paths if not os.path.isdir(path)]
    for path in made:
        os.mkdir(path)
    try:
        yield
    finally:
        for path in made:
            os.rmdir(path)


def unmount_below(directory: str) -> None:
    """Unmount what an engine left mounted below *directory*."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        points = [line.split()[1] for line in file]
    for point in reversed(points):
        if point.startswith(f"{directory}/"):
            subprocess.run(["umount", "--lazy", point], check=True)


def busybox() -> Path:
    """Return a program that needs no library and can do what a test asks of a container."""
    found = shutil.which("busybox", path=environment()["PATH"])
    assert found, "busybox-static is not unpacked"
    return Path(found)
