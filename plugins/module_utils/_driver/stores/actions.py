# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that make, change and remove a store; plan.py plans them. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import typing as t

from ..._errors import StoreBusy, printable
from ..._linux.mountinfo import Snapshot
from ..._linux.noatime import open_quietly
from ..._linux.subject import about
from ..._linux.sync import sync_directory
from ..._store import staging
from ..._store.delete import delete_tree
from ..._store.json_writer import remove_file
from ..._store.layout import IMAGES, LINKS, OWN_FILE, QUOTA_DEVICE, STAGING
from ..._store.leftovers import leftovers
from ..._store.listing import names_in
from ..._store.lock import Deadline, locked
from ..._store.recognition import is_directory, is_store
from ..._store.settings import IdRange, Settings, write_settings
from ..plan import Action, Overtaken
from .state import DirectoryAccess

if t.TYPE_CHECKING:
    from ..run import Run

_PAUSE = 0.05  # seconds between two attempts to empty the staging directory


class MakeStore(Action):
    """Make a store, after a trial of overlays on its filesystem. If overlays do not work, remove what was made.

    l/ is made last: without l/, home is not a store, whatever else home holds.

    access:   of home ("") and of l.
    new_home: home does not exist yet, so the engine found nothing to lock.
    """

    def __init__(self, settings: Settings, access: t.Mapping[str, DirectoryAccess], new_home: bool) -> None:
        self.settings = settings
        self.access = access
        self.new_home = new_home
        self._lock = contextlib.ExitStack()
        self._made: list[str] = []

    def describe(self) -> str:
        return f"make the store{_with(self.settings)}"

    def prepare(self, run: Run) -> None:
        try:
            self._make_directories(run.home)
            if self.new_home:
                self._lock_home(run.home, Deadline(run.lock_timeout))
            _try_overlays(run.home, run.store.all_mounts)
        except BaseException:
            self._undo()
            raise

    def commit(self, run: Run) -> None:
        links = os.path.join(run.home, LINKS)
        with self._lock:
            try:
                write_settings(run.home, self.settings)
                _set_access(run.home, self.access[""])
                self._make_directory(links, self.access[LINKS].mode)
                _set_access(links, self.access[LINKS])
            except BaseException:
                with contextlib.suppress(OSError):  # a store whose l/ stays needs its settings
                    if links in self._made:
                        os.rmdir(links)
                    remove_file(os.path.join(run.home, OWN_FILE))
                self._undo()
                raise
            run.needs_sync()

    def _lock_home(self, home: str, deadline: Deadline) -> None:
        """Lock the new home. Raises Overtaken if another run has made a store there first, or has removed home."""
        try:
            self._lock.enter_context(locked(home, deadline))
        except FileNotFoundError:
            raise Overtaken() from None
        if is_store(home):
            raise Overtaken()

    def _make_directories(self, home: str) -> None:
        missing = [home]
        while not os.path.isdir(os.path.dirname(missing[0])):
            missing.insert(0, os.path.dirname(missing[0]))
        for path in missing:
            self._make_directory(path, self.access[""].mode if path == home else 0o755)

    def _make_directory(self, path: str, mode: int) -> None:
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if os.path.isdir(path):
                return
            raise
        self._made.append(path)
        os.chmod(path, mode)  # mkdir() leaves out the bits of the umask

    def _undo(self) -> None:
        for path in reversed(self._made):
            with contextlib.suppress(OSError):  # another run has begun to use the directory
                os.rmdir(path)
        self._lock.close()


class SetAccess(Action):
    """Set the mode and the owner of home or of l."""

    def __init__(self, path: str, access: DirectoryAccess) -> None:
        self.path = path
        self.access = access

    def describe(self) -> str:
        mode, uid, gid = self.access
        return f"set mode of {printable(self.path)} to {mode:04o}, owner to {uid}:{gid}"

    def commit(self, run: Run) -> None:
        _set_access(self.path, self.access)
        run.needs_sync()


class KeepSettings(Action):
    """Write new defaults or id maps to the own file of the store."""

    def __init__(self, before: Settings, after: Settings) -> None:
        self.before = before
        self.after = after

    def describe(self) -> str:
        old = _in_words(self.before)
        new = {name: value for name, value in _in_words(self.after).items() if value != old[name]}
        return "set " + ", ".join(f"{name} to {value}" for name, value in new.items())

    def commit(self, run: Run) -> None:
        write_settings(run.home, self.after)


