# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a layer was last compared with its manifest: ``<id>/.strata-verified``. PRIVATE to the collection.

    {"format": 1, "manifest": [INODE, MTIME], "at": SECONDS, "after": PATH}

Written unsynced: if a crash loses the file, the layer is compared again. A note about another manifest does not count.
Without a note, a layer counts as compared when its manifest was written.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import typing as t

from .._errors import StoreCorrupt
from .json_file import FORMAT, read_file
from .json_writer import replace_unsynced
from .layout import MANIFEST, VERIFIED


class LastLook(t.NamedTuple):
    """The last comparison of a layer.

    manifest: inode and mtime in ns of the manifest. at: seconds since the epoch.
    after:    the path up to which a later comparison came before its time was up; "" for none.
    """

    manifest: tuple[int, int]
    at: float
    after: str = ""


def read_last_look(home: str, layer_id: str) -> LastLook | None:
    """Return the last comparison of a layer, None for a layer without manifest. Raises OSError."""
    try:
        found = os.lstat(f"{home}/{layer_id}/{MANIFEST}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    now = LastLook((found.st_ino, found.st_mtime_ns), found.st_mtime)
    own: dict[str, t.Any] = {}
    with contextlib.suppress(StoreCorrupt, OSError):  # then the layer is compared again
        own = read_file(f"{home}/{layer_id}/{VERIFIED}") or {}
    at, after = own.get("at"), own.get("after")
    if own.get("manifest") != list(now.manifest) or not isinstance(at, (int, float)) or not isinstance(after, str):
        return now
    return now._replace(at=max(now.at, float(at)), after=after)


def note_look(home: str, layer_id: str, look: LastLook) -> None:
    """Note a comparison of a layer. Errors are ignored: the comparison must not fail because of its note."""
    told = {"format": FORMAT, **look._asdict()}
    with contextlib.suppress(OSError):
        replace_unsynced(f"{home}/{layer_id}/{VERIFIED}", json.dumps(told, sort_keys=True) + "\n")
