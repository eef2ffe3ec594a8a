# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts together what is known of a store, for judge(). Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import typing as t

from ..._errors import printable
from ..._linux.nofollow import open_below
from . import settings
from .candidates import CRIO_CONFIG, DAEMON_JSON, STORAGE_CONFIG, matching
from .judge import Case
from .state import BUILDKIT, CONTAINERD, DOCKER, STORAGE, Found

if t.TYPE_CHECKING:
    from .evidence import Evidence, Holder, Overlay
    from .places import Place

_LOCKED = {
    CONTAINERD: "io.containerd.metadata.v1.bolt/meta.db",
    DOCKER: "volumes/metadata.db",
    BUILDKIT: "buildkitd.lock",
}
_CLOCK = 2  # seconds: the kernel tells the time of the boot in whole ones
_DOCKER_ROOT = "/var/lib/docker"
_STORAGE_ROOT = "/var/lib/containers/storage"
_CONTAINERD_ROOT = "/var/lib/containerd"
_CONTAINERD_CONFIG = "/etc/containerd/config.toml"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # ctr finds it by itself
_CTR = {  # of distributions of Kubernetes, by their data roots
    "/var/lib/rancher/k3s/agent/containerd": "k3s ctr",
    "/var/lib/rancher/rke2/agent/containerd": (
        "/var/lib/rancher/rke2/bin/ctr --address /run/k3s/containerd/containerd.sock"
    ),
    "/var/lib/k0s/containerd": "k0s ctr",
    "/var/snap/microk8s/common/var/lib/containerd": "microk8s ctr",
}


def case_of(place: Place, found: Found, home: str, evidence: Evidence) -> Case:
    """Return what is known of the store *found* in the data root *place*."""
    holder = holder_of(place, found.engine or "", evidence)
    return Case(
        found.engine,
        found.kind,
        holder,
        # A container sees its own overlay, too, in its mount namespace.
        len({one[:2] for one in evidence.overlays if _is_of(one, home, place.owner)}),
        settings=_docker_settings(holder, evidence) if found.engine == DOCKER else None,
        knows_containerd=_lies_in(place.fd, "engine-id"),
        moved=_moved(place.path, found.engine),
        owner_known=name_of(place.owner) is not None,
        blind=evidence.blind,
    )


def holder_of(place: Place, engine: str, evidence: Evidence) -> Holder | None:
    """Return the process of root, or of the owner, that has the database of the data root locked."""
    with contextlib.suppress(OSError, KeyError):
        fd = open_below(place.fd, _LOCKED[engine])
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        for holder in evidence.holders:
            if (holder.dev, holder.inode) == (status.st_dev, status.st_ino) and holder.uid in (0, place.owner):
                return holder
    return None


def name_of(uid: int) -> str | None:
    """Return the name of a user, None if the host does not know the user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def ctr_command(place: Place, evidence: Evidence) -> str:
    """Return the command that talks to the containerd of a data root, as well as it can be known."""
    if place.path in _CTR:
        return _CTR[place.path]
    for daemon in evidence.daemons:
        if daemon.command == "containerd" and daemon.uid in (0, place.owner):
            root, address = settings.containerd_place(daemon.config or _CONTAINERD_CONFIG)
            root, address = daemon.root or root or _CONTAINERD_ROOT, daemon.address or address
            if root == place.path and address not in ("", _CONTAINERD_SOCKET):
                return f"ctr --address {shlex.quote(printable(address))}"
    if place.path.endswith("/containerd/daemon"):
        return "ctr --address /run/docker/containerd/containerd.sock"
    return "ctr" if place.path == _CONTAINERD_ROOT else "ctr --address ADDRESS"


def _is_of(overlay: Overlay, home: str, owner: int) -> bool:
    """Tell whether an overlay is made of layers of *home*. Another user's namespace can hold made-up paths."""
    paths = (overlay.upper, overlay.mount_point, *overlay.lowers)
    return overlay.uid in (None, owner) and any(path.startswith(f"{home}/") for path in paths)


def _docker_settings(holder: Holder | None, evidence: Evidence) -> settings.DockerSettings | None:
    """Return the settings that dockerd started with, or would start with; None if they cannot be known."""
    if holder is None:
        return settings.docker_settings(DAEMON_JSON)
    daemon = next((one for one in evidence.daemons if one.pid == holder.pid), None)
    if daemon is None or daemon.features:
        return None
    path = daemon.config or DAEMON_JSON
    with contextlib.suppress(FileNotFoundError):
        try:
            if os.stat(path).st_ctime > daemon.started + _CLOCK:  # dockerd read an earlier version
                return None
        except PermissionError:
            return None
    return settings.docker_settings(path)


def _moved(root: str, engine: str | None) -> str:
    """Return the data root that the configuration names, if *root* is the default one and not that."""
    named: list[str] = []
    if engine == DOCKER and root == _DOCKER_ROOT:
        named = [settings.docker_settings(DAEMON_JSON).root]
    if engine == STORAGE and root == _STORAGE_ROOT:
        of_crio = (path for config in matching(CRIO_CONFIG) for path in settings.storage_roots(config))
        named = [] if root in of_crio else [settings.graph_root(STORAGE_CONFIG)]
    return next((path for path in named if path and os.path.realpath(path) != root), "")


def _lies_in(root: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=root, follow_symlinks=False)
    except OSError:
        return False
    return True
