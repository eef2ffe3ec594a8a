# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole store as it is, and as it is wanted. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..._store.settings import IdRange, Settings
from ..state import LayerState


class DirectoryAccess(t.NamedTuple):
    """Who may enter a directory. mode: permission bits."""

    mode: int
    uid: int
    gid: int


class WantedStore(t.NamedTuple):
    """Defaults and maps as they are asked for; None is omitted: leave as it is. Empty maps mean no remapping.

    adopt: a store that somebody else made becomes ours.
    """

    size: int | None = None
    inodes: int | None = None
    uid_map: tuple[IdRange, ...] | None = None
    gid_map: tuple[IdRange, ...] | None = None
    adopt: bool = False


class StoreState(t.NamedTuple):
    """A store as overlay2_init sees it.

    exists:      there is a store at home.
    access:      of home ("") and of l, as far as they are there.
    layers:      all of them; of a damaged one only what can be read. Without lowers' ids: as many empty ones.
    covers:      what else is mounted on top of the overlay on a layer's merged, by id.
    volatile:    layers whose mount skips syncs.
    users:       who has a mounted layer busy, in words, by id; looked for only where a plan may need it.
    inside:      what is mounted in a layer's directory, not on merged, by id.
    engine:      whose the store is, if not ours, as owner() says.
    taken:       the directory at which dockerd would take a store made here for its own; "" if it would not.
    keeps:       names in home that are no part of a store; lost+found is not among them.
    home_stays:  home would be left when the store is removed, for these, for lost+found, or being a mount point.
    refusal:     why no layer can be made or mounted here; quota: why there can be no limits. None if there can.
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
    taken: str = ""
    keeps: tuple[str, ...] = ()
    home_stays: bool = False
    refusal: Overlay2Error | None = None
    quota: Overlay2Error | None = None
