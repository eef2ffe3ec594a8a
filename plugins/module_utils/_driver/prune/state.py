# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of overlay2_prune, the state of a store, and the decisions. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import StoreCorrupt
from ..._store.last_use import Times
from ..layers.disk_usage import Tree
from ..layers.images import Images
from ..layers.litter import Litter
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..._store.lost import Lost
    from ..in_use.engine import EngineUse


class Amount(t.NamedTuple):
    """A number of bytes or of layers. percent: the number is a share of all bytes or layers, in percent."""

    amount: float
    percent: bool = False

    def of(self, all: int) -> float:
        """Return the amount in bytes or layers. all: how many exist."""
        return all * self.amount / 100 if self.percent else self.amount

    def __str__(self) -> str:
        return f"{self.amount:g}{'%' if self.percent else ''}"


class PruneOptions(t.NamedTuple):
    """The options of a prune; None: not given. A layer is removed only if all given options allow its removal.

    keep:                   ids or globs of layers that stay.
    match:                  ids or globs: only these layers may be removed.
    keep_last:              how many of the newest layers of each lineage stay.
    unused_for, older_than: seconds.
    orphans_only:           only layers that no record of the store's other engine names.
    remove_foreign:         allow the removal of orphans and litter from the store of another engine.
    max_seconds:            how long to delete.
    max_remove:             remove no layer if the plan removes more layers.
    until_free:             how much of the filesystem must be free.
    until_used:             how much of the filesystem the layers may use.
    keep_images:            names or globs of images whose layers stay.
    drop_holders:           let holders go that hold for this many seconds or more.
    """

    keep: tuple[str, ...] = ()
    keep_last: int | None = None
    match: tuple[str, ...] | None = None
    unused_for: int | None = None
    older_than: int | None = None
    until_free: Amount | None = None
    until_used: Amount | None = None
    orphans_only: bool = False
    remove_foreign: bool = False
    max_seconds: int | None = None
    max_remove: Amount | None = None
    keep_images: tuple[str, ...] = ()
    drop_holders: int | None = None

    @property
    def selectors(self) -> list[str]:
        """The given options that select layers. Without one, no layer is removed."""
        names = ("keep_last", "match", "unused_for", "older_than", "until_free", "until_used")
        given = [name for name in names if getattr(self, name) is not None]
        return [*given, "orphans_only"] if self.orphans_only else given


class Held(t.NamedTuple):
    """How a layer is held.

    ages:     by holder, for how many seconds; None if that is not known.
    obstacle: why its mount cannot end, in words; looked for only if all holders may go.
    volatile: it was mounted volatile in this boot; looked for like the obstacle.
    """

    ages: t.Mapping[str, float | None] = {}
    obstacle: str = ""
    volatile: bool = False


class FoundLayer(t.NamedTuple):
    """A layer as it was found. The texts are "" for nothing.

    tree:   the size of its directory.
    damage: the damage of the layer; the layer's lowers are then only those that could be read.
    users:  the processes that use the layer, in words.
    needed: why another engine needs the layer.
    orphan: the layer lies in the store of another engine, and none of the engine's records needs it.
    unread: which part of the layer cannot be read, and why, in words.
    """

    layer: LayerState
    tree: Tree
    times: Times
    damage: str = ""
    users: str = ""
    needed: str = ""
    orphan: bool = False
    unread: str = ""
    held: Held = Held()


class Decision(t.NamedTuple):
    """The decision about a layer: whether it *goes*, and the reason.

    exclusive: bytes that the removal of the layer frees.
    shared:    bytes of the layer that other layers still use.
    Both are None for a layer that could not be read.
    """

    id: str
    goes: bool
    reason: str
    exclusive: int | None
    shared: int | None


class Pruning(t.NamedTuple):
    """The decisions of a plan.

    bytes:  what the removal of the layers and of the litter frees.
    spared: removable layers stay, because until_free and until_used are reached without their removal.
    """

    decisions: tuple[Decision, ...] = ()
    litter: tuple[Litter, ...] = ()
    bytes: int = 0
    spared: bool = False


class PruneState(t.NamedTuple):
    """A store as it was found.

    found:        its layers, by id.
    now:          seconds since the epoch.
    size, free:   of the filesystem, in bytes.
    engine:       the other engine that the store belongs to; None for a store of ours.
    engine_users: the processes that use the other engine's data root, in words.
    error:        why the other engine's records cannot be read: any layer may be needed.
    unclaimed:    another tool made the store, and no engine's records are found: nothing in the store is changed.
    lost:         damaged layers that may be built on more layers than their state shows; without orphans.
    working:      ids of the layers that another run works on.
    images:       the images whose layers were put into the store.
    pruning:      the decisions of the plan; empty before planning.
    """

    home: str
    exists: bool
    found: t.Mapping[str, FoundLayer] = {}
    litter: tuple[Litter, ...] = ()
    now: float = 0.0
    size: int = 0
    free: int = 0
    engine: str | None = None
    engine_users: EngineUse | None = None
    error: StoreCorrupt | None = None
    unclaimed: bool = False
    lost: tuple[Lost, ...] = ()
    working: frozenset[str] = frozenset()
    images: Images = Images()
    pruning: Pruning = Pruning()
