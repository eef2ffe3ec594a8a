# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd from a distribution's packages, on a root of the test's own. The test starts and ends containerd."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import typing as t
from pathlib import Path

from .engines import ENGINES, PATIENCE, environment

# Plugins that need a device, or places that the options do not move.
_WITHOUT = ("grpc.v1.cri", "snapshotter.v1.aufs", "snapshotter.v1.btrfs", "snapshotter.v1.devmapper", "internal.v1.opt")
_ONLY_WHEN_ASKED = """
[plugins."io.containerd.gc.v1.scheduler"]
deletion_threshold = 1000000
mutation_threshold = 1000000
startup_delay = "1h"
"""
OVERLAYFS = "io.containerd.snapshotter.v1.overlayfs"


class Refused(Exception):
    """A command of ctr failed."""


class Containerd:
    """containerd with its data in *root*, which outlives it. collects: its collector runs by itself."""

    def __init__(self, root: Path, collects: bool = True) -> None:
        self.root = root
        self._scheduler = "" if collects else _ONLY_WHEN_ASKED
        self.meta = root / "io.containerd.metadata.v1.bolt/meta.db"
        self.snapshotter = root / OVERLAYFS
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._run = ""

    @contextlib.contextmanager
    def running(self) -> t.Iterator[None]:
        """Have it run, and gone afterwards."""
        # Sockets have short names, and the directory of a test may have a long one.
        self._run = tempfile.mkdtemp(prefix="strata-containerd-", dir="/tmp")
        try:
            without = json.dumps([f"io.containerd.{name}" for name in _WITHOUT])
            Path(self._run, "config.toml").write_text(f"version = 2\ndisabled_plugins = {without}\n{self._scheduler}")
            self.start()
            yield
        finally:
            self.end()
            shutil.rmtree(self._run)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        places = ["--root", str(self.root), "--state", f"{self._run}/state", "--address", f"{self._run}/sock"]
        command = ["containerd", "--config", f"{self._run}/config.toml", *places]
        with open(self.root.parent / "containerd.log", "ab") as log:
            self._process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
        self.pid = self._process.pid
        end = time.monotonic() + PATIENCE
        while not os.path.exists(f"{self._run}/sock") or self.popen("version", stdout=-3, stderr=-3).wait() != 0:
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self.root.parent / "containerd.log").read_text()[-4000:])
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal; start() has it go on."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)
        if self._run:
            Path(self._run, "sock").unlink(missing_ok=True)

    def command(self, *words: str, namespace: str = "default") -> list[str]:
        """Return a ctr command as a list."""
        return ["ctr", "--address", f"{self._run}/sock", "--namespace", namespace, *words]

    def __call__(self, *words: str, namespace: str = "default") -> str:
        """Run a ctr command, and return what it prints. Raises Refused."""
        command = self.command(*words, namespace=namespace)
        done = subprocess.run(command, env=environment(), capture_output=True, check=False)
        if done.returncode:
            raise Refused(done.stderr.decode())
        return done.stdout.decode().strip()

    def popen(self, *words: str, namespace: str = "default", **more: t.Any) -> subprocess.Popen[bytes]:
        """Start a ctr command."""
        return subprocess.Popen(self.command(*words, namespace=namespace), env=environment(), **more)

    def rows(self, *words: str, namespace: str = "default") -> list[list[str]]:
        """Return the rows of a table that ctr prints, without its head."""
        return [line.split() for line in self(*words, namespace=namespace).splitlines()[1:]]


def missing() -> bool:
    """Tell whether this run has no engines."""
    return not ENGINES


def layer_tar(files: t.Mapping[str, bytes]) -> bytes:
    """Return a layer with *files*."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def image_tar(path: Path, name: str, layers: t.Sequence[bytes]) -> Path:
    """Write an OCI archive with one image of these layers, base first; return its path."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict[str, t.Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    prefix = "application/vnd.oci.image"
    packed = [blob(layer, f"{prefix}.layer.v1.tar") for layer in layers]
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in packed]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{prefix}.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), f"{prefix}.config.v1+json"),
        "layers": packed,
    }
    listed = blob(json.dumps(manifest).encode(), f"{prefix}.manifest.v1+json")
    listed["annotations"] = {"io.containerd.image.name": name}
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with tarfile.open(path, "w") as tar:
        for entry_name, content in blobs.items():
            entry = tarfile.TarInfo(entry_name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path
