# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of overlay2_prune: which layers are removed, and why the others stay. Pure. PRIVATE to the collection."""

from __future__ import annotations

import functools
import heapq
import typing as t

from ..._errors import TooManyLayers, printable
from ..._store.engine import SOMEBODY, store_foreign_error
from ..layers.disk_usage import Tree
from ..layers.images import by_chain, topless
from ..layers.litter import Litter
from ..plan import Action, Plan
from .letting_go import find_letting_go
from .reasons import is_called, why_in_use, why_kept, why_needed, with_images
from .state import Decision, PruneOptions, PruneState, Pruning
from .warnings import find_warnings

if t.TYPE_CHECKING:
    from ..._store.images import ImageRecord


def plan_prune(wanted: PruneOptions, have: PruneState) -> Plan[PruneState]:
    """Return the plan: remove layers, children first, and sweep litter. Pure. Raises TooManyLayers, StoreForeign."""
    chooser = _Chooser(wanted, have)
    going = chooser.going
    check_number(wanted, have.home, len(going), len(have.found))
    unread = {id for id, found in have.found.items() if found.unread}
    litter = tuple(found for found in have.litter if found.layer not in {*have.working, *going, *unread})
    sweeping = tuple(found for found in litter if not found.stuck) if chooser.may_sweep else ()
    forgotten = _forgotten(wanted, have, going)
    actions = _actions(wanted, have, chooser, forgotten, sweeping)
    if actions and have.unclaimed:
        raise store_foreign_error(have.home, SOMEBODY, actions[0].describe())
    if actions and have.engine and have.engine_users:
        raise store_foreign_error(
            have.home, have.engine, actions[0].describe(), have.engine_users.why, have.engine_users.hint
        )
    left = {id: found for id, found in have.found.items() if id not in set(going)}
    for id, letting in chooser.letting_go.items():
        if id in left:
            left[id] = left[id]._replace(layer=letting.after)
    touches = {*going, *chooser.letting_go, *(found.layer for found in sweeping)} - {""}
    decisions = tuple(chooser.decisions())
    freed = sum(decision.exclusive or 0 for decision in decisions if decision.goes)
    freed += sum(found.bytes for found in sweeping)
    after = have._replace(
        found=left,
        litter=tuple(found for found in litter if found not in sweeping),
        images=have.images._replace(records=tuple(one for one in have.images.records if one not in forgotten)),
        free=have.free + freed,
        pruning=Pruning(decisions, litter, freed, chooser.spared),
    )
    return Plan(actions, after, warnings=tuple(find_warnings(wanted, have)), must_be_free=sorted(touches))


def _forgotten(wanted: PruneOptions, have: PruneState, going: t.Collection[str]) -> list[ImageRecord]:
    """Return the images that are of no use without the layers *going*: the store cannot give out their top layer.

    An image whose top layer is gone already was recorded when this layer was there. It counts only if each layer can be
    read: a damaged one may be the top layer, and can be repaired. An image that keep_images names stays recorded.
    """
    if have.engine is not None or have.unclaimed:
        return []
    chains = {id: found.layer.chain_id for id, found in have.found.items()}
    left = {id: chain for id, chain in chains.items() if id not in going}
    is_whole = not have.working and not any(found.damage or found.unread for found in have.found.values())
    records = [one for one in have.images.records if not any(is_called(one, glob) for glob in wanted.keep_images)]
    return topless(records, {id: chains[id] for id in going}, left, or_missing=is_whole)


def _actions(
    wanted: PruneOptions,
    have: PruneState,
    chooser: _Chooser,
    forgotten: t.Sequence[ImageRecord],
    sweeping: tuple[Litter, ...],
) -> list[Action]:
    """Return the actions. The record of an image goes after its layers: a killed run leaves it for the next prune."""
    if not chooser.going and not sweeping and not chooser.letting_go and not forgotten:
        return []
    # imported late: an empty plan does not need it, and each host compiles each import
    from ..layers.actions import ForgetImage, RemoveLayer
    from .sweep import Sweep, letting_go_actions

    actions: list[Action] = []
    for _id, letting in sorted(chooser.letting_go.items()):
        actions += letting_go_actions(letting)
    actions += [RemoveLayer(have.found[id].layer, wanted.max_seconds) for id in chooser.going]
    actions += [ForgetImage(record.image_id) for record in forgotten]
    return [*actions, Sweep(sweeping, wanted.max_seconds)] if sweeping else actions


