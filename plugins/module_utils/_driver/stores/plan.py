# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how to make or change a store, end all its mounts, or remove it. PRIVATE to the collection.

Planners are pure; the action classes are in actions.py.
"""

from __future__ import annotations

import typing as t

from ..._errors import InvalidInput, LayerInUse, Overlay2Error, StoreForeign, printable, shorten
from ..._store.engine import SOMEBODY, store_foreign_error
from ..._store.layout import HOME_MODE, LINKS, LINKS_MODE, MERGED
from ..._store.settings import Settings
from ..layers.state import LayersState
from ..plan import Action, Plan
from ..state import LayerState
from .state import DirectoryAccess, StoreState, WantedStore


def plan_present(want: WantedStore, have: StoreState) -> Plan[StoreState]:
    """Plan that there is a store with the wanted settings, whose directories have the right mode and owner. Pure.

    raises: InvalidInput, QuotaNotSupported, StoreForeign; have.refusal if a store has to be made.
    """
    adopting = want.adopt and have.engine == SOMEBODY
    if want.adopt and have.engine and not adopting:
        raise store_foreign_error(have.home, have.engine, "take over the store")
    if adopting and have.trace:
        raise _lost_records_error(have.home, *have.trace)
    settings = _settings(want, have, may_remap=adopting or not have.layers)
    access = {
        name: _corrected(have.access.get(name), wanted)
        for name, wanted in (
            ("", DirectoryAccess(HOME_MODE, 0, settings.root[1])),
            (LINKS, DirectoryAccess(LINKS_MODE, 0, 0)),
        )
    }
    after = have._replace(exists=True, access=access, settings=settings, engine=None if adopting else have.engine)
    if not have.exists:
        if have.taken and not have.engine:
            raise _taken_error(have)
        if have.refusal:
            raise have.refusal
        from .actions import (
            MakeStore,  # a plan without a step does not need it, and each import is compiled on every host
        )

        return _checked((MakeStore(settings, access, not have.access),), have, after, "make a store")
    changed = [name for name in access if access[name] != have.access[name]]
    actions: list[Action] = []
    if changed or adopting or settings != have.settings:
        from .actions import KeepSettings, SetAccess, TakeOver  # as above

        actions += [SetAccess(f"{have.home}/{name}".rstrip("/"), access[name]) for name in changed]
        if adopting:
            actions.insert(0, TakeOver(settings))
        elif settings != have.settings:
            actions.append(KeepSettings(have.settings, settings))
    plan = _checked(actions, have._replace(engine=after.engine), after, "change the store")
    return plan.with_warnings(*_warnings(after))


def _lost_records_error(home: str, engine: str, trace: str) -> StoreForeign:
    """Return the error for the adoption of a store in the data root of *engine*, of which *trace* is a part."""
    hint = (
        f"restore {engine}'s records of layers from a backup; or, if {engine} needs the store no longer, move"
        f" {printable(home)} out of {engine}'s data root, and take it over there"
    )
    why = f"and {printable(trace)} beside it is {engine}'s, whose records of layers are lost"
    return store_foreign_error(home, SOMEBODY, "take over the store", why, hint)


def _warnings(have: StoreState) -> t.Iterator[str]:
    if have.refusal:
        yield f"no layer can be made or mounted here: {have.refusal}"
    if have.engine == SOMEBODY:
        error = store_foreign_error(have.home, SOMEBODY, "change the store")
        yield f"{error}; {error.hint}"


def plan_unmounted(have: StoreState, force: bool) -> Plan[StoreState]:
    """Plan that no layer is mounted or held; force: detach them. Pure. Raises LayerInUse, StoreForeign."""
    by_id = [have.layers[layer_id] for layer_id in sorted(have.layers)]
    in_use = [layer for layer in by_id if layer.mounted or layer.holders]
    if in_use and have.engine:
        raise store_foreign_error(have.home, have.engine, "unmount layers")
    actions: list[Action] = []
    for layer in in_use:
        from ..mounts.actions import ClearMarker, DropHolders  # as above

        if layer.mounted:
            actions.append(_end(layer, have, force))
            actions += [ClearMarker(layer.id)] if layer.id in have.volatile else []
        if layer.holders:
            actions.append(DropHolders(layer))
    ended = {layer.id: layer._replace(mounted=False, writable=False, holders=()) for layer in in_use}
    after = have._replace(layers={**have.layers, **ended}, volatile=frozenset(), users={})
    return Plan(tuple(actions), after, must_be_free=tuple(layer.id for layer in in_use))


def plan_absent(have: StoreState, force: bool) -> Plan[StoreState]:
    """Plan that there is no store; force: remove its layers too, mounted or not. Pure.

    raises: LayerInUse for layers if force is not set, and for layers that cannot be unmounted; StoreForeign.
    """
    from ..layers.removal import plan_removal  # as above
    from .actions import RemoveStore

    kept = shorten([printable(name) for name in have.keeps])
    warnings = (f"{printable(have.home)} itself stays: it holds {kept}",) if kept else ()
    if not have.exists and (have.home_stays or not have.access):
        return Plan((), have, warnings=warnings)
    if have.engine:
        raise store_foreign_error(have.home, have.engine, "remove the store")
    if have.layers and not force:
        raise _has_layers_error(have)
    actions: list[Action] = []
    as_state = LayersState(have.home, True, have.layers, {}, inside=have.inside)
    for layer in sorted(have.layers.values(), key=lambda layer: (-len(layer.lowers), layer.id)):
        if layer.mounted:
            actions.append(_end(layer, have, force))
        actions += plan_removal(layer._replace(mounted=False), as_state, (), force)
    access = {"": have.access[""]} if have.home_stays else {}
    after = have._replace(exists=False, access=access, settings=Settings(), layers={}, volatile=frozenset(), users={})
    actions.append(RemoveStore(have.home_stays))
    return Plan(tuple(actions), after, warnings=warnings, must_be_free=tuple(sorted(have.layers)))


def _checked(actions: t.Sequence[Action], have: StoreState, after: StoreState, what: str) -> Plan[StoreState]:
    """Return the plan. Raises StoreForeign for a plan that changes another engine's store."""
    if actions and have.engine:
        raise store_foreign_error(have.home, have.engine, what)
    return Plan(tuple(actions), after)


