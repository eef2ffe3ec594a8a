# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that nothing uses a layer, and says what to do about it. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse, printable
from ..._store.layout import MERGED
from ..state import LayerState
from .state import LayersState


def check_empty_of_mounts(layer_id: str, inside: t.Mapping[str, str], what: str) -> None:
    """Raise LayerInUse if a mount that is not the layer's own lies in its directory; what: verb for the message.

    No run of ours unmounts such a mount. If the layer was removed, no path would lead to the mount.
    """
    if layer_id in inside:
        raise LayerInUse(
            f"cannot {what} layer {layer_id}: something is mounted in it, on {inside[layer_id]}",
            hint=f"unmount what is mounted on {inside[layer_id]} first",
            id=layer_id,
            users=inside[layer_id],
        )


def check_unused(layer: LayerState, have: LayersState, what: str, or_else: str = "") -> None:
    """Raise LayerInUse if *layer* is mounted, held or busy; what: verb for the message.

    or_else: another way that the module's options allow, for the end of the hint.
    """
    why, cures = [], []
    if layer.mounted:
        why.append(f"is mounted on {printable(have.home)}/{layer.id}/{MERGED}")
    if layer.holders:
        why.append(f"is held by {', '.join(layer.holders)}")
    users = (have.users or {}).get(layer.id, "")
    if users:
        why.append(f"is in use: {users}")
        cures.append("end the processes that use it")
    if layer.mounted or layer.holders:
        path = f"{printable(have.home)}/{layer.id}/{MERGED}"
        # Our module does not unmount layers of another engine.
        cures.append(f"run `umount {path}`" if have.engine else unmounting(layer))
    if why:
        raise LayerInUse(
            f"cannot {what} layer {layer.id}: it {' and '.join(why)}",
            hint=" and ".join(cures) + or_else,
            id=layer.id,
            mounted=layer.mounted,
            holders=list(layer.holders),
            users=users,
        )


def unmounting(layer: LayerState) -> str:
    """Return how to unmount a layer, for a hint: only an unmount for a holder of the layer has an effect."""
    step = "unmount it by strata.overlay2.overlay2_mount with state: unmounted"
    if not layer.holders:
        return step
    if len(layer.holders) == 1:
        return f"{step} and holder: {layer.holders[0]}"
    return f"{step} once for each holder ({', '.join(layer.holders)})"
