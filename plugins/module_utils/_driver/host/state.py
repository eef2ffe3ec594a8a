# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the stores of a host. PRIVATE to the collection."""

from __future__ import annotations

import types
import typing as t

ACTIVE, IDLE, ABANDONED, UNKNOWN = "active", "idle", "abandoned", "unknown"
DOCKER, CONTAINERD, STORAGE, BUILDKIT, STRATA = "docker", "containerd", "containers-storage", "buildkit", "strata"

RECORDS, WALK, NO = "records", "walk", "no"  # how bytes are measured


class Found(t.NamedTuple):
    """A store in an open data root.

    engine: None if nothing tells it. kind: the driver or snapshotter. below: home as a path below the root, "." for it.
    """

    engine: str | None
    kind: str
    below: str


class Candidate(t.NamedTuple):
    """A directory that may be a data root.

    found_by: asked, default, config, home, lock, argument or mount. uid: the user whose word it is, None for root.
    """

    path: str
    found_by: str
    uid: int | None


class Contents(t.NamedTuple):
    """What lies in a store. None: not known. unneeded, namespaces: as the module returns them.

    orphans: the directories that unneeded counts as orphan_directory, as paths below the data root.
    """

    layers: int | None = None
    bytes: int | None = None
    content_bytes: int = 0
    namespaces: t.Mapping[str, t.Mapping[str, int | None]] = types.MappingProxyType({})
    unneeded: t.Sequence[t.Mapping[str, t.Any]] | None = None
    problems: t.Sequence[str] = ()
    orphans: t.Sequence[str] = ()


class State(t.NamedTuple):
    """state: ACTIVE, IDLE, ABANDONED or UNKNOWN. why: its proof. pid, command: who has the store open, 0 for nobody."""

    state: str
    why: str
    pid: int = 0
    command: str = ""
