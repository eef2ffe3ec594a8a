# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount that shows a layer merged with all layers below, for reading, which nobody else sees. PRIVATE."""

from __future__ import annotations

import contextlib
import os
import socket
import typing as t

from ..._linux.namespace import OUT_OF_THE_WAY, in_private_mounts
from ..._linux.noatime import open_quietly
from ..._linux.overlay_mount import Overlay, mount_overlay
from ..._store.layer import LayerFiles
from ..._store.layout import DIFF, MERGED
from ..._store.lock import layer_not_found_error
from ..state import LayerState
from .description import describe_mount


@contextlib.contextmanager
def merged_view(home: str, layer: LayerState, options: t.Sequence[str]) -> t.Iterator[int]:
    """Yield the fd of a directory that shows *layer* and all layers below it. The caller only reads there.

    options: the options of every mount of the collection.
    raises:  LayerNotFound, StoreCorrupt for a lower that cannot be mounted, NotSupported, OSError.
    The fd of a mounted layer is on that mount. For another layer, this function makes a mount, read-only and without
    upper, in a private mount namespace. That namespace ends before the fd is yielded; the mount ends with the fd.
    """
    if not layer.lowers or layer.mounted:
        fd = open_quietly(f"{home}/{layer.id}/{MERGED if layer.mounted else DIFF}", os.O_DIRECTORY)
    else:
        store = LayerFiles(home)
        found = store.layer(layer.id)
        if found is None:
            raise layer_not_found_error(home, layer.id)
        store.lowers(found)  # raises for a link that leads out of the store, which the kernel would follow
        overlay = describe_mount(home, layer.id, found.lowers, read_only=True, options=options)
        fd = _mounted(overlay, f"{home}/{layer.id}")
    try:
        yield fd
    finally:
        os.close(fd)


def _mounted(overlay: Overlay, layer: str) -> int:
    """Return the fd of the root of *overlay*, mounted in a private mount namespace. The fd outlives that namespace.

    raises: OSError with filename=layer, the layer's directory, where the kernel refuses the mount.
    """
    ours, its = socket.socketpair()

    def in_private() -> None:
        if overlay.directory is not None:
            os.chdir(overlay.directory)  # already in a child
        mount_overlay(overlay._replace(directory=None), OUT_OF_THE_WAY)
        socket.send_fds(its, [b"."], [os.open(OUT_OF_THE_WAY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)])

    with ours, its:
        try:
            in_private_mounts(in_private)
        except OSError as error:
            if error.filename == OUT_OF_THE_WAY:
                error.filename = layer
            raise
        _data, fds, _flags, _address = socket.recv_fds(ours, 1, 1)
    return fds[0]
