# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holders of a layer's mount: Docker's reference count, with names. PRIVATE to the collection.

<home>/<id>/.strata-holders    {"boot_id": "...", "format": 1, "holders": ["ansible", "build 7"],
                                "since": {"ansible": 512.5, "build 7": 80123.0}}

*since* is in seconds after the boot, so that a wrong clock makes no holder old. A holder without it has no known age.

No mount outlives a boot, so no holder does: a file of another boot is litter. The caller of write() holds the layer's
lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from .._errors import InvalidInput, printable
from .._linux.boot import boot_id
from .._linux.noatime import read_quietly
from .json_file import NO_FILE
from .layout import HOLDERS

FORMAT = 1
NAME_MAX = 255  # characters
_NO_TIME = 2**53  # seconds


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


def ages(home: str, layer_id: str) -> dict[str, float | None]:
    """Return for how many seconds each holder of this boot holds; None if that is not known. Raises OSError."""
    now = _now()
    since = _since(home, layer_id)
    return {name: max(0.0, now - since[name]) if name in since else None for name in read(home, layer_id)}


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
    known = {*read(home, layer_id)}
    before, now = _since(home, layer_id), _now()
    since = {name: before.get(name) if name in known else now for name in names}
    content = {
        "boot_id": boot_id(),
        "format": FORMAT,
        "holders": names,
        "since": {name: seconds for name, seconds in since.items() if seconds is not None},
    }
    from .json_writer import replace_unsynced  # most runs only read the file, and each import is compiled on every host

    replace_unsynced(path, json.dumps(content, sort_keys=True) + "\n")


def _now() -> float:
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 1)


def _since(home: str, layer_id: str) -> dict[str, float]:
    """Return when the holders began to hold, as far as that is known. Raises OSError."""
    found = _content(home, layer_id)
    since = found.get("since") if found else None
    if not isinstance(since, dict):
        return {}
    return {name: seconds for name, seconds in since.items() if _is_time(seconds)}


def _is_time(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NO_TIME


def _read(home: str, layer_id: str) -> tuple[str, ...] | None:
    """Return the holders; () without a file, None for a file without valid holders. Raises OSError."""
    found = _content(home, layer_id)
    if found == {}:
        return ()
    names = found.get("holders") if found else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    try:
        return tuple(sorted({check_holder(name) for name in names}))
    except InvalidInput:
        return None


def _content(home: str, layer_id: str) -> dict[str, t.Any] | None:
    """Return what the file of this boot says; {} without a file, None for another file. Raises OSError."""
    try:
        data = read_quietly(f"{home}/{layer_id}/{HOLDERS}")
    except FileNotFoundError:
        return {}
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
    return found
