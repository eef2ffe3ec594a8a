# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at mounts alone for what uses a layer: costs less than the search for processes. PRIVATE to the collection.

known: our own mounts; None to read them now.
"""

from __future__ import annotations

import typing as t

from ..._errors import printable, shorten
from ..._linux.mountinfo import Snapshot
from . import proc
from .layer_mounts import LayerMount, LayerMounts


def mounts_elsewhere(
    home: str, ids: t.Collection[str] | None = None, known: Snapshot | None = None
) -> dict[str, list[LayerMount]]:
    """Return the mounts that show the layers *ids*, or any layer, but for our own ones on <home>/<id>/merged.

    Raises OSError.
    """
    layer_mounts = LayerMounts(home, ids, known)
    for thread in proc.threads():
        layer_mounts.learn(thread)
    return layer_mounts.elsewhere()


def mounted_in(home: str, ids: t.Collection[str], known: Snapshot | None = None) -> dict[str, str]:
    """Return by id, in words, the mounts that we see in the directories of layers, not on merged. Raises OSError."""
    found = LayerMounts(home, ids, known).mounted_in()
    return {layer_id: shorten([printable(point) for _pid, point in inside]) for layer_id, inside in found.items()}


def independent_mounts(home: str, layer_id: str, known: Snapshot | None = None) -> list[LayerMount]:
    """Return the overlays of layer *id* that stay after the unmount of ours. Raises OSError."""
    mounts = mounts_elsewhere(home, [layer_id], known).get(layer_id, [])
    return [mount for mount in mounts if mount.shows == "merged" and not mount.goes_with_ours]
