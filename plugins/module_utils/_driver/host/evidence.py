# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on this host and holds, names or mounts a store, without the engines' commands. PRIVATE to the collection.

An engine locks its databases as long as it runs, whatever its paths and configuration, and /proc/locks tells the
process. It shows only the processes of our pid namespace and of those below.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import typing as t

from ..._linux import mountinfo
from ..._linux.user_namespace import belongs_to_us
from ..in_use.proc import UNSEEN, command_of, path_of

# Databases that an engine locks, and where its data root lies, seen from there.
_DATABASES = (
    (re.compile(r"(.*)/io\.containerd\.metadata\.v1\.bolt/meta\.db"), "containerd"),
    (re.compile(r"(.*)/volumes/metadata\.db"), "docker"),
    (re.compile(r"(.*)/buildkitd\.lock"), "buildkit"),
)
_DAEMONS = frozenset(["dockerd", "containerd", "k3s", "k3s-server", "k3s-agent", "rke2", "buildkitd"])
_OPTIONS = {
    "--data-root": "root",
    "--graph": "root",
    "-g": "root",
    "--root": "root",
    "--data-dir": "root",
    "-d": "root",
    "--config": "config",
    "--config-file": "config",
    "-c": "config",
    "--address": "address",
    "-a": "address",
}
_OF_STORAGE_OPTIONS = {"--root": "root"}
_ATTACHED = ("-g", "-d", "-c", "-a")  # options whose value may stand right behind them
# They stay while a container runs, and name the store, or the configuration that moves the store.
_OF_STORAGE = frozenset(["conmon", "crio", "podman", "buildah"])
_VARIABLES = (b"CONTAINERS_STORAGE_CONF=", b"CONTAINERS_STORAGE_CONF_OVERRIDE=")
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_MOST = 65536  # bytes of a command line that are read
_MOST_OVERLAYS = 20_000  # mounts of a namespace that are looked at
_MOST_FILES = 65536  # open files of a process that are looked at; the databases are among the first


class Holder(t.NamedTuple):
    """A process that has a database locked. dev, inode: of the database."""

    pid: int
    command: str
    uid: int
    engine: str
    root: str  # as the process sees it
    dev: int
    inode: int


class Daemon(t.NamedTuple):
    """A process that is called as an engine's daemon, with the paths in its arguments or its environment.

    features: its arguments choose features, too. started: seconds since 1970.
    """

    pid: int
    command: str
    uid: int
    root: str  # "" for none
    config: str
    address: str
    features: bool
    started: float


class Overlay(t.NamedTuple):
    """A mounted overlay. uid: of the process that sees it, None if only root can mount in its namespace.

    here: it is in our own mount namespace.
    """

    upper: str  # "" for a read-only one
    lowers: tuple[str, ...]
    mount_point: str
    uid: int | None
    here: bool = False


class Evidence(t.NamedTuple):
    """blind: engines may run that /proc does not show."""

    holders: list[Holder]
    daemons: list[Daemon]
    overlays: list[Overlay]
    blind: bool


def gather_evidence() -> Evidence:
    """Return what runs. Raises OSError without /proc."""
    holders = [holder for pid, inodes in _locking().items() for holder in _holders(pid, inodes)]
    return Evidence(holders, list(_daemons()), list(find_overlays()), _is_blind())


def _is_blind() -> bool:
    return os.readlink("/proc/self/ns/pid") != _INITIAL_PID_NAMESPACE


