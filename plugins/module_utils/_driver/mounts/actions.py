# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that plan.py plans: make, hold and end mounts of layers. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._errors import LayerInUse, Overlay2Error, printable
from ..._linux import mount
from ..._linux.mountinfo import Snapshot, is_below
from ..._linux.overlay_mount import Overlay, mount_overlay
from ..._store import holders
from ..._store.delete import delete_tree
from ..._store.last_use import note_use
from ..._store.layout import MERGED, MERGED_MODE, VOLATILE_MARKER, WORK
from ..._store.record_writer import forget_content
from ..._store.staging import Staging
from ..plan import Action
from ..state import LayerState
from ..undo import Steps, undone_if_it_fails

if t.TYPE_CHECKING:
    from ..run import Run


class MountLayer(Action):
    """Make a layer's merged and mount the layer there.

    how:     words for the sentence.
    forgets: erase the record of the layer's content, durably, because the content can change once it is mounted.
    """

    def __init__(self, layer_id: str, how: t.Sequence[str], overlay: Overlay, *, forgets: bool = False) -> None:
        self.layer_id = layer_id
        self.how = how
        self.overlay = overlay
        self.forgets = forgets

    def describe(self) -> str:
        how = f"{' ' if self.how else ''}{', '.join(self.how)}"
        return f"mount layer {self.layer_id}{how}{', and forget its diff id' if self.forgets else ''}"

    def commit(self, run: Run) -> None:
        merged = os.path.join(run.home, self.layer_id, MERGED)
        with contextlib.suppress(FileExistsError):  # left by a killed run, or by dockerd
            os.mkdir(merged, MERGED_MODE)
        if any(run.root):
            os.chown(merged, *run.root)
        try:
            if self.forgets:
                with forgotten_content(run.home, self.layer_id) as undo:
                    self._mount(run, merged, undo)
            else:
                self._mount(run, merged, [])
        except (OSError, Overlay2Error):
            with contextlib.suppress(OSError):
                os.rmdir(merged)
            if self.overlay.work is not None:  # remove the new volatile marker; an older one was removed before
                with contextlib.suppress(OSError):
                    delete_tree(os.path.join(run.home, self.layer_id, VOLATILE_MARKER))
            raise

    def _mount(self, run: Run, merged: str, undo: Steps) -> None:
        """Mount the layer, or leave nothing mounted. Raises OSError."""
        mount_overlay(self.overlay, merged)
        if self.overlay.work is None or not any(run.root):
            return
        try:
            os.chown(os.path.join(run.home, self.layer_id, WORK, "work"), *run.root)  # the mount has made it
        except OSError:
            undo.clear()  # somebody may have entered the mount, and a detached mount can still be written to
            with contextlib.suppress(OSError):
                mount.umount(merged, mount.MNT_DETACH | mount.UMOUNT_NOFOLLOW)
            raise


class ForgetContent(Action):
    """Erase the record of a layer's content, durably, before the content can change."""

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"forget the diff id of layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        with forgotten_content(run.home, self.layer_id):
            pass


@contextlib.contextmanager
def forgotten_content(home: str, layer_id: str) -> t.Iterator[Steps]:
    """Erase the record of a layer's content, its manifest and its exact record; if the block raises, put them back.

    Yields the steps that put them back. If the run is killed in the block, they stay erased: the next run sweeps them.
    raises: StoreCorrupt, OSError.
    """
    aside = Staging(os.path.join(home, layer_id))
    try:
        with undone_if_it_fails() as undo:
            forget_content(home, layer_id, aside.path, undo)
            yield undo
    finally:
        with contextlib.suppress(OSError):  # a later run sweeps the rest
            aside.close()


class Unmount(Action):
    """Unmount a layer, unless something uses the mount.

    or_else: another cure that the module offers against a use, for the end of a hint.
    """

    writes = False

    def __init__(self, layer_id: str, or_else: str) -> None:
        self.layer_id = layer_id
        self.or_else = or_else

    def describe(self) -> str:
        return f"unmount layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        self.end(run)
        note_use(run.home, self.layer_id)

    def end(self, run: Run) -> None:
        """End the mount. Raises LayerInUse, OSError."""
        try:
            end_mount(run.home, self.layer_id)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise self.busy_error(run.home, users_of_mount(run.home, self.layer_id)) from None

    def busy_error(self, home: str, users: str) -> LayerInUse:
        """Return the error for a mount that *users* keep busy, "" for users that were not found."""
        why = users or "no process that uses the mount was found; the process may be in another PID namespace"
        return LayerInUse(
            f"cannot unmount layer {self.layer_id}: {printable(home)}/{self.layer_id}/{MERGED} is busy: {why}",
            hint=f"end the processes that use the mount, then run the task again{self.or_else}",
            id=self.layer_id,
            users=why,
        )


class ClearMarker(Action):
    """Sync a layer that was written without syncs, and remove overlayfs' marker. The layer must not be mounted."""

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"sync layer {self.layer_id} and remove its volatile marker"

    def prepare(self, run: Run) -> None:
        run.needs_sync()  # writes most of the data, while the layer is still mounted

    def commit(self, run: Run) -> None:
        run.needs_sync()
        run.sync()
        delete_tree(os.path.join(run.home, self.layer_id, VOLATILE_MARKER))
        run.needs_sync()


class SetHolder(Action):
    """Record that a holder needs a layer, or that a holder no longer needs it."""

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


def users_of_mount(home: str, layer_id: str, known: Snapshot | None = None) -> str:
    """Return the users of the mount on a layer's merged, in words; "" if no user can be seen.

    known: our own mounts; None to read them now, as after an unmount that failed.
    """
    from ..in_use.users import describe_users, users_of_layers  # needed only when something is in the way

    merged = os.path.join(home, layer_id, MERGED)
    users = users_of_layers(home, [layer_id], known=known).get(layer_id, [])
    found = [user for user in users if user.how != "mount" and is_below(user.path, merged)]
    return describe_users(found) if found else ""


class DropHolders(Action):
    """Remove the record of all holders of a layer."""

    def __init__(self, layer: LayerState) -> None:
        self.layer = layer

    def describe(self) -> str:
        return f"drop the holders of layer {self.layer.id}: {', '.join(self.layer.holders)}"

    def commit(self, run: Run) -> None:
        holders.write(run.home, self.layer.id, ())
        note_use(run.home, self.layer.id, self.layer.lowers)


class DetachMount(Action):
    """Detach a layer's mount: it is out of sight at once, and ends with its last user."""

    writes = False

    def __init__(self, layer_id: str) -> None:
        self.layer_id = layer_id

    def describe(self) -> str:
        return f"detach the mount of layer {self.layer_id}"

    def commit(self, run: Run) -> None:
        end_mount(run.home, self.layer_id, mount.MNT_DETACH)


def end_mount(home: str, layer_id: str, flags: int = 0) -> None:
    """Unmount everything that is mounted on a layer's merged, and remove that directory.

    flags:  of umount2(2).
    raises: OSError with filename=merged; the topmost mount is still there.
    """
    merged = os.path.join(home, layer_id, MERGED)
    while True:
        mount.umount(merged, flags | mount.UMOUNT_NOFOLLOW)
        try:
            return os.rmdir(merged)  # ends its copies in other mount namespaces
        except OSError as error:
            if error.errno != errno.EBUSY:  # not a mount point any more; a read-only filesystem keeps the directory
                return
