# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that may be data roots of engines on this host. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import typing as t

from ..._linux.noatime import read_quietly
from . import settings
from .places import Untouched, open_place
from .state import Candidate

if t.TYPE_CHECKING:
    from .evidence import Daemon, Evidence, Overlay

_DEFAULTS = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/lib/k0s/containerd",
    "/var/snap/docker/common/var-lib-docker",
    "/var/snap/microk8s/common/var/lib/containerd",
    "/var/lib/containers/storage",
    "/var/lib/buildkit",
    "/var/lib/overlay2",
)
_IN_A_HOME = ("docker", "containerd", "buildkit", "containers/storage")
_SHARE = ".local/share"
_CONTAINERD_IN_K3S = "agent/containerd"
DAEMON_JSON = "/etc/docker/daemon.json"
_CONTAINERD_CONFIG = ("/etc/containerd/config.toml", "/etc/containerd/conf.d/*.toml")
_BUILDKIT_CONFIG = "/etc/buildkit/buildkitd.toml"
STORAGE_CONFIG = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_STORAGE_PARTS = ("/etc/containers/storage.conf.d/*.conf", "/usr/share/containers/storage.conf.d/*.conf")
_STORAGE_VARIABLES = ("CONTAINERS_STORAGE_CONF", "CONTAINERS_STORAGE_CONF_OVERRIDE")
_K3S_CONFIG = ("/etc/rancher/*/config.yaml", "/etc/rancher/*/config.yaml.d/*.yaml")
_PASSWD = "/etc/passwd"
_HOME = "/home"
_MOST = 10_000  # homes; candidates of the mounts
_UPPER = re.compile(
    r"(?P<containerd>/.*)/io\.containerd\.snapshotter\.v1\.[^/]+/snapshots/\d+/fs|(?P<home>/.*)/[^/]+/(?:diff|merged)"
)


class User(t.NamedTuple):
    name: str
    uid: int
    home: str


def candidates(evidence: Evidence, asked: t.Iterable[str], slow: t.Container[str]) -> t.Iterator[Candidate]:
    """Yield the candidates, the same path several times if several ways lead to it."""
    for path in asked:
        yield Candidate(path, "asked", None)
    for path in _DEFAULTS:
        yield Candidate(path, "default", None)
    for path in (*_configured(), *_of_configs(evidence.daemons)):
        yield Candidate(path, "config", None)
    for holder in evidence.holders:
        yield Candidate(holder.root, "lock", holder.uid or None)
    for daemon in evidence.daemons:
        if daemon.root:
            root = daemon.root
            yield Candidate(root, "argument", daemon.uid or None)
            yield Candidate(f"{root}/{_CONTAINERD_IN_K3S}", "argument", daemon.uid or None)
    for path, uid in sorted(
        {(path, overlay.uid) for overlay in evidence.overlays for path in _roots_of(overlay)}, key=str
    ):
        yield Candidate(path, "mount", uid)
    for home in _homes(slow):
        for name in _IN_A_HOME:
            yield Candidate(f"{home}/{_SHARE}/{name}", "home", None)
    for path in _rootless_paths():
        yield Candidate(path, "config", None)


def _configured() -> t.Iterator[str]:
    yield settings.docker_settings(DAEMON_JSON).root
    for path in _matching(_CONTAINERD_CONFIG):
        yield from settings.containerd_roots(path)
    yield from settings.containerd_roots(_BUILDKIT_CONFIG)
    for path in (*STORAGE_CONFIG, *_matching(_STORAGE_PARTS), *filter(None, map(os.environ.get, _STORAGE_VARIABLES))):
        yield from settings.storage_roots(path)
    for path in _matching(_K3S_CONFIG):
        yield from _of_k3s(path)


def _matching(patterns: t.Iterable[str]) -> list[str]:
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def _of_k3s(path: str) -> list[str]:
    return [f"{directory}/{_CONTAINERD_IN_K3S}" for directory in settings.data_dirs(path)]


def _of_configs(daemons: t.Iterable[Daemon]) -> t.Iterator[str]:
    for daemon in daemons:
        if daemon.config and not daemon.uid:
            yield settings.docker_settings(daemon.config).root
            yield from settings.containerd_roots(daemon.config)
            yield from settings.storage_roots(daemon.config)
            yield from _of_k3s(daemon.config)


def _roots_of(overlay: Overlay) -> t.Iterator[str]:
    """Yield the data roots that a mount may belong to; a home may be a data root itself."""
    for path in (overlay.upper, overlay.mount_point, *overlay.lowers[:1]):
        match = _UPPER.fullmatch(path)
        if match and match["containerd"]:
            yield match["containerd"]
        elif match:
            yield match["home"]
            yield os.path.dirname(match["home"])


def users() -> list[User]:
    """Return the users of /etc/passwd. A directory service is not asked: its server may keep us waiting."""
    found = []
    for line in os.fsdecode(read_quietly(_PASSWD)).splitlines()[:_MOST]:
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit():
            found.append(User(fields[0], int(fields[2]), fields[5]))
    return found


def _homes(slow: t.Container[str]) -> list[str]:
    """Return the homes of users, also of those who are gone or in a directory service, below /home."""
    found = dict.fromkeys(user.home for user in users() if user.home.startswith("/") and user.home != "/")
    with contextlib.suppress(OSError, Untouched):
        place = open_place(_HOME, slow)
        try:
            with os.scandir(place.fd) as entries:
                for _number, entry in zip(range(_MOST), entries):
                    found.setdefault(f"{_HOME}/{entry.name}")
        finally:
            os.close(place.fd)
    return list(found)


def _rootless_paths() -> t.Iterator[str]:
    patterns = filter(None, map(settings.rootless_storage_path, STORAGE_CONFIG))
    for pattern in patterns:
        for user in users():
            path = pattern
            for name, value in (("HOME", user.home), ("UID", str(user.uid)), ("USER", user.name)):
                path = path.replace(f"${name}", value).replace(f"${{{name}}}", value)
            yield path
