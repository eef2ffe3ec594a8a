# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how to make, limit, seal and remove layers. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import (
    DepthExceeded,
    InvalidInput,
    LayerInUse,
    LayerNotFound,
    Overlay2Error,
    ParentMismatch,
    QuotaNotSupported,
    printable,
)
from ..._store.layout import MAX_DEPTH, check_id
from ..plan import Action, Plan
from ..quota.support import rounded
from ..state import LayerState
from .state import LayersState, WantedLayer

if t.TYPE_CHECKING:
    from .actions import MakeLayer


def check_wanted(wanted: t.Sequence[WantedLayer]) -> None:
    """Raise InvalidInput for a list that no store can satisfy. Reads nothing."""
    places: dict[str, int] = {}
    for place, want in enumerate(wanted):
        check_id(want.id)
        if want.id in places:
            raise InvalidInput(f"layer {want.id} is listed twice", hint="name each layer once", id=want.id)
        places[want.id] = place
    for place, want in enumerate(wanted):
        if want.parent:
            check_id(want.parent, f"parent of layer {want.id}:")
            if places.get(want.parent, -1) >= place:
                raise InvalidInput(
                    f"layer {want.id} stands in the list before its parent {want.parent}",
                    hint="put the parent earlier in the list",
                    id=want.id,
                )
        if not want.read_write and (want.size or want.inodes):
            raise InvalidInput(
                f"layer {want.id} is read-only, so it can have no size or inodes limit",
                hint="set read_write: true, or leave the limits out",
                id=want.id,
            )


def plan_present(wanted: t.Sequence[WantedLayer], have: LayersState, *, sealed: bool = False) -> Plan[LayersState]:
    """Plan that each layer of *wanted* exists as the user asks; sealed: and is committed. Pure.

    raises: LayerNotFound, ParentMismatch, LayerInUse, DepthExceeded, InvalidInput, QuotaNotSupported, and have.refusal.
    """
    planner = _Planner(have, sealed)
    for want in wanted:
        planner.add(want)
    after = have._replace(layers=planner.layers, children=planner.children)
    touched = {have.layers[id].id for id in (*planner.sealed, *planner.limited) if id in have.layers}
    return Plan(tuple(planner.actions), after, must_be_free=tuple(sorted(touched)))


