# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a store together with what the records of its engine say: all witnesses of a repair. Only read. PRIVATE."""

from __future__ import annotations

import os
import typing as t

from .as_read import StoreAsRead, read_store
from .engine import CONTAINERS_STORAGE, DOCKER
from .lower import EMPTY

if t.TYPE_CHECKING:
    from .layer import LayerFiles
    from .repairs import Kind, Repair

RECORDING = (DOCKER, CONTAINERS_STORAGE)  # engines whose records say what each layer is built on
# These leave nothing in another engine's store but what the engine writes itself.
_THEIR_REPAIRS: tuple[Kind, ...] = ("link", "name", "new_name", "lower", "seal", "work")


def read_witnesses(files: LayerFiles) -> StoreAsRead:
    """Return what the files of a store say, and the records: those of the store's engine, else ours. Raises OSError.

    In a store of containers-storage, layers without parent have a work directory, too, beside ``empty``; no layer has
    ``committed``.
    """
    engine = files.owner
    theirs = engine == CONTAINERS_STORAGE
    read = read_store(files, work_tells=not theirs)
    if engine not in RECORDING:
        return read
    from .engine_parents import recorded_chains  # a store of ours does not need it; each import is compiled on a host

    said = recorded_chains(files, engine)
    layers = {
        id: layer._replace(parent=said.parents.get(id), name="", sealed=id in said.sealed)
        for id, layer in read.layers.items()
    }
    read = read._replace(layers=layers, seals=not theirs)
    if not theirs:
        return read
    bases = frozenset(id for id in layers if os.path.lexists(files.path(id, EMPTY)))
    return read._replace(lent=_lent(files, read), bases=bases)


def allowed(repairs: t.Iterable[Repair], engine: str | None) -> list[Repair]:
    """Return those of *repairs* that may be done in a store of *engine*, None for ours."""
    return [repair for repair in repairs if engine is None or repair.kind in _THEIR_REPAIRS]


def _lent(files: LayerFiles, read: StoreAsRead) -> frozenset[str]:
    """Return the names in lower files that lead to layers of additional image stores. Raises OSError."""
    return frozenset(
        name
        for layer in read.layers.values()
        for place, name in enumerate(layer.lowers)
        if read.names.get(name) is None and files.lenders.lower(layer.id, place, name)
    )
