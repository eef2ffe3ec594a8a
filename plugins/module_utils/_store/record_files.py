# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the directories of another engine's records; the error for an unreadable record. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import StoreCorrupt, printable
from .listing import names_in


def unreadable_error(path: str, why: str | None, hint: str = "") -> StoreCorrupt:
    """Return the error for the record at *path*. hint: "" for the usual hint."""
    return StoreCorrupt(
        f"the record {printable(path)} cannot be read ({why or 'unreadable'}), so any layer may still be needed",
        hint=hint or "let the engine repair its record; until then, no layer is treated as an orphan",
        path=printable(path),
    )


def directories(root: str, path: str) -> t.Iterator[str]:
    """Yield the directories in the directory *path*, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except OSError as error:
        raise unreadable_error(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if entry.is_symlink:
            raise unreadable_error(
                os.path.join(root, path, entry.name), "it is a symlink, and no engine makes one there"
            )
        if entry.is_directory:
            yield f"{path}/{entry.name}"


def files(root: str, path: str, depth: int = 8) -> t.Iterator[str]:
    """Yield all files below the directory *path*, which may be missing, as paths below *root*. Raises StoreCorrupt."""
    try:
        entries = names_in(os.path.join(root, path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable_error(os.path.join(root, path), error.strerror) from error
    for entry in entries:
        if not entry.is_directory:
            yield f"{path}/{entry.name}"
        elif depth > 1:
            yield from files(root, f"{path}/{entry.name}", depth - 1)