class _Planner:
    """Plans a list layer by layer. Each layer is planned on the state that the layers before it leave."""

    def __init__(self, have: LayersState, sealed: bool) -> None:
        self.layers = dict(have.layers)
        self.children = dict(have.children)
        self.actions: list[Action] = []
        self.sealed: set[str] = set()
        self.limited: set[str] = set()
        self._making: dict[str, MakeLayer] = {}
        self._have = have
        self._seal = sealed

    def add(self, want: WantedLayer) -> None:
        found = self.layers.get(want.id)
        if found is None:
            self._make(want)
        else:
            self._check(want, found)
            if found.parent in self.layers:  # the parent is asked for too: a killed run may not have sealed it
                self._seal_layer(found.parent)
        if self._seal:
            self._seal_layer(want.id)

    def _make(self, want: WantedLayer) -> None:
        if self._have.refusal:
            raise self._have.refusal
        if want.id in self._have.strangers:
            raise _not_a_layer_error(want.id, self._have.home)
        size, inodes = self._limits(want, *(self._have.defaults if want.read_write else (0, 0)))
        self._check_limits(size, inodes)
        lowers: tuple[str, ...] = ()
        if want.parent:
            parent = self.layers.get(want.parent)
            if parent is None:
                raise _parent_not_found_error(want)
            lowers = (parent.id, *parent.lowers)
        if len(lowers) > MAX_DEPTH:
            raise DepthExceeded(
                f"layer {want.id} would have {len(lowers)} lowers; overlay2 supports at most {MAX_DEPTH}",
                hint="build it on a layer further down, or apply the content of several layers to one",
                id=want.id,
                depth=len(lowers),
            )
        layer = LayerState(want.id, None, lowers, read_write=want.read_write, size_limit=size, inodes_limit=inodes)
        self.layers[want.id] = layer
        from .actions import (
            MakeLayer,  # a plan without a step does not need it, and each import is compiled on every host
        )

        self._making[want.id] = MakeLayer(layer)
        self.actions.append(self._making[want.id])
        if want.parent:
            self.children[want.parent] = tuple(sorted({*self.children.get(want.parent, ()), want.id}))
            self._seal_layer(want.parent)

    def _check(self, want: WantedLayer, found: LayerState) -> None:
        if want.parent is not None and want.parent != found.parent:
            raise ParentMismatch(
                f"layer {want.id} is {_on(found.parent)}, not {_on(want.parent)}",
                hint="use another id, or remove the layer first; a layer is never made again implicitly",
                id=want.id,
                parent=found.parent,
            )
        if want.read_write and found.read_write is False:
            raise InvalidInput(
                f"layer {want.id} exists and is not a read-write layer",
                hint="use a new id, or leave read_write out",
                id=want.id,
            )
        self._limit(want, found)

    def _limits(self, want: WantedLayer, size: int, inodes: int) -> tuple[int, int]:
        """Return the wanted limits as the filesystem keeps them; for omitted limits *size* and *inodes*."""
        size = size if want.size is None else want.size
        return rounded(size, self._have.block), inodes if want.inodes is None else want.inodes

    def _check_limits(self, size: int, inodes: int) -> None:
        if (size or inodes) and self._have.quota:
            raise self._have.quota

    def _limit(self, want: WantedLayer, found: LayerState) -> None:
        """Plan the limits of a layer that exists. Raises QuotaNotSupported."""
        size, inodes = self._limits(want, found.size_limit, found.inodes_limit)
        self._check_limits(want.size or 0, want.inodes or 0)
        if (size, inodes) == (found.size_limit, found.inodes_limit):
            return
        if found.project_id is None:
            raise QuotaNotSupported(
                f"layer {want.id} was made while project quota was off, so the kernel does not count its files",
                hint="export its content with strata.overlay2.overlay2_diff, and apply that to a new read-write layer",
                id=want.id,
            )
        self.layers[want.id] = found._replace(size_limit=size, inodes_limit=inodes)
        self.limited.add(want.id)
        from .actions import LimitLayer  # as above

        self.actions.append(LimitLayer(self.layers[want.id]))

    def _seal_layer(self, layer_id: str) -> None:
        layer = self.layers[layer_id]
        if layer.marked:
            return
        if layer.writable and not layer.committed:
            from .unused import unmounting  # as above

            raise LayerInUse(
                f"layer {layer_id} is mounted read-write, so it cannot be sealed or built on",
                hint=unmounting(layer),
                id=layer_id,
                holders=list(layer.holders),
            )
        self.layers[layer_id] = layer._replace(committed=True, marked=True)
        self.sealed.add(layer_id)
        if layer_id in self._making:  # the layer is made sealed
            self._making[layer_id].layer = self.layers[layer_id]
        # No separate action for a parent made in this run.
        if layer.link is not None or self._seal:
            from .actions import SealLayer  # as above

            self.actions.append(SealLayer(layer_id))


def plan_absent(
    ids: t.Sequence[str], have: LayersState, *, recursive: bool = False, force: bool = False
) -> Plan[LayersState]:
    """Plan that the layers *ids* do not exist; recursive: remove the layers built on them too. Pure.

    force: as for plan_removal. Raises LayerInUse, StoreCorrupt, StoreForeign.
    """
    from .removal import Ways, plan_removal  # only a removal needs it

    ways = Ways(force="; or set force: true", recursive="; or set recursive: true")  # options of overlay2_layer
    going = {layer_id for layer_id in ids if layer_id in have.layers}
    todo = sorted(going) if recursive else []
    while todo:
        above = have.children.get(todo.pop(), ())
        todo += [child for child in above if child not in going]
        going.update(above)
    order = sorted(going, key=lambda layer_id: (-len(have.layers[layer_id].lowers), layer_id))
    actions: list[Action] = []
    for layer_id in order:
        if layer_id in have.needed:
            raise have.needed[layer_id]
        actions += plan_removal(have.layers[layer_id], have, going, force, ways)
    layers = {layer_id: layer for layer_id, layer in have.layers.items() if layer_id not in going}
    children = {
        layer_id: tuple(child for child in above if child not in going)
        for layer_id, above in have.children.items()
        if layer_id not in going
    }
    after = have._replace(layers=layers, children=children, users=None)
    return Plan(tuple(actions), after, must_be_free=tuple(sorted(going)))


def _parent_not_found_error(want: WantedLayer) -> Overlay2Error:
    return LayerNotFound(
        f"there is no layer {want.parent}, the parent of {want.id}",
        hint="make the parent first, or earlier in the same list",
        id=want.parent,
    )


def _not_a_layer_error(layer_id: str, home: str) -> Overlay2Error:
    path = f"{printable(home)}/{layer_id}"
    why = f"cannot make layer {layer_id}: {path} exists and is not a layer"
    return InvalidInput(why, hint="use another id, or move away what is there", id=layer_id, path=path)


def _on(parent: str) -> str:
    return f"on {parent}" if parent else "without parent"
