# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds modes and owners in a store that give access to other users, or take it from containers. Only read. PRIVATE."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..._store.engine import CONTAINERS_STORAGE
from ..._store.layout import DIFF, HOME_MODE, LAYER_MODE, LINKS, LINKS_MODE, WORK, WORK_MODE
from ..._store.settings import Settings
from .finding import Finding


def find_access(
    home: str, layers: t.Iterable[str], settings: Settings | None, engine: str | None
) -> t.Iterator[Finding]:
    """Yield what is wrong with modes and owners. Raises OSError.

    settings: of the store, with the owner of its directories; None if that is not known, as in another engine's store.
    """
    yield from _loose(home, os.path.basename(home), "", HOME_MODE)
    if engine != CONTAINERS_STORAGE:  # its l/ is readable for all users, in a home that only root can enter
        with contextlib.suppress(FileNotFoundError):  # overlay2_repair makes it again
            yield from _loose(home, LINKS, LINKS, LINKS_MODE)
    for id in layers:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another run has just removed the layer
            yield from _loose(home, id, id, LAYER_MODE, "layer")
            yield from _wrong_owners(home, id, settings) if settings else ()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield from _loose(home, id, f"{id}/{WORK}", WORK_MODE, "work")


def _loose(home: str, subject: str, name: str, wanted: int, cause: str = "") -> t.Iterator[Finding]:
    path = f"{home}/{name}" if name else home
    found = os.lstat(path)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode) and mode & ~wanted:
        yield Finding("loose_mode", subject, path, cause, f"{mode:04o}", f"{wanted:04o}")


def _wrong_owners(home: str, id: str, settings: Settings) -> t.Iterator[Finding]:
    """Yield the directories of a layer that have a wrong owner.

    The layer's directory belongs to root or, as older dockerds made it, to the remapped root; its group is the remapped
    root's. The owner of diff comes from the content: any owner is right that the id maps contain.
    """
    uid, gid = settings.root
    for name, uids in (("", {0, uid}), (WORK, {uid})):
        path = f"{home}/{id}/{name}" if name else f"{home}/{id}"
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(path)
            if found.st_uid not in uids or found.st_gid != gid:
                yield Finding("owner_wrong", id, path, "", _owner(found), f"{uid if name else 0}:{gid}")
    if settings.container_ids is None:
        return
    path = f"{home}/{id}/{DIFF}"
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        try:
            settings.container_ids(found.st_uid, found.st_gid)
        except ValueError as error:
            yield Finding("owner_wrong", id, path, "unmapped", _owner(found), f"{uid}:{gid}", detail=str(error))


def _owner(found: os.stat_result) -> str:
    return f"{found.st_uid}:{found.st_gid}"
