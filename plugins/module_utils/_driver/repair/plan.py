# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how to repair a store: what is certain, and what the user accepts. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse, shorten
from ..._store.engine import CONTAINERS_STORAGE, store_foreign_error
from ..._store.layout import LINKS_MODE
from ..._store.witnesses import RECORDING
from ..layers.unused import unmounting
from ..plan import Action, Plan
from ..state import LayerState
from .state import Asked, RepairState

_THEIR_LINKS_MODE = {CONTAINERS_STORAGE: 0o755}


def plan_repair(asked: Asked, have: RepairState, predicting: bool = False) -> Plan[RepairState]:
    """Plan the repairs of a store, each after those that it builds on. Pure.

    Putting content back takes long and happens without the store's lock. So if there is something else to repair, it is
    left to the next round; *predicting* plans both at once.
    raises: LayerInUse for a layer that is written to; StoreForeign.
    """
    words = asked.parents or asked.accept or asked.src
    if have.engine and (words or (asked.foreign and have.engine not in RECORDING)):
        raise store_foreign_error(have.home, have.engine, "repair the store")
    actions = _actions(have)
    if actions and have.engine and have.use:
        raise store_foreign_error(have.home, have.engine, actions[0].describe(), have.use.why, have.use.hint)
    is_last = not actions
    if is_last or predicting:
        actions += _put_backs(asked, have)
    after = have._replace(
        found=have.left,
        fixes=(None,) * len(have.left),
        repairs=(),
        access={},
        markers=(),
        lacks_links=False,
        mounted=(),
        back=(),
    )
    if not actions:
        return Plan((), have)
    changed = {repair.layer for repair in have.repairs} | {*have.markers} | {id for id in have.of_path.values() if id}
    for layer_id in sorted(changed & have.writable.keys()):
        raise _in_use_error(layer_id, have.writable[layer_id])
    return Plan(
        actions,
        after,
        warnings=tuple(_warnings(have)),
        must_be_free=tuple(sorted(changed)),
        prepares_unlocked=is_last,
        commits_locked=is_last,
    )


def _actions(have: RepairState) -> list[Action]:
    if not (have.repairs or have.access or have.markers or have.lacks_links):
        return []
    from ..mounts.actions import ClearMarker  # a plan without a step does not need it; each import is compiled
    from ..stores.actions import SetAccess  # on every host
    from .actions import MakeLinks, action_of

    actions: list[Action] = [MakeLinks(_THEIR_LINKS_MODE.get(have.engine or "", LINKS_MODE))] * have.lacks_links
    actions += [action_of(repair) for repair in have.repairs]
    actions += [ClearMarker(id) for id in have.markers]
    return actions + [SetAccess(path, access) for path, access in sorted(have.access.items())]


def _put_backs(asked: Asked, have: RepairState) -> list[Action]:
    if not have.back:
        return []
    from ..content.actions import PutBack  # the same

    return [PutBack(layer, asked.src[layer.id], have.settings, have.userxattr) for layer in have.back]


def _warnings(have: RepairState) -> t.Iterator[str]:
    if have.mounted:
        yield (
            f"still mounted as before the repair: {shorten(have.mounted)}; unmount and mount them again to use what"
            " was repaired"
        )


def _in_use_error(layer_id: str, holders: tuple[str, ...]) -> LayerInUse:
    return LayerInUse(
        f"cannot repair layer {layer_id}: it is mounted read-write",
        hint=unmounting(LayerState(layer_id, None, (), mounted=True, holders=holders)),
        id=layer_id,
        holders=list(holders),
    )
