# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole store: as observed, and as wanted. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..._store.settings import IdRange, Settings
from ..state import LayerState


class DirectoryAccess(t.NamedTuple):
    """The mode and the owner of a directory. mode: permission bits."""

    mode: int
    uid: int
    gid: int


class WantedStore(t.NamedTuple):
    """The defaults and the id maps that the user asks for. None: keep the present value. Empty map: no remapping.

    adopt: take over a store that another program made.
    """

    size: int | None = None
    inodes: int | None = None
    uid_map: tuple[IdRange, ...] | None = None
    gid_map: tuple[IdRange, ...] | None = None
    adopt: bool = False


class StoreState(t.NamedTuple):
    """A store as overlay2_init sees it.

    exists:      there is a store at home.
    access:      of home ("") and of l, of each that exists.
    layers:      all layers, by id; link and lowers are read only for a removal, as far as a damaged layer lets them.
    covers:      what else is mounted on top of the overlay on a layer's merged, by id.
    volatile:    the ids of the layers whose mount skips syncs.
    users:       what keeps a mounted layer busy, in words, by id; looked for only if a plan may need it.
    inside:      what is mounted in a layer's directory, but not on merged, by id.
    engine:      the owner of the store, as owner() returns it; None if the store is ours.
    trace:       an engine whose data root home lies in, and a path there, although its records of layers are lost;
                 looked for only in a store that somebody else made.
    taken:       the directory that dockerd would take for its own if a store were made here; "" for none.
    keeps:       the names in home that are not part of a store, except lost+found.
    home_stays:  removing the store leaves home: it has names of keeps or lost+found in it, or is a mount point.
    refusal:     why no layer can be made or mounted here; None if one can.
    quota:       why layers cannot have limits here; None if they can.
    """

    home: str
    exists: bool
    access: t.Mapping[str, DirectoryAccess]
    settings: Settings = Settings()
    layers: t.Mapping[str, LayerState] = {}
    covers: t.Mapping[str, str] = {}
    volatile: frozenset[str] = frozenset()
    users: t.Mapping[str, str] = {}
    inside: t.Mapping[str, str] = {}
    engine: str | None = None
    trace: tuple[str, str] | None = None
    taken: str = ""
    keeps: tuple[str, ...] = ()
    home_stays: bool = False
    refusal: Overlay2Error | None = None
    quota: Overlay2Error | None = None
