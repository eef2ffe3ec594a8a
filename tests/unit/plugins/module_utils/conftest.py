# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real filesystems on loop devices, a store by hand, and processes that use it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

MAKERS: dict[str, tuple[list[str], int]] = {  # command and size in MiB; sparse
    "ext4": (["mke2fs", "-q", "-F", "-t", "ext4"], 32),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], 128),
}


@pytest.fixture
def loop_filesystem(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[..., Path]]:
    """Give a function that makes a filesystem, mounts it and returns where; all is gone after the test.

    loop_filesystem(kind, *arguments of its mkfs, options=mount options)
    """
    mounted: list[Path] = []

    def make(kind: str, *arguments: str, options: str = "rw") -> Path:
        command, size = MAKERS[kind]
        if shutil.which(command[0]) is None:
            pytest.skip(f"needs {command[0]}")
        base = tmp_path_factory.mktemp(kind)
        image, mount_point = base / "image", base / "mounted"
        with open(image, "wb") as file:
            file.truncate(size << 20)
        mount_point.mkdir()
        subprocess.run([*command, *arguments, image], check=True, capture_output=True)
        _mount(kind, options, image, mount_point, plain=not arguments and options == "rw")
        mounted.append(mount_point)
        return mount_point

    yield make
    for mount_point in reversed(mounted):
        subprocess.run(["umount", "--recursive", mount_point], check=True)
        (mount_point.parent / "image").unlink()


def _mount(kind: str, options: str, image: Path, mount_point: Path, *, plain: bool) -> None:
    """Mount an image. Skips the test where the kernel lacks the filesystem, or a feature asked for unless *plain*."""
    command = ["mount", "-t", kind, "-o", f"loop,{options}", str(image), str(mount_point)]
    for _attempt in range(5):  # another process may have got the same loop device: there is one list of them for all
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return
    if not plain or kind not in Path("/proc/filesystems").read_text(encoding="ascii").split():
        why = run.stderr.strip().rpartition(f"{mount_point}: ")[2].partition(",")[0]  # without names that differ
        pytest.skip(f"cannot mount {kind} with {options} here: {why}")
    pytest.fail(f"cannot mount {kind}: {run.stderr.strip()}")


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class HandMadeStore:
    """Layers as dockerd lays them out, made without the code under test."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.links: dict[str, str] = {}
        os.makedirs(f"{home}/l")
        Path(f"{home}/.strata.json").write_text('{"format": 1}')  # without it, somebody else's: nothing may change it

    def add(self, id: str, *, work: bool = False) -> str:
        """Make layer *id* with a file named after it; return its link name. work: as in a layer with a parent."""
        link = "".join(LETTERS[byte % 32] for byte in hashlib.sha256(id.encode()).digest()[:26])
        for name in ("diff", "merged", "work") if work else ("diff", "merged"):
            os.makedirs(f"{self.home}/{id}/{name}")
        Path(f"{self.home}/{id}/diff/{id[:200]}").write_text(id)
        os.symlink(f"../{id}/diff", f"{self.home}/l/{link}")
        self.links[id] = link
        return link

    def mount(self, id: str, *lowers: str) -> str:
        """Mount layer *id* as dockerd does, which is made as on *lowers*; return its merged directory."""
        where = f"{self.home}/{id}"
        os.makedirs(f"{where}/work", exist_ok=True)
        Path(f"{where}/lower").write_text(":".join(f"l/{self.links[lower]}" for lower in lowers))
        names = ":".join(f"{self.home}/l/{self.links[lower]}" for lower in lowers)
        data = f"lowerdir={names},upperdir={where}/diff,workdir={where}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", f"{where}/merged"], check=True)
        return f"{where}/merged"


@pytest.fixture
def hand_made_store(tmp_path: Path) -> t.Iterator[t.Callable[..., HandMadeStore]]:
    """Give a function that makes a store in a tmpfs of its own, mounted with a propagation; all goes after the test."""
    mounted: list[Path] = []

    def make(propagation: str = "shared", home: str = "store") -> HandMadeStore:
        filesystem = tmp_path / f"filesystem{len(mounted)}"
        filesystem.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", filesystem], check=True)
        mounted.append(filesystem)
        subprocess.run(["mount", f"--make-{propagation}", filesystem], check=True)
        return HandMadeStore(os.path.join(filesystem, home))

    yield make
    for filesystem in mounted:
        subprocess.run(["umount", "--lazy", filesystem], check=True)


@pytest.fixture
def layers(tmp_path: Path) -> HandMadeStore:
    """A store with the layers app, near and far, on the filesystem of the tests."""
    store = HandMadeStore(str(tmp_path / "store"))
    for id in ("app", "near", "far"):
        store.add(id)
    return store


class Run(t.Protocol):
    def __call__(self, *command: str) -> int: ...


def _name(pid: int) -> str:
    """Return what the kernel calls a process."""
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


@pytest.fixture
def run() -> t.Iterator[Run]:
    """Give a function that starts a command which prints a line when it is ready; killed after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str) -> int:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        if not process.stdout.readline():
            error = process.stderr.read()
            if command[0] == "unshare" and error.startswith("unshare:"):
                pytest.skip(error.strip())
            pytest.fail(error)
        deadline = time.monotonic() + 10  # it has said that it is ready, and not become sleep yet
        while "exec sleep" in " ".join(command) and _name(process.pid) != "sleep" and time.monotonic() < deadline:
            time.sleep(0.01)
        return process.pid

    try:
        yield start
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def run_python(run: Run) -> t.Callable[..., int]:
    """Give a function that starts Python code with arguments, and returns once the code is through and sleeps."""
    before = "import ctypes, os, sys, threading, time\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    after = "\nprint('ready', flush=True)\ntime.sleep(600)\n"
    return lambda code, *arguments: run(sys.executable, "-c", before + code + after, *arguments)


