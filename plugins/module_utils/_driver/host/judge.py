# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a store is in use, and the proof. Pure. PRIVATE to the collection.

A store is abandoned if nobody has it open and the engine that owns its data root runs, or would start, on another.
Anything less is idle. If /proc does not show all processes, what seems idle is unknown.
"""

from __future__ import annotations

import typing as t

from ..._errors import printable
from .state import ABANDONED, ACTIVE, BUILDKIT, CONTAINERD, DOCKER, IDLE, STORAGE, STRATA, UNKNOWN, State

if t.TYPE_CHECKING:
    from .evidence import Holder
    from .settings import DockerSettings


class Case(t.NamedTuple):
    """What is known of one store.

    holder:   the engine that has the root's databases locked. mounted: overlays of the store, in all mount namespaces.
    settings: of docker, None if a dockerd runs with others than those that could be read.
    knows_containerd: the dockerd that last used the root knows containerd's store.
    moved:    the data root that the engine's configuration names instead of this one, "" for none.
    """

    engine: str | None
    kind: str
    holder: Holder | None
    mounted: int
    settings: DockerSettings | None = None
    knows_containerd: bool = False
    moved: str = ""
    owner_known: bool = True
    blind: bool = False


def judge(case: Case) -> State:
    """Return the state of a store."""
    holder = case.holder
    pid, command = (holder.pid, printable(holder.command)) if holder else (0, "")
    if case.mounted:
        return State(ACTIVE, f"{case.mounted} of its overlays are mounted", pid, command)
    if case.engine == DOCKER:
        return _of_docker(case, pid, command)
    if holder:
        return State(ACTIVE, f"{command} {pid} has its database open", pid, command)
    if case.moved and case.engine == STORAGE and not case.blind:  # podman runs only while it does something
        return State(ABANDONED, f"no layer is mounted, and storage.conf names {printable(case.moved)} instead")
    if not case.owner_known:
        return State(UNKNOWN, "no layer is mounted, and its owner is not a user of this host")
    return _unused(case)


def _of_docker(case: Case, pid: int, command: str) -> State:
    settings = case.settings
    if settings is None or not settings.readable:
        if pid:
            return State(
                UNKNOWN, f"{command} {pid} runs on its data root, with settings that cannot be read", pid, command
            )
        return State(UNKNOWN, "no layer is mounted, and the settings of dockerd cannot be read")
    chosen = "features.containerd-snapshotter in daemon.json chooses containerd's store"
    if pid and settings.containerd:
        if not case.knows_containerd:
            return State(
                UNKNOWN, f"{command} {pid} runs on its data root; {chosen}, which an old dockerd ignores", pid, command
            )
        return State(ABANDONED, f"{command} {pid} runs on containerd's store: {chosen}", pid, command)
    if pid:
        return State(ACTIVE, f"{command} {pid} runs on its data root", pid, command)
    if case.moved and not case.blind:
        return State(
            ABANDONED, f"no dockerd runs on its data root, and daemon.json names {printable(case.moved)} instead"
        )
    if settings.containerd and case.knows_containerd and not case.blind:
        return State(ABANDONED, f"dockerd does not run on its data root, and would start on another store: {chosen}")
    return _unused(case)


def _unused(case: Case) -> State:
    if case.blind:
        return State(UNKNOWN, "no use was found, but this pid namespace does not show all processes of the host")
    why = {
        DOCKER: "no dockerd runs on its data root, and no layer is mounted",
        CONTAINERD: "no process has meta.db locked, and no layer is mounted",
        BUILDKIT: "no process has buildkitd.lock locked",
        STORAGE: "no layer is mounted",
        STRATA: "no layer is mounted",
    }.get(case.engine or "")
    return State(IDLE, why) if why else State(UNKNOWN, "no layer is mounted, and nothing tells the engine")
