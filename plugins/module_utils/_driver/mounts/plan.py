# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how to mount, hold and unmount layers. PRIVATE to the collection.

Planners are pure; the action classes are in actions.py. A plan mounts before it adds the first holder, and unmounts
before it drops the last holder. A run may be killed in between: the next run takes over a mount without holders. If a
holder has no mount, the next run mounts the layer again, or only drops the holder.
"""

from __future__ import annotations

import typing as t

from ..._errors import LayerInUse, StoreCorrupt, printable
from ..._linux.overlay_mount import Overlay
from ..._store.layout import VOLATILE_MARKER
from ..plan import Action, Plan
from ..state import LayerState
from .actions import ClearMarker, DetachMount, DropHolders, ForgetContent, MountLayer, SetHolder, Unmount
from .description import describe_mount
from .state import Mounted, MountState, WantedMount, mount_differs, wanted_mount


def description(mounted: Mounted, have: MountState) -> Overlay:
    """Return the overlay that *mounted* describes. Pure. Raises InvalidInput, NotSupported."""
    return describe_mount(
        have.home,
        _layer(have).id,
        have.links,
        read_only=mounted.read_only,
        options=have.options or (),
        label=mounted.label,
        volatile=mounted.volatile,
    )


def plan_mounted(want: WantedMount, have: MountState, *, force: bool = False) -> Plan[MountState]:
    """Plan that an existing layer is mounted as wanted, and held. Pure.

    force:  accept the files that a volatile mount of an earlier boot left.
    raises: LayerInUse, StoreCorrupt, InvalidInput, NotSupported, and have.refusal.
    """
    layer = _layer(have)
    mounted = wanted_mount(want, have) if layer.lowers else None
    actions: list[Action] = []
    ending = bool(mount_differs(want, have))
    mounting = mounted is not None and (have.mount is None or ending)
    if ending:
        _check_unheld(want, have)
        actions += _end(have, "; or request the mount with its current options")
    if mounted and mounting:
        actions += _clear_for(have, force)
    # A layer without lowers is not mounted: its content is written in its diff.
    writable = not (mounted.read_only if mounted else layer.committed)
    forgets = writable and layer.knows_content
    if forgets:
        layer = layer.with_unknown_content()
        if have.mount is not None and not mounting:  # written to already
            actions.append(ForgetContent(layer.id))
    if mounted and mounting:
        if have.refusal:
            raise have.refusal
        if writable:
            _check_copies(have, "mount", "")
        actions.append(MountLayer(layer.id, _in_words(mounted), description(mounted, have), forgets=forgets))
    if want.holder not in layer.holders:
        actions.append(SetHolder(layer, want.holder, True))
    if forgets and mounted is None:  # last: if the run fails before, the caller writes nothing
        actions.append(ForgetContent(layer.id))
    names = tuple(sorted({*layer.holders, want.holder}))
    touches = layer.lowers if mounting else ()
    after = _after(have, layer._replace(holders=names), mounted if mounting else have.mount)
    if mounted and mounting:
        after = after._replace(marker=mounted.volatile)
    return Plan(tuple(actions), after, must_be_free=touches)


def plan_unmounted(want: WantedMount, have: MountState, *, force: bool = False) -> Plan[MountState]:
    """Plan that the holder is dropped, and that the mount goes with the last holder. Pure.

    force: drop all holders, and detach the mount. Raises LayerInUse.
    """
    layer = have.layer
    if layer is None:
        return Plan((), have)
    left = () if force else tuple(name for name in layer.holders if name != want.holder)
    actions: list[Action] = [] if left else _end(have, "; or set force: true", detach=force)
    if left != layer.holders:
        actions.append(DropHolders(layer) if force else SetHolder(layer, want.holder, False))
    after = _after(have, layer._replace(holders=left), have.mount if left else None)
    if any(isinstance(action, ClearMarker) for action in actions):
        after = after._replace(marker=False)
    warnings: list[str] = []
    if not actions and left:
        holders = ", ".join(left)
        warnings = [f"layer {layer.id} stays as it is: {want.holder} does not hold it, and these do: {holders}"]
    return Plan(tuple(actions), after, warnings=warnings, prepares_unlocked=after.marker is not have.marker)


def _after(have: MountState, layer: LayerState, mounted: Mounted | None) -> MountState:
    is_mounted = mounted is not None
    layer = layer._replace(mounted=is_mounted, writable=mounted is not None and not mounted.read_only)
    return have._replace(layer=layer, mount=mounted, below=(), copies=())


def _in_words(mounted: Mounted) -> list[str]:
    words = [word for word, is_so in (("read-only", mounted.read_only), ("volatile", mounted.volatile)) if is_so]
    return [*words, f"with label {mounted.label}"] if mounted.label else words


def _end(have: MountState, or_else: str, *, detach: bool = False) -> list[Action]:
    """Return the actions that end the mount; none without a mount. Raises LayerInUse, never if *detach*.

    or_else: another way for the user if the unmount fails, for the end of the hint.
    """
    layer = _layer(have)
    if have.mount is None:
        return [ClearMarker(layer.id)] if have.marker and layer.holders else []
    if not detach:
        _check_copies(have, "unmount", or_else)
        if have.below:
            raise LayerInUse(
                f"cannot unmount layer {layer.id}: there are mounts on it: {', '.join(map(printable, have.below))}",
                hint=f"unmount these mounts first{or_else}",
                id=layer.id,
                mounts=[printable(path) for path in have.below],
            )
    ending = DetachMount(layer.id) if detach else Unmount(layer.id, or_else)
    return [ending, ClearMarker(layer.id)] if have.mount.volatile else [ending]


def _clear_for(have: MountState, force: bool) -> list[Action]:
    """Return the actions that remove a volatile marker, which prevents a mount. Raises StoreCorrupt.

    Holders end with the boot. If a layer has holders, the marker is of this boot, and a sync is enough.
    """
    layer = _layer(have)
    if not have.marker or have.mount is not None:
        return []
    if not layer.holders and not force:
        raise StoreCorrupt(
            f"layer {layer.id} was mounted volatile and the host went down before it was unmounted: files may be"
            " missing or cut off",
            hint="remove the layer and make it again, or set force: true to mount it as it is",
            id=layer.id,
            path=printable(f"{have.home}/{layer.id}/{VOLATILE_MARKER}"),
            damage="stale_volatile",
        )
    return [ClearMarker(layer.id)]


def _check_unheld(want: WantedMount, have: MountState) -> None:
    layer = _layer(have)
    others = [name for name in layer.holders if name != want.holder]
    if others:
        words = mount_differs(want, have)
        raise LayerInUse(
            f"layer {layer.id} is mounted with another {', '.join(words)} and held by {', '.join(others)}",
            hint="unmount it for these holders first, or request the mount with its current options",
            id=layer.id,
            drift=list(words),
            holders=others,
        )


def _check_copies(have: MountState, what: str, or_else: str) -> None:
    layer = _layer(have)
    if have.copies:
        raise LayerInUse(
            f"cannot {what} layer {layer.id}: it is also mounted elsewhere: {', '.join(have.copies)}",
            hint=f"unmount it there, or end the processes that see it{or_else}",
            id=layer.id,
            mounts=list(have.copies),
        )


def _layer(have: MountState) -> LayerState:
    return t.cast(LayerState, have.layer)  # the task plans a mount only for a layer that exists
