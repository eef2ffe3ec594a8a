# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that a store has an image. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import InvalidInput, LayerInUse, printable
from ..._image.image import check_whole
from ..._store.engine import store_foreign_error
from ..._store.images import ImageRecord
from ..layers.images import layer_name
from ..plan import Action, Plan
from ..state import LayerState
from .state import MOST_NAMES, ImageSource, ImageState

if t.TYPE_CHECKING:
    from ..._image.image import ImageLayer


def plan_present(have: ImageState, top: str | None, source: ImageSource) -> Plan[ImageState]:
    """Plan that the store has the wanted image, whole and sealed. Pure.

    top:    the name for the top layer if it has to be made; None for the digits of its chain id.
    raises: StoreForeign, LayerInUse, InvalidInput, ArchiveRejected, and have.refusal.
    """
    new = _new_layers(have, top)
    actions: list[Action] = [*_sealing(have)]
    if new:
        if have.refusal:
            raise have.refusal
        if not source.layers_follow:
            check_whole(source for _layer, source in new)
        from .actions import MakeImageLayer  # an empty plan does not need it, and each host compiles each import
        from .unpacking import Unpacking

        unpacking = Unpacking(source, new, have.found[-1:], have.settings, have.userxattr)
        actions += [MakeImageLayer(layer, unpacking) for layer, _source in new]
    record = _record(have, new[-1][0].id if new else None)
    changed = [*_without_names(have, record), *([] if have.records.get(record.image_id) == record else [record])]
    if changed:
        from .actions import RecordImage  # as above

        actions.append(RecordImage(record.image_id, changed, have.wanted.config))
    if actions and have.engine:
        raise store_foreign_error(have.home, have.engine, actions[0].describe())
    found = (*(layer._replace(marked=True, committed=True) for layer in have.found), *(layer for layer, _source in new))
    exact = have.exact.union(layer.id for layer, _source in new) if source.keep_exact else have.exact
    after = have._replace(found=found, records={record.image_id: record}, taken={}, exact=exact)
    touched = tuple(sorted(layer.id for layer in have.found if not layer.marked))
    return Plan(actions, after, must_be_free=touched, prepares_unlocked=bool(new), commits_locked=bool(new))


def _new_layers(have: ImageState, top: str | None) -> list[tuple[LayerState, ImageLayer]]:
    """Return the layers to make, base first, each with its place in the archive. Raises InvalidInput."""
    image, chains = have.wanted.image, have.wanted.chain_ids
    lowers: tuple[str, ...] = (have.found[-1].id, *have.found[-1].lowers) if have.found else ()
    new: list[tuple[LayerState, ImageLayer]] = []
    for place in range(len(have.found), len(chains)):
        if image is None:
            raise ValueError("the archive was not read, and a layer is missing")
        name = top if top and place == len(chains) - 1 else layer_name(chains[place])
        if name in have.taken:
            raise InvalidInput(
                f"cannot make layer {name}: {printable(have.home)}/{name} exists and is {have.taken[name]}",
                hint="remove it, or move it away" + ("; or give another id" if name == top else ""),
                id=name,
            )
        layer = image.layers[place]
        state = LayerState(
            name,
            None,
            lowers,
            committed=True,
            read_write=False,
            diff_id=layer.diff_id,
            digest=layer.digest,
            chain_id=layer.chain_id,
            marked=True,
        )
        new.append((state, layer))
        lowers = (name, *lowers)
    return new


def _sealing(have: ImageState) -> t.Iterator[Action]:
    """Yield the actions that seal the layers that are there. Raises LayerInUse."""
    for layer in have.found:
        if layer.marked:
            continue
        if layer.writable and not layer.committed:
            raise LayerInUse(
                f"layer {layer.id} is mounted read-write, so it cannot be sealed or built on",
                hint="unmount it with strata.overlay2.overlay2_mount",
                id=layer.id,
                holders=list(layer.holders),
            )
        from ..layers.actions import SealLayer  # as above

        yield SealLayer(layer.id)


def _record(have: ImageState, made: str | None) -> ImageRecord:
    """Return the record of the image afterwards: what was known stays, whatever form of archive it comes in now.

    made: the id of the top layer if the run makes it; None if it is there.
    """
    new = have.wanted.record
    old = have.records.get(new.image_id)
    top = made or have.found[-1].id
    top_name = None if top == layer_name(have.wanted.chain_ids[-1]) else top
    if old is None:
        return new._replace(top=top_name)
    names = tuple(dict.fromkeys((*old.names, *new.names)))
    digests_known = all(layer.digest for layer in old.layers)
    return ImageRecord(
        new.image_id,
        old.manifest_digest or new.manifest_digest,
        names[:MOST_NAMES],
        old.platform,
        old.layers if digests_known else new.layers,
        top_name if made else old.top,
    )


def _without_names(have: ImageState, record: ImageRecord) -> list[ImageRecord]:
    """Return the records of other images without the names that *record* has. A name belongs to one image."""
    others = [other for key, other in have.records.items() if key != record.image_id]
    kept = [other._replace(names=tuple(name for name in other.names if name not in record.names)) for other in others]
    return [after for before, after in zip(others, kept) if before != after]
