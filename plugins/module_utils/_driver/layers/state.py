# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers that a plan is about: as observed, and as wanted. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..._store.lost import Lost


class LostLayer(t.NamedTuple):
    """A damaged layer that may be built on any other. way: how overlay2_repair repairs it; "" if it cannot."""

    lost: Lost
    way: str


class LayersState(t.NamedTuple):
    """The layers of a store that a plan is about.

    exists:   there is a store at home.
    layers:   by id: the layers asked about, and all layers below them (for a removal: above them). A missing layer has
              no key.
    children: the ids of the children, by id; known only where a plan needs them.
    users:    the processes that use a layer, in words, by id; None: not looked for.
    inside:   what is mounted in the directory of a layer, but not on merged, by id; looked for only for a removal.
    lost:     the damaged layers that may be built on any of them; looked for only for a removal.
    refusal:  why no layer can be made or mounted here; None if one can.
    quota:    why layers cannot have limits here; None if they can.
    defaults: the limits of a new read-write layer: bytes, inodes.
    block:    the unit in which the filesystem counts the limits, in bytes.
    engine:   the owner of the store, as owner() returns it; None if the store is ours.
    needed:   why a layer must not be removed from another engine's store, by id.
    strangers: the ids asked about that are names in home, but not of layers.
    """

    home: str
    exists: bool
    layers: t.Mapping[str, LayerState]
    children: t.Mapping[str, tuple[str, ...]]
    users: t.Mapping[str, str] | None = None
    refusal: Overlay2Error | None = None
    quota: Overlay2Error | None = None
    defaults: tuple[int, int] = (0, 0)
    block: int = 512
    engine: str | None = None
    needed: t.Mapping[str, Overlay2Error] = {}
    inside: t.Mapping[str, str] = {}
    strangers: frozenset[str] = frozenset()
    lost: tuple[LostLayer, ...] = ()


class WantedLayer(t.NamedTuple):
    """The layer that the user asks for. None: leave an existing layer as it is; a new layer gets the default.

    parent: "" for none. size: bytes; inodes: files and directories; 0 for no limit.
    """

    id: str
    parent: str | None = None
    read_write: bool = False
    size: int | None = None
    inodes: int | None = None
