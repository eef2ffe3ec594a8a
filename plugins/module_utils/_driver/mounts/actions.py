# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making, holding and ending mounts of layers: the steps that mounts.py plans. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._errors import LayerInUse, printable
from ..._linux import mount
from ..._linux.mount import MS_RDONLY
from ..._linux.mountinfo import is_below
from ..._linux.overlayfs import require_writable
from ..._store import holders
from ..._store.delete import delete_tree
from ..._store.last_use import note_use
from ..._store.layer import record_content
from ..._store.layout import MERGED, MERGED_MODE, VOLATILE_MARKER, WORK
from ..plan import Action
from ..state import LayerState
from .description import MountDescription, perform

if t.TYPE_CHECKING:
    from ..run import Run


class MountLayer(Action):
    """Mount a layer on its merged, which is made for it. how: in words, for the sentence."""

    def __init__(self, layer_id: str, how: t.Sequence[str], description: MountDescription) -> None:
        self.layer_id = layer_id
        self.how = how
        self.description = description

    def describe(self) -> str:
        return f"mount layer {self.layer_id}{' ' if self.how else ''}{', '.join(self.how)}"

    def commit(self, run: Run) -> None:
        merged = self.description.target
        with contextlib.suppress(FileExistsError):  # a killed run's, or dockerd's
            os.mkdir(merged, MERGED_MODE)
        if any(run.root):
            os.chown(merged, *run.root)
        try:
            perform(self.description)
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(merged)
            if not self.description.flags & MS_RDONLY:
                self._forget_marker(run)
            raise
        if not self.description.flags & MS_RDONLY:
            try:
                work = os.path.join(run.home, self.layer_id, WORK)
                require_writable(merged, work)
                if any(run.root):
                    os.chown(os.path.join(work, "work"), *run.root)  # made by the mount just now
            except OSError:
                with contextlib.suppress(OSError):  # left, it is a mount that nobody holds
                    end_mount(run.home, self.layer_id)
                    self._forget_marker(run)
                raise

    def _forget_marker(self, run: Run) -> None:
        """Remove the volatile marker of a mount that came to nothing; an older one had to go before it."""
        with contextlib.suppress(OSError):
            delete_tree(os.path.join(run.home, self.layer_id, VOLATILE_MARKER))


class ForgetContent(Action):
    """Erase, durably, what is recorded of a layer's content, before it can change."""

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"forget the diff id of layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        record_content(run.home, self.layer_id)


class Unmount(Action):
    """End a layer's mount, unless something uses it.

    or_else: what else the module knows against what uses it, for the end of a hint.
    """

    writes = False

    def __init__(self, layer_id: str, or_else: str) -> None:
        self.layer_id = layer_id
        self.or_else = or_else

    def describe(self) -> str:
        return f"unmount layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        try:
            end_mount(run.home, self.layer_id)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise self.busy_error(run.home, users_of_mount(run.home, self.layer_id)) from None
        note_use(run.home, self.layer_id)

    def busy_error(self, home: str, users: str) -> LayerInUse:
        """Return the error for a mount that *users* keep busy, "" for users that were not found."""
        why = users or "no process that uses it could be found; it may be in another PID namespace"
        return LayerInUse(
            f"cannot unmount layer {self.layer_id}: {printable(home)}/{self.layer_id}/{MERGED} is busy: {why}",
            hint=f"end the processes that use it, then run the task again{self.or_else}",
            id=self.layer_id,
            users=why,
        )


class ClearMarker(Action):
    """Make durable what was written without syncs, and remove overlayfs' mark of that. Nothing must be mounted."""

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"sync layer {self.layer_id} and remove its volatile marker"

    def prepare(self, run: Run) -> None:
        run.needs_sync()  # most of it, while the mount is still there

    def commit(self, run: Run) -> None:
        run.needs_sync()
        run.sync()
        delete_tree(os.path.join(run.home, self.layer_id, VOLATILE_MARKER))
        run.needs_sync()


class SetHolder(Action):
    """Note that a holder needs a layer, or no longer does."""

    def __init__(self, layer: LayerState, holder: str, holds: bool) -> None:
        self.layer = layer
        self.holder = holder
        self.holds = holds

    def describe(self) -> str:
        return f"{'hold' if self.holds else 'let go of'} layer {self.layer.id} for {self.holder}"

    def commit(self, run: Run) -> None:
        names = {*self.layer.holders} - {self.holder}
        holders.write(run.home, self.layer.id, names | {self.holder} if self.holds else names)
        note_use(run.home, self.layer.id, self.layer.lowers)


def users_of_mount(home: str, layer_id: str) -> str:
    """Return who uses what is mounted on a layer's merged, in words; "" if nobody is seen to."""
    from ..in_use.users import describe_users, users_of_layers  # needed only when something is in the way

    merged = os.path.join(home, layer_id, MERGED)
    users = users_of_layers(home, [layer_id]).get(layer_id, [])
    found = [user for user in users if user.how != "mount" and is_below(user.path, merged)]
    return describe_users(found) if found else ""


class DropHolders(Action):
    """Forget who needs a layer mounted."""

    def __init__(self, layer: LayerState) -> None:
        self.layer = layer

    def describe(self) -> str:
        return f"drop the holders of layer {self.layer.id}: {', '.join(self.layer.holders)}"

    def commit(self, run: Run) -> None:
        holders.write(run.home, self.layer.id, ())
        note_use(run.home, self.layer.id, self.layer.lowers)


class DetachMount(Action):
    """Take a layer's mount out of sight at once; it ends when its last user is gone."""

    writes = False

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"detach the mount of layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        end_mount(run.home, self.layer_id, mount.MNT_DETACH)


def end_mount(home: str, layer_id: str, flags: int = 0) -> None:
    """Unmount what is on a layer's merged, all of it if one lies on another, and remove that directory.

    flags: of umount2(2). Raises OSError with filename=merged; what is on merged then is still there.
    """
    merged = os.path.join(home, layer_id, MERGED)
    while True:
        mount.umount(merged, flags | mount.UMOUNT_NOFOLLOW)
        try:
            return os.rmdir(merged)  # ends its copies in other mount namespaces
        except OSError as error:
            if error.errno != errno.EBUSY:  # not a mount point any more; the directory may have to stay: read-only, say
                return
