# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes a store: its staging directories, its syncs and its sweeping. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.sync import sync_filesystem
from .._store import staging
from .._store.engine import CONTAINERD
from .._store.layout import OWN_FILE
from .._store.leftovers import layers_in, leftovers
from .._store.lock import Deadline, layer_not_found_error
from .._store.settings import Settings, write_settings
from .quota.project_id import project_of, stop_inheritance
from .store import Store

_GROUP_BYTES = 1 << 30  # so much content that is prepared is published before more is prepared
_GROUP_SECONDS = 30  # or what is prepared for so long: a run that is killed loses no more


class Run:
    """What the actions of one plan share. Call close(): it deletes what the actions only moved out of sight.

    store:        the store as it was observed.
    home:         the path of the store.
    lock_timeout: seconds to wait for another run; the wait starts anew after a long action.
    made:         the layers staged so far, by id.
    stack:        what ends with the run, before its staging directories are deleted.
    group:        the number of the actions that are committed together.
    """

    def __init__(self, store: Store, lock_timeout: float = 60) -> None:
        self.store = store
        self.home = store.home
        self.lock_timeout = lock_timeout
        self.made: dict[str, staging.NewLayer] = {}
        self.stack = contextlib.ExitStack()
        self.group = 0
        self._prepared = 0  # bytes of this group
        self._prepared_since: float | None = None  # by the monotonic clock; None if nothing is prepared
        self._stagings: dict[str, staging.Staging] = {}
        self._retired: list[staging.Retired] = []
        self._leftovers: list[str] = []
        self._unsynced = False
        self._sweeping = False
        self._claimed = False
        self._seconds: int | None = None
        self._unreleased: list[int] = []  # projects of removed layers
        self._last_project = 0  # the project id given last
        self._warnings: list[str] = []

    @property
    def root(self) -> tuple[int, int]:
        """uid and gid of the remapped root. Raises StoreCorrupt, OSError."""
        return self.store.settings.root

    def links_of(self, layer_id: str) -> tuple[str, ...]:
        """Return the names in l/ of the lowers that a child of *layer_id* has, nearest first; none for "".

        raises: LayerNotFound, StoreCorrupt, OSError.
        """
        if not layer_id:
            return ()
        layer = self.made.get(layer_id) or self.store.files.layer(layer_id)
        if layer is None:
            raise layer_not_found_error(self.home, layer_id)
        return (layer.link, *layer.lowers)

    def claim(self) -> None:
        """Write the store's own file if it is missing. Call claim() before the first layer is made. Raises OSError."""
        if not self._claimed and not os.path.lexists(os.path.join(self.home, OWN_FILE)):
            write_settings(self.home, Settings())
        self._claimed = True

    def staging(self, layer_id: str = "") -> str:
        """Return our staging directory in home, or in a layer. In home, the caller must hold the store's lock.

        raises: StoreCorrupt, OSError.
        """
        if layer_id not in self._stagings:
            if not layer_id:
                self.sweep()
            mine = staging.Staging(os.path.join(self.home, layer_id) if layer_id else self.home)
            self._stagings[layer_id] = mine
            if not layer_id:
                stop_inheritance(self.home, os.path.dirname(mine.path), mine.path)
        self._unsynced = True
        return self._stagings[layer_id].path

    def make_project(self, directory: str) -> None:
        """Make an empty directory a quota project, if project quota is on. Raises StoreBusy, OSError."""
        if self.store.has_quota:
            from .quota import projects  # most stores have no quotas, and each import is compiled on every host

            self._last_project = projects.assign(directory, self._last_project)

    def hide_layer(self, layer_id: str, link: str) -> None:
        """Move a layer out of sight, even on a full filesystem. Raises OSError; the layer is unchanged then.

        link: "" for a layer whose link is lost.
        """
        directory = os.path.join(self.home, layer_id)
        project_id = project_of(directory) if self.store.has_quota else 0
        self._take_away(layer_id, link)
        self._release(project_id)  # if the run is killed before this, the run that sweeps the leftover releases it

    def _take_away(self, layer_id: str, link: str) -> None:
        try:
            room = self.staging()
        except (OSError, StoreCorrupt):  # the filesystem is full, or the staging directories cannot be read
            stop_inheritance(self.home)
            self._retired.append(staging.Retired(self.home, layer_id, link))
        else:
            staging.retire_layer(self.home, room, layer_id, link)
        self._unsynced = True

    def hide_directory(self, path: str) -> None:
        """Move the directory at *path* below home out of sight, where no layers of ours lie. Raises OSError."""
        self._retired.append(staging.Retired(self.home, path, ""))
        self._unsynced = True

    def sweep(self) -> None:
        """List the leftovers of killed runs, for close() to delete. The caller must hold the store's lock.

        A leftover that cannot be read or mended now is left to a later run, so that this run does not fail.
        """
        if self._sweeping:  # the leftovers were already listed; some of their layers may have been deleted since
            return
        with contextlib.suppress(OSError):
            self._leftovers = leftovers(self.home)
        if self._leftovers:
            self._mend()
            self._release_leftovers()
        self._sweeping = True

    def limit_deletion(self, seconds: int | None) -> None:
        """Limit how long close() deletes. A later run deletes the rest. seconds: None for no limit."""
        self._seconds = seconds

    def note_prepared(self, size: int) -> None:
        """Note that a layer with *size* bytes is ready to be published."""
        self._prepared += size
        if self._prepared_since is None:
            self._prepared_since = time.monotonic()

    @property
    def has_much_prepared(self) -> bool:
        """Whether the actions that are prepared should be committed before the next one is prepared."""
        since = self._prepared_since
        return self._prepared >= _GROUP_BYTES or (since is not None and time.monotonic() - since >= _GROUP_SECONDS)

    def begin_group(self) -> None:
        """Begin the next group of actions."""
        self.group += 1
        self._prepared, self._prepared_since = 0, None
        self._unsynced = True  # the staging directory has more to come

    def warn(self, message: str) -> None:
        """Warn the user of what an action found out; close() returns it."""
        self._warnings.append(message)

    def needs_sync(self) -> None:
        """Note that an action wrote something: the next sync() makes it durable."""
        self._unsynced = True

    def sync(self) -> None:
        """Make durable what was staged or published since the last sync(). Raises OSError."""
        if self._unsynced:
            with contextlib.suppress(FileNotFoundError):  # the store and its home are removed
                sync_filesystem(self.home)
            self._unsynced = False

    def close(self) -> list[str]:
        """Delete our staging directories and the leftovers of killed runs; return warnings.

        Deleting may take long, and needs only the staging directories' own locks. Leftovers that appeared after sweep()
        are left to the next run: mending them needs the store's lock.
        """
        self.stack.close()
        self._release_unpublished()
        warnings = [*self._warnings, *self._release_again()]
        self._warnings.clear()
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
                    "the removal is done, but some files could not be deleted yet:"
                    f" {where}: {error.strerror}; the next run tries again"
                )
        self._stagings.clear()
        self._retired.clear()
        self._leftovers.clear()
        self._sweeping = False
        return warnings

    def _release_leftovers(self) -> None:
        """Release the quotas of layers in leftovers: once a directory is deleted, its project id cannot be found."""
        if self.store.managed_by == CONTAINERD:  # it limits nothing, so a limit there is of somebody else
            return
        for directory in layers_in(self._leftovers) if self.store.has_quota else ():
            with contextlib.suppress(OSError):  # another run has just swept the directory, or it cannot be read
                self._release(project_of(directory))

    def _release_unpublished(self) -> None:
        """Release the quotas of the layers that the run staged and could not publish."""
        mine = self._stagings.get("")
        if not self.made or mine is None or not self.store.has_quota:
            return
        for layer_id in self.made:
            with contextlib.suppress(OSError):  # the layer is published, or cannot be read
                self._release(project_of(os.path.join(mine.path, layer_id)))

    def _release(self, project_id: int) -> None:
        """Remove the limits of a project whose layer is out of sight. If this fails, close() tries again."""
        if project_id in (0, self.store.home_project):
            return
        from .quota import projects  # as above

        try:
            projects.release(self.home, project_id)
        except OSError:
            self._unreleased.append(project_id)

    def _release_again(self) -> t.Iterator[str]:
        """Try again to remove limits; yield a warning for each that stays: it is litter, not an error."""
        while self._unreleased:
            from .quota import projects  # as above

            project_id = self._unreleased.pop()
            try:
                projects.release(self.home, project_id)
            except OSError as error:
                yield (
                    f"could not remove the limits of project {project_id}, whose layer is removed: {error.strerror};"
                    " strata.overlay2.overlay2_prune removes them"
                )

    def _mend(self) -> None:
        """Finish what killed runs left undone: remove the links of their leftovers, and seal the parents of layers."""
        staging.unlink_leftovers(self.home, self._leftovers)
        if self.store.managed_by:  # in the store of another engine, the engine itself writes `committed`
            return
        for layer_id in self.store.files.unsealed_parents():
            with contextlib.suppress(OSError):
                staging.seal_layer(self.home, layer_id)
