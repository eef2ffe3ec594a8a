# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlay2_prune is asked for, what it finds, and what it decides. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import StoreCorrupt
from ..._store.last_use import Times
from ..layers.disk_usage import Tree
from ..layers.litter import Litter
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..._store.lost import Lost
    from ..in_use.engine import EngineUse


class Amount(t.NamedTuple):
    """So many bytes of a filesystem, or layers of a store; with *percent*, that share of all there are."""

    amount: float
    percent: bool = False

    def of(self, all: int) -> float:
        """Return how many that are, where there are *all*."""
        return all * self.amount / 100 if self.percent else self.amount

    def __str__(self) -> str:
        return f"{self.amount:g}{'%' if self.percent else ''}"


class PruneOptions(t.NamedTuple):
    """What is asked for; None is omitted. A layer goes only if all that is given lets it.

    keep, match:            ids or globs of what stays, and of what alone may go.
    keep_last:              how many of each lineage stay, the newest.
    unused_for, older_than: seconds.
    orphans_only:           only layers of a foreign store that its engine does not know.
    remove_foreign:         orphans may go, and litter, from the store of another engine.
    max_seconds:            how long to delete.
    max_remove:             nothing goes if more layers would.
    until_free, until_used: of the filesystem: how much is to be free, and how much layers may take.
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

    @property
    def selectors(self) -> list[str]:
        """The options that say which layers may go; none: no layer may."""
        names = ("keep_last", "match", "unused_for", "older_than", "until_free", "until_used")
        given = [name for name in names if getattr(self, name) is not None]
        return [*given, "orphans_only"] if self.orphans_only else given


class FoundLayer(t.NamedTuple):
    """A layer as it was found.

    tree:    what its directory takes.
    damage:  what is wrong with it; its lowers are then those that can be told.
    users:   who has it busy, in words.
    unread:  what in it could not be read, and why, in words.
    needed:  why another engine needs it. orphan: it is such an engine's, and nothing needs it.
    """

    layer: LayerState
    tree: Tree
    times: Times
    damage: str = ""
    users: str = ""
    needed: str = ""
    orphan: bool = False
    unread: str = ""


class Decision(t.NamedTuple):
    """What becomes of a layer, and why. exclusive: bytes freed if it goes; shared: those that stay even so.

    Both are None for a layer that could not be read.
    """

    id: str
    goes: bool
    reason: str
    exclusive: int | None
    shared: int | None


class Pruning(t.NamedTuple):
    """What a plan decides. bytes: freed by all of it, litter included.

    spared: layers that could go, too, stay, since until_free and until_used are reached without them.
    """

    decisions: tuple[Decision, ...] = ()
    litter: tuple[Litter, ...] = ()
    bytes: int = 0
    spared: bool = False


class PruneState(t.NamedTuple):
    """A store as it was found.

    found:      its layers, by id.
    now:        seconds since the epoch. size, free: of the filesystem, in bytes.
    engine:     whose store it is, if not ours; its users: who is at work there; error: why it cannot be told
                which layers it needs.
    unclaimed:  somebody else made it, and no engine's records are found: nothing in it is changed.
    lost:       damaged layers that may be built on others than those told, but for orphans.
    working:    ids of the layers that another run works on.
    pruning:    what the plan decides; empty before there is one.
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
    pruning: Pruning = Pruning()