def _taken_error(have: StoreState) -> Overlay2Error:
    return StoreForeign(
        f"cannot make a store at {printable(have.home)}: dockerd would take {printable(have.taken)} for a graph"
        " driver's store at its next start, and then no longer see the images that it keeps in containerd's store",
        hint="give a home outside of dockerd's data root",
        home=printable(have.home),
        managed_by=None,
    )


def _settings(want: WantedStore, have: StoreState, *, may_remap: bool) -> Settings:
    asked = {name: getattr(want, name) for name in Settings._fields}
    settings = have.settings._replace(**{name: value for name, value in asked.items() if value is not None})
    if bool(settings.uid_map) is not bool(settings.gid_map):
        missing = "gid_map" if settings.uid_map else "uid_map"
        raise InvalidInput(
            f"there would be no {missing}, and a user namespace needs both maps",
            hint="give uid_map and gid_map together, or userns_remap",
        )
    maps = (settings.uid_map, settings.gid_map)
    if not may_remap and maps != (have.settings.uid_map, have.settings.gid_map):
        raise InvalidInput(
            f"the id maps of {printable(have.home)} cannot change while it has layers:"
            " their files belong to owners of the old maps",
            hint="remove the layers first, or use another home",
            layers=len(have.layers),
        )
    if (settings.size or settings.inodes) and have.quota:
        raise have.quota
    return settings


def _corrected(found: DirectoryAccess | None, wanted: DirectoryAccess) -> DirectoryAccess:
    """Return the access that a directory with *found* gets.

    A tighter mode than *wanted* stays, unless a remapped root gets its access from the group.
    """
    if found is None or found.mode & ~wanted.mode or found[1:] != wanted[1:]:
        return wanted
    return wanted if wanted.gid and found.mode != wanted.mode else found


def _end(layer: LayerState, have: StoreState, force: bool) -> Action:
    """Return the action that ends the mount of a layer. Raises LayerInUse."""
    merged = f"{printable(have.home)}/{layer.id}/{MERGED}"
    if layer.id in have.covers:
        raise LayerInUse(
            f"cannot unmount layer {layer.id}: {have.covers[layer.id]} is mounted over it on {merged}",
            hint="unmount what is mounted over it first",
            id=layer.id,
        )
    if layer.id in have.users and not force:
        raise LayerInUse(
            f"cannot unmount layer {layer.id} from {merged}: it is in use: {have.users[layer.id]}",
            hint="end the processes that use it, or set force: true",
            id=layer.id,
            holders=list(layer.holders),
            users=have.users[layer.id],
        )
    from ..mounts.actions import DetachMount, Unmount  # as above

    return DetachMount(layer.id) if force else Unmount(layer.id, "; or set force: true")


def _has_layers_error(have: StoreState) -> LayerInUse:
    return LayerInUse(
        f"the store at {printable(have.home)} has layers: {shorten(sorted(have.layers))}",
        hint="remove them with strata.overlay2.overlay2_layer, or set force: true",
        layers=len(have.layers),
        mounted=sorted(layer.id for layer in have.layers.values() if layer.mounted),
    )
