# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run that changes a store: its staging directories, and what it syncs and sweeps. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._errors import printable
from .._linux.sync import sync_filesystem
from .._store import staging
from .._store.layout import OWN_FILE
from .._store.leftovers import layers_in, leftovers
from .._store.lock import Deadline, layer_not_found_error
from .._store.settings import Settings, write_settings
from .quota import projects
from .store import Store


class Run:
    """What the actions of one plan share. Call close(): it deletes what the actions only moved out of sight.

    store:        the store as it was observed.
    home:         the path of the store.
    lock_timeout: seconds to wait for another run, once more after what takes long.
    made:         the layers staged so far, by id.
    """

    def __init__(self, store: Store, lock_timeout: float = 60) -> None:
        self.store = store
        self.home = store.home
        self.lock_timeout = lock_timeout
        self.made: dict[str, staging.NewLayer] = {}
        self._stagings: dict[str, staging.Staging] = {}
        self._retired: list[staging.Retired] = []
        self._leftovers: list[str] = []
        self._unsynced = False
        self._sweeping = False
        self._seconds: int | None = None
        self._unreleased: list[int] = []  # projects of removed layers
        self._last_project = 0  # the project id given last

    @property
    def root(self) -> tuple[int, int]:
        """uid and gid of the remapped root. Raises StoreCorrupt, OSError."""
        return self.store.settings.root

    def links_of(self, layer_id: str) -> tuple[str, ...]:
        """Return the names in l/ of what a child of *layer_id* has as lowers, nearest first; none for "".

        raises: LayerNotFound, StoreCorrupt, OSError.
        """
        if not layer_id:
            return ()
        layer = self.made.get(layer_id) or self.store.files.layer(layer_id)
        if layer is None:
            raise layer_not_found_error(self.home, layer_id)
        return (layer.link, *layer.lowers)

    def claim(self) -> None:
        """Put our file into a store without layers that lacks it, before there is a layer of ours. Raises OSError."""
        if not os.path.lexists(os.path.join(self.home, OWN_FILE)):
            write_settings(self.home, Settings())

    def staging(self, layer_id: str = "") -> str:
        """Return our staging directory in home, or in a layer; for the first the store's lock must be held.

        raises: OSError.
        """
        if layer_id not in self._stagings:
            if not layer_id:
                self.sweep()
            mine = staging.Staging(os.path.join(self.home, layer_id) if layer_id else self.home)
            self._stagings[layer_id] = mine
            if not layer_id:
                projects.stop_inheritance(self.home, os.path.dirname(mine.path), mine.path)
        self._unsynced = True
        return self._stagings[layer_id].path

    def make_project(self, directory: str) -> None:
        """Let an empty directory be a project, where there are such. Raises StoreBusy, OSError."""
        if self.store.has_quota:
            self._last_project = projects.assign(directory, self._last_project)

    def hide_layer(self, layer_id: str, link: str) -> None:
        """Take a layer out of sight, however full the filesystem is. Raises OSError; the layer is as it was then.

        link: "" for a layer whose own is lost.
        """
        directory = os.path.join(self.home, layer_id)
        project_id = projects.project_of(directory) if self.store.has_quota else 0
        self._take_away(layer_id, link)
        self._release(project_id)  # a killed run gets no further: the run that sweeps the leftover releases it

    def _take_away(self, layer_id: str, link: str) -> None:
        try:
            room = self.staging()
        except OSError:  # the filesystem is full, or cannot read the staging directories
            projects.stop_inheritance(self.home)
            self._retired.append(staging.Retired(self.home, layer_id, link))
        else:
            staging.retire_layer(self.home, room, layer_id, link)
        self._unsynced = True

    def sweep(self) -> None:
        """Have close() delete what killed runs left; the store's lock must be held.

        What cannot be read or mended now is left to a later run: it is no reason for this one to fail.
        """
        if self._sweeping:  # the leftovers are listed, and some layers in them may be deleted since
            return
        with contextlib.suppress(OSError):
            self._leftovers = leftovers(self.home)
        if self._leftovers:
            self._mend()
            self._release_leftovers()
        self._sweeping = True

    def limit_deletion(self, seconds: int | None) -> None:
        """Have close() delete for so long at most, and leave the rest to later runs; None: to the end."""
        self._seconds = seconds

    def needs_sync(self) -> None:
        """Note that something was written which the next sync() has to make durable."""
        self._unsynced = True

    def sync(self) -> None:
        """Make durable what was staged, or published, since the last time. Raises OSError."""
        if self._unsynced:
            with contextlib.suppress(FileNotFoundError):  # the store is removed, and its home, too
                sync_filesystem(self.home)
            self._unsynced = False

    def close(self) -> list[str]:
        """Delete what is left in our staging directories and in those of killed runs; return warnings.

        May take long, and needs no lock but the staging directories' own. What was left since we looked, with the
        store's lock, is for the next run to mend first.
        """
        warnings = list(self._release_again())
        until = None if self._seconds is None else Deadline(self._seconds)
        todo: list[t.Callable[[Deadline | None], None]] = [mine.close for mine in self._stagings.values()]
        todo += [gone.close for gone in self._retired]
        if todo or self._sweeping:
            todo.append(functools.partial(staging.sweep, self.home, self._leftovers))
            todo.append(functools.partial(staging.sweep_layers, self.home))
        for step in todo:
            try:
                step(until)
            except OSError as error:
                where = printable(error.filename or self.home)
                warnings.append(
                    f"could not delete all that was removed: {where}: {error.strerror}; a later run tries again"
                )
        self._stagings.clear()
        self._retired.clear()
        self._leftovers.clear()
        self._sweeping = False
        return warnings

    def _release_leftovers(self) -> None:
        """Release the quotas of layers in leftovers: once a directory is deleted, its project id cannot be found."""
        for directory in layers_in(self._leftovers) if self.store.has_quota else ():
            with contextlib.suppress(OSError):  # another run has just swept it, or it cannot be read
                self._release(projects.project_of(directory))

    def _release(self, project_id: int) -> None:
        """Take the limits off the project of what is out of sight. If that fails, close() tries again."""
        if project_id in (0, self.store.home_project):
            return
        try:
            projects.release(self.home, project_id)
        except OSError:
            self._unreleased.append(project_id)

    def _release_again(self) -> t.Iterator[str]:
        """Yield warnings of limits that stay, without their layers: they are litter, and no error."""
        while self._unreleased:
            project_id = self._unreleased.pop()
            try:
                projects.release(self.home, project_id)
            except OSError as error:
                yield (
                    f"could not take the limits off project {project_id}, whose layer is gone: {error.strerror};"
                    " strata.overlay2.overlay2_prune does it"
                )

    def _mend(self) -> None:
        """Do what killed runs had still to do beside deleting: their names in l/, and the marks of new parents."""
        staging.unlink_leftovers(self.home, self._leftovers)
        if self.store.managed_by:  # in the store of another engine, the engine itself writes `committed`
            return
        for layer_id in self.store.files.unsealed_parents():
            with contextlib.suppress(OSError):
                staging.seal_layer(self.home, layer_id)