class TakeOver(Action):
    """Take over a store that another program made: write our own file, which marks the store as ours."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def describe(self) -> str:
        return f"take over the store{_with(self.settings)}"

    def commit(self, run: Run) -> None:
        write_settings(run.home, self.settings)


class RemoveStore(Action):
    """Remove the parts of the store, l last, and then home itself, unless home stays."""

    def __init__(self, home_stays: bool) -> None:
        self.home_stays = home_stays

    def describe(self) -> str:
        return "remove the store" + (", but for its directory" if self.home_stays else "")

    def commit(self, run: Run) -> None:
        run.sync()  # the layers must be gone before the own file goes, which marks them as ours
        run.close()
        _empty_staging(run.home, Deadline(run.lock_timeout))
        _remove_quota_device(os.path.join(run.home, QUOTA_DEVICE))
        links = os.path.join(run.home, LINKS)
        if os.path.lexists(links):
            for entry in names_in(links):
                os.unlink(os.path.join(links, entry.name))
        if is_directory(os.path.join(run.home, IMAGES)):  # else it is a stranger's, and stays
            delete_tree(os.path.join(run.home, IMAGES))
        remove_file(os.path.join(run.home, OWN_FILE))  # late: while l/ exists, home is a store with settings
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(links)
        sync_directory(run.home)
        if not self.home_stays:
            os.rmdir(run.home)
            sync_directory(os.path.dirname(run.home))


def _empty_staging(home: str, deadline: Deadline) -> None:
    """Delete what is staged at *home*, once no run works in the staging directory. Raises StoreBusy, OSError."""
    staged = os.path.join(home, STAGING)
    while True:
        staging.sweep(home, leftovers(home))
        try:
            os.rmdir(staged)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.ENOTDIR:
                from ..._store.unusable import blocked_staging  # few stores have it, and each import is compiled

                raise blocked_staging(staged) from None
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            return
        if deadline.passed:
            raise StoreBusy(
                f"{printable(staged)} is still in use, or could not be emptied",
                hint="wait for the run that uses the directory, and unmount what is mounted below the directory",
                path=printable(staged),
            )
        time.sleep(_PAUSE)


def _try_overlays(home: str, known: Snapshot) -> None:
    """Raise NotSupported if no overlay can have its upper at *home*; otherwise save what the trial found.

    known: the mounts: the trial changes none that this process sees.
    """
    from ..._store.run_directory import RUN_DIRECTORY
    from ..probe import cache, features, filesystem
    from .trial import trial_on

    room = staging.Staging(home)
    try:
        told = trial_on(room.path)
    finally:
        room.close()
        staging.sweep(home, leftovers(home))
    refusal = features.not_supported_error(features.probe(home, trial=told, known=known))
    if refusal:
        raise refusal
    cache.save(RUN_DIRECTORY, filesystem.look(home, known), told)


def _set_access(path: str, access: DirectoryAccess) -> None:
    """Set *access* on a directory, never through a symlink. Meanwhile nobody gets more than before. Raises OSError."""
    fd = open_quietly(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    with about(path):
        try:
            _set_access_of(fd, access)
        finally:
            os.close(fd)


def _set_access_of(fd: int, access: DirectoryAccess) -> None:
    found = os.fstat(fd)
    if (found.st_uid, found.st_gid) == access[1:]:
        os.fchmod(fd, access.mode)
        return
    os.fchmod(fd, access.mode & found.st_mode)
    try:
        os.fchown(fd, access.uid, access.gid)
        os.fchmod(fd, access.mode)
    except OSError:
        with contextlib.suppress(OSError):
            os.fchown(fd, found.st_uid, found.st_gid)
            os.fchmod(fd, stat.S_IMODE(found.st_mode))
        raise


def _remove_quota_device(path: str) -> None:
    """Remove moby's device node; anything else of that name stays."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISBLK(os.lstat(path).st_mode):
            os.unlink(path)


def _in_words(settings: Settings) -> dict[str, str]:
    return {
        "default size": f"{settings.size} bytes" if settings.size else "none",
        "default inodes": str(settings.inodes) if settings.inodes else "none",
        "uid map": _map_in_words(settings.uid_map),
        "gid map": _map_in_words(settings.gid_map),
    }


def _with(settings: Settings) -> str:
    said = ", ".join(f"{name} {value}" for name, value in _in_words(settings).items() if value != "none")
    return f" with {said}" if said else ""


def _map_in_words(ranges: t.Sequence[IdRange]) -> str:
    return " ".join(f"{item.container_id}:{item.host_id}:{item.size}" for item in ranges) or "none"
