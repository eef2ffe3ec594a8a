# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holders of a layer's mount: Docker's reference count, with names. PRIVATE to the collection.

<home>/<id>/.strata-holders    {"boot_id": "...", "format": 1, "holders": ["ansible", "build 7"]}

No mount outlives a boot, so no holder does: a file of another boot is litter. The caller of write() holds the layer's
lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._errors import InvalidInput, printable
from .._linux.boot import boot_id
from .._linux.noatime import read_quietly
from .json_file import NO_FILE, replace_unsynced
from .layout import HOLDERS

FORMAT = 1
NAME_MAX = 255  # characters


def check_holder(name: str) -> str:
    """Return *name* if it is a valid name of a holder. Raises InvalidInput."""
    if not 1 <= len(name) <= NAME_MAX or "/" in name or not name.isprintable():
        raise InvalidInput(
            f'"{printable(name)}" is not a valid name for a holder',
            hint=f'use 1 to {NAME_MAX} printable characters without "/"',
        )
    return name


def read(home: str, layer_id: str) -> tuple[str, ...]:
    """Return the holders of this boot, sorted. Raises OSError."""
    return _read(home, layer_id) or ()


def is_dead(home: str, layer_id: str) -> bool:
    """Tell whether a layer has a file without valid holders: of another boot, or unreadable. Raises OSError."""
    return _read(home, layer_id) is None


def write(home: str, layer_id: str, holders: t.Iterable[str]) -> None:
    """Make *holders* the holders of this boot; without holders, remove the file. Raises InvalidInput, OSError.

    The file is replaced in one step, so that a reader never sees half of it, but not synced: the next boot voids it.
    """
    names = sorted({check_holder(name) for name in holders})
    path = os.path.join(home, layer_id, HOLDERS)
    if not names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    text = json.dumps({"boot_id": boot_id(), "format": FORMAT, "holders": names}, sort_keys=True) + "\n"
    replace_unsynced(path, text)


def _read(home: str, layer_id: str) -> tuple[str, ...] | None:
    """Return the holders; () without a file, None for a file without valid holders. Raises OSError."""
    try:
        data = read_quietly(f"{home}/{layer_id}/{HOLDERS}")
    except FileNotFoundError:
        return ()
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("boot_id") != boot_id():
        return None
    names = found.get("holders")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    try:
        return tuple(sorted({check_holder(name) for name in names}))
    except InvalidInput:
        return None