def _locking() -> dict[int, set[int]]:
    """Return by process the inodes that it has locked by flock."""
    found: dict[int, set[int]] = {}
    with open("/proc/locks", encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if len(words) >= 6 and words[1] == "FLOCK" and words[4].isdigit():
                with contextlib.suppress(ValueError):
                    found.setdefault(int(words[4]), set()).add(int(words[5].rpartition(":")[2]))
    return found


def _holders(pid: int, inodes: set[int]) -> t.Iterator[Holder]:
    """Yield the databases that a process has locked. The dev in /proc/locks is not that of stat on btrfs."""
    with contextlib.suppress(*UNSEEN):
        uid = os.stat(f"/proc/{pid}").st_uid
        with os.scandir(f"/proc/{pid}/fd") as entries:
            fds = [entry.name for entry in itertools.islice(entries, _MOST_FILES)]
        for fd in fds:
            link = f"/proc/{pid}/fd/{fd}"
            with contextlib.suppress(*UNSEEN):
                target = path_of(link)
                for pattern, engine in _DATABASES:
                    match = pattern.fullmatch(target)
                    status = os.stat(link) if match else None
                    if match and status and status.st_ino in inodes:
                        yield Holder(pid, command_of(pid), uid, engine, match[1] or "/", status.st_dev, status.st_ino)


def _daemons() -> t.Iterator[Daemon]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(*UNSEEN), open(f"/proc/{pid}/cmdline", "rb") as file:
            words = [os.fsdecode(word) for word in file.read(_MOST).split(b"\0")]
            command = os.path.basename(words[0])
            if command not in _DAEMONS and command not in _OF_STORAGE:
                continue
            uid = os.stat(f"/proc/{pid}").st_uid
            if command in _DAEMONS:
                paths = [_paths(words[1:], pid, _OPTIONS)]
            else:
                named = [{"config": config} for config in _storage_configs(pid)]
                paths = [one for one in (_paths(words[1:], pid, _OF_STORAGE_OPTIONS), *named) if one]
            features = any(word.startswith("--feature") for word in words)
            for one in paths:
                told = (one.get("root", ""), one.get("config", ""), one.get("address", ""))
                yield Daemon(int(pid), command, uid, *told, features, started(int(pid)))


def _storage_configs(pid: str) -> t.Iterator[str]:
    """Yield the storage.conf that the environment of a process names."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        for word in file.read(_MOST).split(b"\0"):
            if word.startswith(_VARIABLES):
                path = os.fsdecode(word.partition(b"=")[2])
                if path.startswith("/"):
                    yield path


def started(pid: int) -> float:
    """Return when a process started, in seconds since 1970. Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    with open("/proc/stat", "rb") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith(b"btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _paths(words: list[str], pid: str, options: t.Mapping[str, str]) -> dict[str, str]:
    found = {}
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option[:2] in _ATTACHED and len(option) > 2:
            option, equals, value = word[:2], "=", word[2:].lstrip("=")
        if option in options:
            path = value if equals else "".join(words[index + 1 : index + 2])
            found[options[option]] = path if path.startswith("/") else os.path.join(path_of(f"/proc/{pid}/cwd"), path)
    return found


def find_overlays() -> t.Iterator[Overlay]:
    """Yield the overlays of each mount namespace once."""
    seen: set[str] = set()
    own = os.readlink("/proc/self/ns/mnt")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(*UNSEEN, OSError):
            its = os.readlink(f"/proc/{pid}/ns/mnt")
            if its in seen:
                continue
            with open(f"/proc/{pid}/mountinfo", "rb") as file:
                lines = list(itertools.islice((line for line in file if b" - overlay " in line), _MOST_OVERLAYS))
            seen.add(its)
            if lines:
                ours = belongs_to_us(f"/proc/{pid}/ns/mnt")
                uid = None if ours else os.stat(f"/proc/{pid}").st_uid
                for mount in mountinfo.parse(b"".join(lines).rstrip(b"\n")):
                    yield _overlay(mount, uid, its == own)


def _overlay(mount: mountinfo.Mount, uid: int | None, here: bool) -> Overlay:
    upper, lowers = "", []
    for option in mount.super_options.split(","):
        key, _equals, value = option.partition("=")
        if key == "upperdir":
            upper = mountinfo.unescape(value)
        elif key in ("lowerdir", "lowerdir+"):
            lowers += [mountinfo.unescape(one) for one in value.split(":") if one]
    return Overlay(upper, tuple(lowers), mount.mount_point, uid, here)
