# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of containerd's overlayfs snapshotter as they were found. PRIVATE to the collection."""

from __future__ import annotations

import types
import typing as t

from ..layers.disk_usage import Tree
from ..layers.litter import Litter
from ..prune.state import Pruning

SNAPSHOTS = "snapshots"  # the directory with the snapshots, below home


class Orphan(t.NamedTuple):
    """A directory that no record of the snapshotter names.

    tree: its size. made: when it last changed, in seconds since 1970. users: its users, in words; "" for none.
    """

    tree: Tree
    made: float
    users: str = ""


class Needed(t.NamedTuple):
    """A directory that stays. parent: the directory below, "" for none. size: bytes, as containerd recorded them."""

    reason: str
    parent: str = ""
    depth: int = 0
    size: int | None = None
    inodes: int | None = None
    made: float | None = None


class SnapshotsState(t.NamedTuple):
    """The store of a snapshotter.

    home:    its directory.
    orphans, needed: the directories, by name.
    litter:  what earlier runs moved out of sight, and did not delete.
    now:     seconds since 1970.
    running: who has the databases open, in words; "" for nobody.
    error:   why no directory can be told to be an orphan, in words; "" if it can.
    pruning: the decisions of the plan; empty before planning.
    """

    home: str
    orphans: t.Mapping[str, Orphan] = types.MappingProxyType({})
    needed: t.Mapping[str, Needed] = types.MappingProxyType({})
    litter: tuple[Litter, ...] = ()
    now: float = 0.0
    running: str = ""
    error: str = ""
    pruning: Pruning = Pruning()
