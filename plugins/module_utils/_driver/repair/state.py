# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that is repaired: as observed, and what the user says of it. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.settings import Settings
from ..facts.finding import Fix, Reported
from ..state import LayerState
from ..stores.state import DirectoryAccess

if t.TYPE_CHECKING:
    from ..._store.repairs import Repair
    from ..content.check import Contents
    from ..in_use.engine import EngineUse


class Asked(t.NamedTuple):
    """What the user asks for.

    ids:     only these layers and what lies below them; None for all.
    parents: by id, the parent as the user says. accept: codes of damage whose repair loses something.
    foreign: repair another engine's store, too.
    contents: compare the content of layers with what was applied. unverified_for: seconds; not those that were compared
             within this time. max_seconds: stop then; None for no limit.
    src:     by id, the tar from which lost or rotten content is put back.
    """

    ids: tuple[str, ...] | None = None
    parents: t.Mapping[str, str] = {}
    accept: frozenset[str] = frozenset()
    foreign: bool = False
    contents: bool = False
    unverified_for: float = 0
    max_seconds: int | None = None
    src: t.Mapping[str, str] = {}


class RepairState(t.NamedTuple):
    """A store as overlay2_repair sees it.

    found:    what is wrong, in order. fixes: what the run does about each, None for nothing.
    left:     what will be wrong after the run.
    repairs:  of files and names in l/, in order. access: of directories, by path.
    markers:  the layers whose stale volatile marker goes.
    lacks_links: l/ does not exist.
    of_path:  by path in access, the id of the layer; "" for the store itself.
    writable: by id, the holders of the mounted layers that are written to.
    mounted:  the layers that stay mounted with an older chain.
    engine:   the owner of the store, as owner() returns it; None if the store is ours.
    use:      why the store of another engine cannot be repaired now, None for no reason.
    contents: what came of the comparison of contents; None if none was asked for.
    back:     the layers whose content is put back.
    settings, userxattr: how their tars are unpacked.
    """

    home: str
    exists: bool
    found: tuple[Reported, ...] = ()
    fixes: tuple[Fix | None, ...] = ()
    left: tuple[Reported, ...] = ()
    repairs: tuple[Repair, ...] = ()
    access: t.Mapping[str, DirectoryAccess] = {}
    of_path: t.Mapping[str, str] = {}
    markers: tuple[str, ...] = ()
    lacks_links: bool = False
    writable: t.Mapping[str, tuple[str, ...]] = {}
    mounted: tuple[str, ...] = ()
    engine: str | None = None
    use: EngineUse | None = None
    contents: Contents | None = None
    back: tuple[LayerState, ...] = ()
    settings: Settings = Settings()
    userxattr: bool = False
