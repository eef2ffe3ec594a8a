# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that may be data roots of engines on this host. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from . import settings
from .homes import of_homes
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
_CONTAINERD_IN_K3S = "agent/containerd"
DAEMON_JSON = "/etc/docker/daemon.json"
_DAEMON_JSON_OF_SNAP = "/var/snap/docker/current/config/daemon.json"
_CONTAINERD_CONFIG = (
    "/etc/containerd/config.toml",
    "/etc/containerd/conf.d/*.toml",
    "/etc/k0s/containerd.toml",
    "/etc/k0s/containerd.d/*.toml",
)
_BUILDKIT_CONFIG = "/etc/buildkit/buildkitd.toml"
STORAGE_CONFIG = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_STORAGE_PARTS = ("/etc/containers/storage.conf.d/*.conf", "/usr/share/containers/storage.conf.d/*.conf")
CRIO_CONFIG = ("/etc/crio/crio.conf", "/etc/crio/crio.conf.d/*.conf")
_STORAGE_VARIABLES = ("CONTAINERS_STORAGE_CONF", "CONTAINERS_STORAGE_CONF_OVERRIDE")
_K3S_CONFIG = ("/etc/rancher/*/config.yaml", "/etc/rancher/*/config.yaml.d/*.yaml")
_MOST = 10_000  # candidates of the mounts
_UPPER = re.compile(
    r"(?P<containerd>/.*)/io\.containerd\.snapshotter\.v1\.[^/]+/snapshots/\d+/fs|(?P<home>/.*)/[^/]+/(?:diff|merged)"
)


def candidates(evidence: Evidence, asked: t.Iterable[str], slow: t.Container[str]) -> t.Iterator[Candidate]:
    """Yield the candidates, the same path several times if several ways lead to it."""
    for path in asked:
        yield Candidate(path, "asked", None)
    for path in _DEFAULTS:
        yield Candidate(path, "default", None)
    for path in (*_configured(slow), *_of_configs(evidence.daemons, slow)):
        yield Candidate(path, "config", None)
    for holder in evidence.holders:
        yield Candidate(holder.root, "lock", holder.uid or None)
    for daemon in evidence.daemons:
        if daemon.root:
            root = daemon.root
            yield Candidate(root, "argument", daemon.uid or None)
            yield Candidate(f"{root}/{_CONTAINERD_IN_K3S}", "argument", daemon.uid or None)
    mounted = {(path, overlay.uid) for overlay in evidence.overlays for path in _roots_of(overlay)}
    for path, uid in sorted(mounted, key=lambda one: (one[1] is not None, str(one)))[:_MOST]:  # root's word first
        yield Candidate(path, "mount", uid)
    yield from of_homes(filter(None, (settings.rootless_storage_path(path, slow) for path in _storage_configs())), slow)


def _configured(slow: t.Container[str]) -> t.Iterator[str]:
    for path in (DAEMON_JSON, _DAEMON_JSON_OF_SNAP):
        yield settings.docker_settings(path, slow).root
    for path in (*matching(_CONTAINERD_CONFIG), _BUILDKIT_CONFIG):
        yield from settings.containerd_roots(path, slow)
    for path in (*_storage_configs(), *_from_environment(), *matching(CRIO_CONFIG)):
        yield from settings.storage_roots(path, slow)
    for path in matching(_K3S_CONFIG):
        yield from _of_k3s(path, slow)


def _from_environment() -> list[str]:
    return list(filter(None, map(os.environ.get, _STORAGE_VARIABLES)))


def _storage_configs() -> list[str]:
    return [*STORAGE_CONFIG, *matching(_STORAGE_PARTS)]


def matching(patterns: t.Iterable[str]) -> list[str]:
    """Return the paths that exist and that patterns mean."""
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def _of_k3s(path: str, slow: t.Container[str]) -> list[str]:
    return [f"{directory}/{_CONTAINERD_IN_K3S}" for directory in settings.data_dirs(path, slow)]


def _of_configs(daemons: t.Iterable[Daemon], slow: t.Container[str]) -> t.Iterator[str]:
    for daemon in daemons:
        if daemon.config and not daemon.uid:
            yield settings.docker_settings(daemon.config, slow).root
            yield from settings.containerd_roots(daemon.config, slow)
            yield from settings.storage_roots(daemon.config, slow)
            yield from _of_k3s(daemon.config, slow)


def _roots_of(overlay: Overlay) -> t.Iterator[str]:
    """Yield the data roots that a mount may belong to; a home may be a data root itself."""
    for path in (overlay.upper, overlay.mount_point, *overlay.lowers[:1]):
        match = _UPPER.fullmatch(path)
        if match and match["containerd"]:
            yield match["containerd"]
        elif match:
            yield match["home"]
            yield os.path.dirname(match["home"])
