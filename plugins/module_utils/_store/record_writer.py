# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes our own record of a layer; see record.py. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from .._linux.sync import sync_directory, sync_file
from .json_file import read_file
from .json_writer import replace_file, stage_file
from .layout import COMMITTED, EXACT, LINK, MANIFEST, OWN_FILE
from .links import link_target, read_link
from .lower import PARENT, read_lower
from .record import Record

_OLD = ".old"  # suffix of what is moved aside


def record_content(home: str, layer_id: str, content: Record | None = None) -> None:
    """Write the digests of *content* durably to a layer's record; None erases them, the manifest and the exact record.

    These two go first: without digests no run would erase them before the content changes. If the record then cannot
    be written, only they are lost: the content can no longer be compared, and its tar not be written again.
    Nothing is written if the record has these digests already, so erasing them needs no space on a full filesystem.
    raises: StoreCorrupt, OSError.
    """
    path = f"{home}/{layer_id}/{OWN_FILE}"
    if content is None:
        for name in (MANIFEST, EXACT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{home}/{layer_id}/{name}")
                sync_directory(f"{home}/{layer_id}")
    told = _told(content or Record())
    own = read_file(path) or {}
    if any(own.get(name) != told[name] for name in told):
        replace_file(path, {**own, **_made(home, layer_id, own), **told})


def forget_content(home: str, layer_id: str, aside: str, undo: list[t.Callable[[], object]]) -> None:
    """Move a layer's manifest and its exact record into *aside*, and erase the digests in its record, all durably.

    The record goes last: without digests no run would move the others before the content changes.
    aside: a staging directory in the layer, where a killed run leaves them.
    undo:  gets a step for each thing that is done, to be called from the last to the first. They need no space.
    raises: StoreCorrupt, OSError.
    """
    directory = f"{home}/{layer_id}"
    for name in (MANIFEST, EXACT):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{directory}/{name}", f"{aside}/{name}{_OLD}")
            undo.append(functools.partial(os.rename, f"{aside}/{name}{_OLD}", f"{directory}/{name}"))
            sync_directory(directory)
    path, new, old = f"{directory}/{OWN_FILE}", f"{aside}/{OWN_FILE}", f"{aside}/{OWN_FILE}{_OLD}"
    own, told = read_file(path) or {}, _told(Record())
    if any(own.get(name) for name in told):
        stage_file(new, {**own, **_made(home, layer_id, own), **told})
        sync_file(new)
        os.link(path, old)
        os.rename(new, path)
        undo += [functools.partial(sync_directory, directory), functools.partial(os.rename, old, path)]
        sync_directory(directory)


def _told(content: Record) -> dict[str, t.Any]:
    """Return what the record of a layer says of *content*, by key."""
    made = ("read_write", PARENT, LINK, COMMITTED)
    return {name: value for name, value in content._asdict().items() if name not in made}


def sealed_record(home: str, layer_id: str) -> dict[str, t.Any]:
    """Return the content of a layer's record once the layer is sealed. Raises StoreCorrupt, OSError."""
    own = read_file(f"{home}/{layer_id}/{OWN_FILE}") or {}
    return {**own, **_made(home, layer_id, own), COMMITTED: True}


def new_record(home: str, layer_id: str) -> dict[str, t.Any]:
    """Return the content of a record for a layer that has none. Raises OSError."""
    marked = os.path.lexists(f"{home}/{layer_id}/{COMMITTED}")
    return {**_made(home, layer_id, {}), **({COMMITTED: True} if marked else {})}


def _made(home: str, layer_id: str, own: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the parent and the name of a layer, for its record *own*, which has none. Raises OSError.

    Nothing is recorded that may be wrong: the names lead where they should, and the chain goes on as the parent's.
    """
    link, lower = read_link(home, layer_id).name, read_lower(home, layer_id)
    if PARENT in own and LINK in own:
        return {}
    if not link or link_target(home, link) != layer_id or lower.damage:
        return {}
    parent = link_target(home, lower.names[0]) if lower.names else ""
    if parent is None or own.get(PARENT, parent) != parent:
        return {}
    if parent and (read_link(home, parent).name, *read_lower(home, parent).names) != lower.names:
        return {}
    return {PARENT: parent, LINK: link}