@pytest.fixture
def python_output() -> t.Callable[..., str]:
    """Give a function that runs Python code, which can import us, and returns what it prints; before: a command."""

    def run_code(code: str, *arguments: str, before: t.Sequence[str] = (), fails: bool = False) -> str:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [*before, sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if before and before[0] == "unshare" and done.stderr.startswith("unshare:"):
            pytest.skip(done.stderr.strip())
        assert (done.returncode != 0) is fails, done.stderr
        return done.stdout

    return run_code


@pytest.fixture
def traces() -> t.Callable[..., object]:
    """Give a function that returns all that could betray us: what lies below directories, its times, and the mounts.

    aged: make every time of access so old that any access would change it.
    """

    def paths_in(path: str) -> t.Iterator[str]:
        yield path
        if os.path.isdir(path) and not os.path.islink(path):
            fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
            names = sorted(os.listdir(fd))
            os.close(fd)
            for name in names:
                yield from paths_in(os.path.join(path, name))

    def look(*directories: str | Path, aged: bool = False) -> object:
        found = {}
        for path in [path for directory in directories for path in paths_in(str(directory))]:
            if aged:
                os.utime(path, ns=(1, 2), follow_symlinks=False)
            stat = os.lstat(path)
            times = (stat.st_atime_ns, stat.st_mtime_ns, stat.st_ctime_ns)
            found[path] = (stat.st_ino, stat.st_mode, stat.st_nlink, stat.st_size, *times)
        return found, Path("/proc/self/mountinfo").read_text()

    return look


@pytest.fixture
def make_chain() -> t.Callable[..., Path]:
    """Give a function that makes layers in a store, each on the one before, the last of them read-write."""
    from ansible_collections.strata.overlay2.plugins.module_utils._store import staging  # not there yet above

    def make(home: Path, *ids: str) -> Path:
        lowers: tuple[str, ...] = ()
        for layer_id in ids:
            new = staging.NewLayer(layer_id, staging.new_link(), lowers, layer_id == ids[-1])
            room = staging.Staging(str(home))
            staging.stage_layer(room.path, new)
            staging.publish_layer(str(home), room.path, new)
            room.close()
            lowers = (new.link, *lowers)
        return home

    return make
