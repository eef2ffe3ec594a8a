# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers that a plan is about, and what is wanted of them. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import Overlay2Error
from ..state import LayerState

if t.TYPE_CHECKING:
    from ..._store.lost import Lost


class StoreState(t.NamedTuple):
    """The part of a store that a plan is about.

    exists:   there is a store at home.
    layers:   by id: those asked about, and all that lie below (for a removal: above) them; a missing one has no key.
    children: ids right above, by id; known for those asked about.
    users:    who has a layer busy, in words, by id; looked for only where a plan may need it.
    inside:   what is mounted in a layer's directory, not on merged, by id; looked for where layers may go.
    lost:     damaged layers that may be built on any of them, and the command that mends each, "" for none that is
              sure to; looked for where layers may go.
    refusal:  why no layer can be made or mounted here; None if it can.
    quota:    why there can be no limits here; None if there can.
    defaults: limits of a new read-write layer, bytes and inodes; block: in how many bytes the filesystem counts.
    engine:   whose store it is, if not ours, as owner() says; needed: by id, why a layer must not be removed from it.
    strangers: those asked about whose name something else has that is no layer.
    root:     uid and gid of the remapped root.
    """

    home: str
    exists: bool
    layers: t.Mapping[str, LayerState]
    children: t.Mapping[str, tuple[str, ...]]
    users: t.Mapping[str, str]
    refusal: Overlay2Error | None = None
    quota: Overlay2Error | None = None
    defaults: tuple[int, int] = (0, 0)
    block: int = 512
    root: tuple[int, int] = (0, 0)
    engine: str | None = None
    needed: t.Mapping[str, Overlay2Error] = {}
    inside: t.Mapping[str, str] = {}
    strangers: frozenset[str] = frozenset()
    lost: tuple[tuple[Lost, str], ...] = ()


class Wanted(t.NamedTuple):
    """A layer as it is asked for; None is omitted: leave as it is, or the default on a new layer.

    parent: "" for none. size: bytes; inodes: files and directories; 0 for no limit.
    """

    id: str
    parent: str | None = None
    read_write: bool = False
    size: int | None = None
    inodes: int | None = None