def check_number(wanted: PruneOptions, home: str, count: int, all: int) -> None:
    """Raise TooManyLayers if *count* of *all* layers are more than max_remove allows in one run."""
    if wanted.max_remove is not None and count > wanted.max_remove.of(all):
        raise TooManyLayers(
            f"{count} of {all} layers would be removed from the store at {printable(home)},"
            f" more than max_remove allows ({wanted.max_remove})",
            hint="read the plan: run in check mode without max_remove; if the plan is right, give a larger max_remove",
            remove_count=count,
            layer_count=all,
        )


class _Chooser:
    """Chooses the layers to remove.

    going:     the ids of the layers to remove, children first.
    reasons:   by id, why the other layers stay.
    spared:    layers stay only because until_free and until_used are reached.
    letting_go: by id, which holders of layers the run lets go.
    may_sweep: litter may be swept.
    """

    def __init__(self, wanted: PruneOptions, have: PruneState) -> None:
        self._wanted = wanted
        self._have = have
        self._above: dict[str, list[str]] = {id: [] for id in have.found}
        for id, found in have.found.items():
            for lower in found.layer.lowers:
                self._above.setdefault(lower, []).append(id)
        self.may_sweep = not have.unclaimed and (have.engine is None or (wanted.remove_foreign and have.error is None))
        self.letting_go = find_letting_go(wanted, have)
        newest = _newest(have, wanted.keep_last or 0)
        images = by_chain(have.images.records)
        self._images = {id: images.get(found.layer.chain_id or "", ()) for id, found in have.found.items()}
        self.reasons = {
            id: (
                why_in_use(found, have, wanted, id in have.working, self._let_go(id))
                or why_needed(found, have)
                or why_kept(found, have, wanted, id in newest, self._images[id])
            )
            for id, found in have.found.items()
        }
        self.spared = False
        chosen = self._choose()
        self.going = sorted(chosen, key=lambda id: (-len(have.found[id].layer.lowers), id))

    def _let_go(self, id: str) -> t.Sequence[str]:
        """Return the holders of a layer that the run lets go."""
        return self.letting_go[id].names if id in self.letting_go else ()

    def _choose(self) -> set[str]:
        """Pick layers to remove, least recently used first, children before parents, until enough is freed."""
        found = self._have.found
        may = {id for id, reason in self.reasons.items() if not reason}
        on_it = {id: len(self._above[id]) for id in found}
        ready = [self._order(id) for id in may if not on_it[id]]
        heapq.heapify(ready)
        going: set[str] = set()
        freed = _Freed()
        by_litter = self._by_litter()
        while ready and not self._is_enough(freed.bytes, by_litter):
            id = heapq.heappop(ready)[-1]
            going.add(id)
            freed.free(found[id].tree)
            by_litter.pop(id, None)  # the tree includes the litter in the layer
            for lower in found[id].layer.lowers:
                if lower in on_it:
                    on_it[lower] -= 1
                    if not on_it[lower] and lower in may:
                        heapq.heappush(ready, self._order(lower))
        for id in may - going:
            kept = sorted(child for child in self._above[id] if child not in may)
            why = f"layer {kept[0]}, which stays, is built on it" if kept else self._enough_reason()
            self.spared |= not kept
            self.reasons[id] = why
        return going

    def _order(self, id: str) -> tuple[bool, float, str]:
        """Return the sort key of a layer: least recently used first, layers with impossible times last."""
        times = self._have.found[id].times
        return not times.is_possible(self._have.now), times.used, id

    def _is_enough(self, freed: int, by_litter: t.Mapping[str, int]) -> bool:
        """Tell whether until_free and until_used are reached with *freed* bytes; False if neither is given."""
        wanted, have = self._wanted, self._have
        if wanted.until_free is None and wanted.until_used is None:
            return False
        free = have.free + freed + sum(by_litter.values())
        is_free = wanted.until_free is None or free >= wanted.until_free.of(have.size)
        return is_free and (wanted.until_used is None or self._used - freed <= wanted.until_used.of(have.size))

    @functools.cached_property
    def _used(self) -> int:
        """The bytes of all layers; a hard-linked file counts once."""
        trees = [found.tree for found in self._have.found.values()]
        linked = {inode: file.bytes for tree in trees for inode, file in tree.linked.items()}
        return sum(tree.bytes for tree in trees) + sum(linked.values())

    def _enough_reason(self) -> str:
        names = [name for name in ("until_free", "until_used") if getattr(self._wanted, name) is not None]
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} reached without removing this layer"

    def _by_litter(self) -> dict[str, int]:
        """Return how many bytes the sweep of litter frees, by the layer that holds the litter."""
        found: dict[str, int] = {}
        for litter in self._have.litter if self.may_sweep else ():
            if not litter.stuck:
                found[litter.layer] = found.get(litter.layer, 0) + litter.bytes
        return found

    def decisions(self) -> t.Iterator[Decision]:
        """Yield a decision for each layer: first the layers to remove, in order, then the others by id."""
        freed = _Freed()
        going = set(self.going)
        for id in self.going:
            found = self._have.found[id]
            exclusive = freed.free(found.tree)
            reason = f"selected by {', '.join(self._wanted.selectors)}"
            if found.orphan:
                reason = f"orphan: none of {self._have.engine}'s records names it; {reason}"
            if id in self.letting_go:
                reason += f"; {', '.join(self._let_go(id))} held it for too long (drop_holders)"
            reason = with_images(reason, self._images[id])
            yield Decision(id, True, reason, exclusive, _all_bytes(found.tree) - exclusive)
        for id in sorted(self._have.found.keys() - going):
            found = self._have.found[id]
            reason = ("orphan: " if found.orphan else "") + self.reasons[id]
            if "keep_images" not in reason:
                reason = with_images(reason, self._images[id])
            if found.unread:
                yield Decision(id, False, reason, None, None)
                continue
            alone = all(child in going for child in self._above[id])
            exclusive = freed.would_free(found.tree) if alone else 0
            yield Decision(id, False, reason, exclusive, _all_bytes(found.tree) - exclusive)


