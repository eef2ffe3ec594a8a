# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of layers that the kernel itself has open: for loop devices, and as swap. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from ..._linux.loop import backing_inode, loops
from ..._linux.swaps import swap_files
from .layer_mounts import Hit, LayerMounts

_DELETED = " (deleted)"


def kernel_uses(layer_mounts: LayerMounts) -> t.Iterator[tuple[str, str, str, str]]:
    """Yield id, device, how ("loop device" or "swap file") and path for each file of a layer that the kernel uses.

    A name may come from any mount namespace. So the inode must match the loop device's file, if the kernel tells it.
    """
    for loop in loops():
        hits = layer_mounts.named(loop.file)
        inode = backing_inode(loop.device) if hits else None
        for hit in hits:
            if inode is None or _is_it(layer_mounts, hit, inode):
                yield hit.id, loop.device, "loop device", hit.name
    for name in swap_files():
        for hit in layer_mounts.named(name):
            if _is_file(hit.name):
                yield hit.id, "", "swap file", hit.name


def _is_it(layer_mounts: LayerMounts, hit: Hit, inode: tuple[int, int]) -> bool:
    """Tell whether a file has this st_dev and st_ino, or may have them if the file has no name here."""
    try:
        found = os.lstat(hit.name)
        return (found.st_dev, found.st_ino) == inode
    except OSError:
        device = os.lstat(f"{layer_mounts.home}/{hit.id}").st_dev
        return inode[0] == device or f"{os.major(inode[0])}:{os.minor(inode[0])}" == hit.mount.dev


def _is_file(path: str) -> bool:
    """Tell whether *path* may be a swap file. The kernel does not tell the inode of a swap file."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return path.endswith(_DELETED)
