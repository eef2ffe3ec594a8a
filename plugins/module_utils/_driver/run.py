# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run that changes a store: its staging directories, and what it syncs and sweeps. PRIVATE to the collection."""

from __future__ import annotations

import functools
import os
import typing as t

from .._errors import printable
from .._linux.quiet import open_quietly
from .._linux.sync import syncfs
from .._store import staging
from .._store.layer import Store
from .._store.lock import layer_not_found


class Run:
    """What the actions of one plan share. Close it: only then is gone what they removed.

    root: uid and gid of the remapped root. made: the layers staged so far, by id.
    """

    def __init__(self, home: str, root: tuple[int, int] = (0, 0)) -> None:
        self.home = home
        self.root = root
        self.made: dict[str, staging.NewLayer] = {}
        self._store = Store(home)
        self._stagings: dict[str, staging.Staging] = {}
        self._leftovers: dict[str, list[str]] = {}
        self._unsynced = False

    def links_of(self, layer_id: str) -> tuple[str, ...]:
        """Return the names in l/ of what a child of *layer_id* has as lowers, nearest first; none for "".

        raises: LayerNotFound, StoreCorrupt, OSError.
        """
        if not layer_id:
            return ()
        layer = self.made.get(layer_id) or self._store.layer(layer_id)
        if layer is None:
            raise layer_not_found(self.home, layer_id)
        return (layer.link, *layer.lowers)

    def staging(self, layer_id: str = "") -> str:
        """Return our staging directory in home, or in a layer; for the first the store's lock must be held.

        raises: OSError.
        """
        if layer_id not in self._stagings:
            parent = os.path.join(self.home, layer_id)
            self._leftovers[parent] = staging.leftovers(parent)
            if not layer_id and self._leftovers[parent]:
                self._mend(self._leftovers[parent])
            self._stagings[layer_id] = staging.Staging(parent)
        self._unsynced = True
        return self._stagings[layer_id].path

    def will_sync(self) -> None:
        """Note that something was written which the next sync() has to make durable."""
        self._unsynced = True

    def sync(self) -> None:
        """Make durable what was staged, or published, since the last time. Raises OSError."""
        if not self._unsynced or not os.path.isdir(self.home):
            return
        fd = open_quietly(self.home, os.O_DIRECTORY)
        try:
            syncfs(fd)
        finally:
            os.close(fd)

    def close(self) -> list[str]:
        """Delete what is left in our staging directories and in those of killed runs; return warnings.

        May take long, and needs no lock but the staging directories' own. What was left since we looked, with the
        store's lock, is for the next run to mend first.
        """
        warnings = []
        todo: list[t.Callable[[], None]] = [mine.close for mine in self._stagings.values()]
        todo += [functools.partial(staging.sweep, parent, found) for parent, found in self._leftovers.items()]
        for step in todo:
            try:
                step()
            except OSError as error:
                where = printable(error.filename or self.home)
                warnings.append(
                    f"could not delete all that was removed: {where}: {error.strerror}; a later run tries again"
                )
        self._stagings.clear()
        self._leftovers.clear()
        return warnings

    def _mend(self, leftovers: t.Sequence[str]) -> None:
        """Do what killed runs had still to do beside deleting: their names in l/, and the marks of new parents."""
        staging.unlink_leftovers(self.home, leftovers)
        for layer_id in self._store.unsealed_parents():
            staging.seal_layer(self.home, layer_id)