class _Freed:
    """Counts freed bytes. A hard-linked file counts when its last name is removed."""

    def __init__(self) -> None:
        self.bytes = 0
        self._names: dict[int, int] = {}

    def would_free(self, tree: Tree) -> int:
        """Return how many bytes the removal of *tree* would free now."""
        last = (
            file.bytes for inode, file in tree.linked.items() if self._names.get(inode, 0) + file.names >= file.links
        )
        return tree.bytes + sum(last)

    def free(self, tree: Tree) -> int:
        """Count *tree* as removed; return how many bytes its removal frees."""
        freed = self.would_free(tree)
        for inode, file in tree.linked.items():
            self._names[inode] = self._names.get(inode, 0) + file.names
        self.bytes += freed
        return freed


def _all_bytes(tree: Tree) -> int:
    return tree.bytes + sum(file.bytes for file in tree.linked.values())


def _newest(have: PruneState, count: int) -> set[str]:
    """Return the *count* newest layers of each lineage: a layer without parent, and all layers built on it."""
    lineages: dict[str, list[str]] = {}
    for id, found in have.found.items():
        lineages.setdefault(found.layer.lowers[-1] if found.layer.lowers else id, []).append(id)

    def age(id: str) -> tuple[float, int, str]:
        return -have.found[id].times.made, -len(have.found[id].layer.lowers), id

    return {id for lineage in lineages.values() for id in sorted(lineage, key=age)[:count]}
