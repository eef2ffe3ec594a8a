# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which engine owns a store, and which names in a store are not part of it. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .engine import CONTAINERS_STORAGE, SOMEBODY, managed_by
from .layout import STAGING, TRIALS, is_id
from .listing import names_in
from .recognition import STORES_OWN, is_layer, is_unclaimed

_BESIDE_LAYERS = ("staging", "tempdirs")  # what containers-storage keeps in home


def strangers(home: str, engine: str | None, layers: t.Collection[str] = ()) -> t.Iterator[str]:
    """Yield the names in *home* that are not a layer and not another part of the store, in no order. Raises OSError.

    engine: as managed_by() returns it. In another engine's store only directories count: the engine may have files of
            its own there.
    layers: ids of layers, which are not read again.
    """
    theirs = (*STORES_OWN, *(_BESIDE_LAYERS if engine == CONTAINERS_STORAGE else ()))
    for entry in names_in(home):
        name = entry.name
        if name == STAGING and not entry.is_directory:
            yield name
        if name in layers or name in theirs or name.startswith((f"{STAGING}-", *TRIALS)):
            continue
        if engine and not (entry.is_directory and is_id(name)):
            continue
        if not (is_id(name) and is_layer(f"{home}/{name}")):
            yield name


def owner(home: str) -> str | None:
    """Return the owner of the store at *home*: an engine, SOMEBODY if it is unknown, or None if the store is ours.

    raises: OSError.
    """
    return managed_by(home) or (SOMEBODY if is_unclaimed(home) else None)
