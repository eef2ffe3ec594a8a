# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that repair a store. Nothing in a diff is opened; what is replaced is a damaged file. PRIVATE."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._errors import StoreCorrupt
from ..._linux.rename import rename_noreplace
from ..._linux.subject import about
from ..._linux.sync import sync_directory, sync_file
from ..._store import staging
from ..._store.json_writer import replace_file, write_new
from ..._store.layout import DIFF, FILE_MODE, LINK, LINKS, LOWER, OWN_FILE, WORK, WORK_MODE
from ..._store.record_writer import new_record
from ..plan import Action

if t.TYPE_CHECKING:
    from ..._store.repairs import Repair
    from ..run import Run

_ASIDE = ".damaged-"


class MakeLinks(Action):
    """Make l/ again, empty: other actions make its names."""

    def __init__(self, mode: int) -> None:
        self._mode = mode

    def describe(self) -> str:
        return f"make the directory {LINKS} of the store again"

    def commit(self, run: Run) -> None:
        made = os.path.join(run.staging(), LINKS)
        os.mkdir(made, self._mode)
        os.chmod(made, self._mode)  # independent of the umask
        rename_noreplace(made, os.path.join(run.home, LINKS))
        sync_directory(run.home)


class _RepairAction(Action):
    """Does one repair. The caller holds the store's lock, and no other run works on the layer."""

    def __init__(self, repair: Repair) -> None:
        self.repair = repair

    def describe(self) -> str:
        return self.repair.sentence

    def path(self, run: Run, *parts: str) -> str:
        """Return a path below the layer's directory."""
        return os.path.join(run.home, self.repair.layer, *parts)


class WriteLink(_RepairAction):
    """Write a layer's link file."""

    def commit(self, run: Run) -> None:
        replace(run, self.repair.layer, LINK, self.repair.link)


class SetName(_RepairAction):
    """Make a layer's name in l/, or make the name lead to the layer."""

    def commit(self, run: Run) -> None:
        set_name(run, self.repair.layer, self.repair.link)


class GiveName(_RepairAction):
    """Give a layer a new name. If the run is killed after the first step, the name in l/ tells the link file."""

    def commit(self, run: Run) -> None:
        link = staging.new_link()
        set_name(run, self.repair.layer, link)
        replace(run, self.repair.layer, LINK, link)


class RemoveName(_RepairAction):
    """Remove a second name of a layer from l/."""

    def commit(self, run: Run) -> None:
        os.unlink(os.path.join(run.home, LINKS, self.repair.link))
        sync_directory(os.path.join(run.home, LINKS))


class WriteLower(_RepairAction):
    """Write a layer's lower file."""

    def commit(self, run: Run) -> None:
        replace(run, self.repair.layer, LOWER, ":".join(f"{LINKS}/{name}" for name in self.repair.lowers))


class MoveLower(_RepairAction):
    """Move the lower file of a layer without parent aside."""

    def commit(self, run: Run) -> None:
        move_aside(self.path(run, LOWER))


class Seal(_RepairAction):
    """Mark a layer as committed again."""

    def commit(self, run: Run) -> None:
        staging.seal_layer(run.home, self.repair.layer)
        sync_directory(self.path(run))


class MakeWork(_RepairAction):
    """Make a layer's work directory again. Its owner is the remapped root, or that of diff if no settings tell it."""

    def commit(self, run: Run) -> None:
        made = os.path.join(run.staging(self.repair.layer), WORK)
        os.mkdir(made, WORK_MODE)
        os.chmod(made, WORK_MODE)  # independent of the umask
        os.chown(made, *self._owner(run))
        rename_noreplace(made, self.path(run, WORK))
        sync_directory(self.path(run))

    def _owner(self, run: Run) -> tuple[int, int]:
        with contextlib.suppress(StoreCorrupt):
            if run.store.managed_by is None:
                return run.root
        found = os.lstat(self.path(run, DIFF))
        return found.st_uid, found.st_gid


class WriteRecord(_RepairAction):
    """Move a record that cannot be read aside, and write a new one of what is known."""

    def commit(self, run: Run) -> None:
        move_aside(self.path(run, OWN_FILE))
        replace_file(self.path(run, OWN_FILE), new_record(run.home, self.repair.layer))


def action_of(repair: Repair) -> Action:
    """Return the action that does a repair."""
    return _ACTIONS[repair.kind](repair)


def replace(run: Run, layer_id: str, name: str, text: str) -> None:
    """Write a small file of a layer: after a crash, the file has the old content or the new. Raises OSError."""
    directory = os.path.join(run.home, layer_id)
    made = os.path.join(run.staging(layer_id), name)
    write_new(made, text.encode(), FILE_MODE)
    sync_file(made)
    os.rename(made, os.path.join(directory, name))
    sync_directory(directory)


def set_name(run: Run, layer_id: str, link: str) -> None:
    """Make l/*link* lead to a layer, by a symlink that is renamed there. Raises OSError."""
    made = os.path.join(run.staging(), link)
    with about(made):
        os.symlink(f"../{layer_id}/{DIFF}", made)
    os.rename(made, os.path.join(run.home, LINKS, link))
    sync_directory(os.path.join(run.home, LINKS))


def move_aside(path: str) -> None:
    """Give a damaged file another name, beside which nothing is lost. Raises OSError."""
    number = 1
    while os.path.lexists(f"{path}{_ASIDE}{number}"):
        number += 1
    rename_noreplace(path, f"{path}{_ASIDE}{number}")
    sync_directory(os.path.dirname(path))


_ACTIONS: dict[str, type[_RepairAction]] = {
    "link": WriteLink,
    "name": SetName,
    "new_name": GiveName,
    "unname": RemoveName,
    "lower": WriteLower,
    "no_lower": MoveLower,
    "seal": Seal,
    "work": MakeWork,
    "record": WriteRecord,
}
