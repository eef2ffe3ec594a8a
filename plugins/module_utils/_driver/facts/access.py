# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modes and owners in a store that let in too many, or keep out whom they should let in. Only read. PRIVATE."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..._errors import printable
from ..._store.engine import CONTAINERS_STORAGE
from ..._store.layout import DIFF, HOME_MODE, LAYER_MODE, LINKS, LINKS_MODE, WORK, WORK_MODE
from ..._store.settings import Settings


class Access(t.NamedTuple):
    """code, subject, path: as in a finding, "" for home. command: what mends it, with the path to follow."""

    code: str
    subject: str
    path: str
    message: str
    command: str


def find_access(
    home: str, layers: t.Iterable[str], settings: Settings | None, engine: str | None
) -> t.Iterator[Access]:
    """Yield what is wrong. Raises OSError.

    settings: of the store, to tell by whose everything has to be; None where that is not known, as in another engine's.
    """
    names = [("", HOME_MODE), (LINKS, LINKS_MODE)]
    if engine == CONTAINERS_STORAGE:  # whose l/ is for all to read, in a home that only root can enter
        names.pop()
    for name, mode in names:
        yield from _loose(home, name, name, mode, printable(os.path.join(home, name) if name else home))
    for id in layers:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # another run has just removed it
            yield from _loose(home, id, id, LAYER_MODE, f"layer {id}")
            yield from _wrong_owners(home, id, settings) if settings else ()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield from _loose(home, id, f"{id}/{WORK}", WORK_MODE, f"{WORK} of layer {id}")


def _loose(home: str, subject: str, path: str, wanted: int, name: str) -> t.Iterator[Access]:
    found = os.lstat(f"{home}/{path}")
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode) and mode & ~wanted:
        message = f"{name} has mode {mode:04o}: others can run, or change, what lies in layers"
        yield Access("loose_mode", subject, path, message, f"chmod {wanted:04o}")


def _wrong_owners(home: str, id: str, settings: Settings) -> t.Iterator[Access]:
    """Yield the directories of a layer that belong to none whom they can belong to.

    The layer's own is root's or, as older dockerds made it, the remapped root's; its group is that root's. Whose diff
    is belongs to the content: any owner will do that the id maps know.
    """
    uid, gid = settings.root
    for name, uids in (("", {0, uid}), (WORK, {uid})):
        path = f"{id}/{name}" if name else id
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(f"{home}/{path}")
            if found.st_uid not in uids or found.st_gid != gid:
                owner = f"{uid if name else 0}:{gid}"
                yield _wrong(id, path, (found.st_uid, found.st_gid), f"and not to {owner}", owner)
    if settings.container_ids is None:
        return
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(f"{home}/{id}/{DIFF}")
        try:
            settings.container_ids(found.st_uid, found.st_gid)
        except ValueError as error:
            yield _wrong(id, f"{id}/{DIFF}", (found.st_uid, found.st_gid), f"and {error}", f"{uid}:{gid}")


def _wrong(id: str, path: str, found: tuple[int, int], why: str, owner: str) -> Access:
    message = f"{path} belongs to {found[0]}:{found[1]}, {why}"
    return Access("owner_wrong", id, path, message, f"chown {owner}")
