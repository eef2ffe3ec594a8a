# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of overlay2_prune in containerd's store: which directories go. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import StoreForeign
from ..._store.engine import CONTAINERD, store_foreign_error
from ..plan import Action, Plan
from ..prune.plan import check_number
from ..prune.state import Decision, PruneOptions, Pruning
from ..prune.warnings import litter_warnings
from .state import SNAPSHOTS, Orphan, SnapshotsState

_ALLOWED = ("orphans_only", "remove_foreign", "max_seconds", "max_remove")
_STOP = "stop containerd and whatever starts it, such as docker, kubelet or k3s; containers may go on running"


def check_selection(home: str, wanted: PruneOptions) -> PruneOptions:
    """Return the options, which select orphans and nothing else. Raises StoreForeign."""
    usual = PruneOptions()._asdict()
    others = [name for name, value in wanted._asdict().items() if name not in _ALLOWED and value != usual[name]]
    if others:
        raise _selection_error(home, f"select snapshots by {', '.join(others)}", f"without {', '.join(others)}")
    if not wanted.orphans_only:
        raise _selection_error(home, "remove anything but orphans", "and no other option that selects layers")
    return wanted


def _selection_error(home: str, what: str, but: str) -> StoreForeign:
    return store_foreign_error(
        home,
        CONTAINERD,
        what,
        "and only directories that none of its records names may go there",
        hint=f"give orphans_only: true {but}; containerd's own tools remove what its records name",
    )


def plan_orphans(wanted: PruneOptions, have: SnapshotsState) -> Plan[SnapshotsState]:
    """Return the plan: remove orphans, and sweep what earlier runs left. Raises TooManyLayers, StoreForeign."""
    staying = {name: why for name, orphan in have.orphans.items() if (why := _why_kept(orphan, wanted))}
    going = [name for name in in_order(have.orphans) if name not in staying]
    check_number(wanted, have.home, len(going), len(have.orphans) + len(have.needed))
    if going and have.running:
        what = f"remove {SNAPSHOTS}/{going[0]}"
        raise store_foreign_error(have.home, CONTAINERD, what, f"which runs: {have.running}", hint=_STOP)
    sweeping = tuple(found for found in have.litter if wanted.remove_foreign and not found.stuck)
    decisions = tuple(_decisions(have, going, staying))
    freed = sum(decision.exclusive or 0 for decision in decisions if decision.goes)
    freed += sum(found.bytes for found in sweeping)
    after = have._replace(
        orphans={name: orphan for name, orphan in have.orphans.items() if name in staying},
        litter=tuple(found for found in have.litter if found not in sweeping),
        pruning=Pruning(decisions, have.litter, freed),
    )
    warnings = [*filter(None, [have.error]), *litter_warnings(have.home, have.litter)]
    return Plan(_actions(wanted, going, sweeping), after, warnings=warnings)


def orphan_bytes(have: SnapshotsState) -> int | None:
    """Return the bytes that a removal frees, containerd running or not; None if no orphan can be told."""
    if have.error:
        return None
    return sum(one.tree.bytes for one in have.orphans.values() if not _why_kept(one, PruneOptions(remove_foreign=True)))


def in_order(names: t.Iterable[str]) -> list[str]:
    """Return the names of directories, by their numbers."""
    return sorted(names, key=lambda name: (len(name), name))


def _actions(wanted: PruneOptions, going: t.Sequence[str], sweeping: tuple[t.Any, ...]) -> list[Action]:
    if not going and not sweeping:
        return []
    from ..prune.sweep import Sweep  # imported late: an empty plan does not need them, and each import is compiled
    from .actions import RemoveOrphan

    actions: list[Action] = [RemoveOrphan(name, wanted.max_seconds) for name in going]
    return [*actions, Sweep(sweeping, wanted.max_seconds)] if sweeping else actions


def _why_kept(orphan: Orphan, wanted: PruneOptions) -> str:
    """Return why an orphan stays, "" if it goes."""
    if orphan.tree.unread:
        return f"it cannot be read: {orphan.tree.unread}"
    if orphan.users:
        return f"busy: {orphan.users}"
    return "" if wanted.remove_foreign else f"none of {CONTAINERD}'s records names it, but foreign is not set to remove"


def _decisions(have: SnapshotsState, going: t.Iterable[str], staying: t.Mapping[str, str]) -> t.Iterator[Decision]:
    """Yield the orphans that go, the orphans that stay, and the directories that containerd needs."""
    for name in going:
        reason = f"orphan: none of {CONTAINERD}'s records names it; selected by orphans_only"
        yield Decision(name, True, reason, have.orphans[name].tree.bytes, 0)
    for name in in_order(staying):
        tree = have.orphans[name].tree
        yield Decision(name, False, f"orphan: {staying[name]}", None if tree.unread else tree.bytes, 0)
    for name in in_order(have.needed):
        yield Decision(name, False, have.needed[name].reason, None, have.needed[name].size)
