# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer as a mount shows it, merged with all below, for those who only read. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import socket
import typing as t

from ..._linux import mount
from ..._linux.namespace import in_private_mounts
from ..._linux.noatime import open_quietly
from ..._store.layer import Store
from ..._store.layout import DIFF, MERGED
from ..._store.lock import layer_not_found_error
from ..state import LayerState
from .description import MountDescription, describe_mount

_OUT_OF_THE_WAY = "/proc"  # where the mount lies, seen by nobody: a directory that every host has


@contextlib.contextmanager
def merged_view(home: str, layer: LayerState, options: t.Sequence[str]) -> t.Iterator[int]:
    """Give the fd of a directory that shows *layer* and all below it; to be read only.

    options: of every mount of ours.
    raises:  LayerNotFound, StoreCorrupt for a lower that cannot be mounted, NotSupported, OSError.
    A layer that is mounted is read through that mount. Otherwise one is made, read-only, without upper, in a private
    mount namespace that is gone before the fd is given: nobody sees it, and it ends with the fd.
    """
    if not layer.lowers or layer.mounted:
        fd = open_quietly(f"{home}/{layer.id}/{MERGED if layer.mounted else DIFF}", os.O_DIRECTORY)
    else:
        store = Store(home)
        found = store.layer(layer.id)
        if found is None:
            raise layer_not_found_error(home, layer.id)
        store.lowers(found)  # raises where one leads astray: the kernel would take it
        fd = _mounted(describe_mount(home, layer.id, found.lowers, read_only=True, options=options))
    try:
        yield fd
    finally:
        os.close(fd)


def _mounted(description: MountDescription) -> int:
    """Mount it out of sight and return the fd of its root, which outlives the namespace. Raises OSError."""
    ours, its = socket.socketpair()

    def in_private() -> None:
        if description.directory is not None:
            os.chdir(description.directory)
        mount.mount("overlay", _OUT_OF_THE_WAY, "overlay", description.flags, description.data)
        socket.send_fds(its, [b"."], [os.open(_OUT_OF_THE_WAY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)])

    with ours, its:
        in_private_mounts(in_private)
        _data, fds, _flags, _address = socket.recv_fds(ours, 1, 1)
    return fds[0]
