# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes of the directory trees in a store. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..._errors import Overlay2Error
from ..._store.last_use import read_times
from ..._store.layout import DIFF
from ..._store.leftovers import leftovers
from ..._store.recognition import is_store, layer_ids
from ..layers.disk_usage import Moved, Tree, inode_bytes, tree_of

_ATTEMPTS = 5  # to read a tree while another process changes it


_UNKNOWN = Tree(0, 0, {})


class Sizes:
    """Measures trees in a store. Measuring takes long, so the first measuring takes no lock.

    A layer is measured again if its content may have changed. The cache key is the inode of the layer, the inode of
    its diff and the time of its last use: if none of them changed, the size is unchanged, or the layer is in use and
    stays anyway.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._known: dict[str, tuple[t.Any, Tree]] = {}

    @functools.cached_property
    def _per_inode(self) -> int:
        return inode_bytes(self._home) if os.path.isdir(self._home) else 0

    def measure(self) -> None:
        """Measure all layers and leftovers. A tree that cannot be measured now is measured when it is needed."""
        with contextlib.suppress(Overlay2Error, OSError):
            if is_store(self._home):
                for id in layer_ids(self._home):
                    with contextlib.suppress(OSError):
                        self.of_layer(id)
                for path in leftovers(self._home):
                    self._known.pop(path, None)  # another run may have swept a part of it
                    with contextlib.suppress(OSError):
                        self.of(path)

    def of_layer(self, id: str) -> Tree:
        """Return the size of a layer's directory. Raises OSError."""
        path = f"{self._home}/{id}"
        stamp: list[t.Any] = [os.lstat(path).st_ino, read_times(self._home, id)]
        with contextlib.suppress(FileNotFoundError):
            stamp.append(os.lstat(f"{path}/{DIFF}").st_ino)
        return self.of(path, stamp)

    def of_directory(self, path: str) -> Tree:
        """Return the size of a directory that is not a layer of ours. Raises OSError."""
        status = os.lstat(path)
        return self.of(path, (status.st_ino, status.st_ctime))

    def of(self, path: str, stamp: t.Any = None) -> Tree:
        """Return the size of a directory; the cached size if *stamp* is unchanged. Raises OSError."""
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, _tree_of(path, self._per_inode))
        return known[1]


def _tree_of(path: str, per_inode: int) -> Tree:
    """Return the size of a directory that another process may be changing. Raises OSError."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return tree_of(path, per_inode)
        except Moved:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError
