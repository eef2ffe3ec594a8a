# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our small JSON files in a store: written whole or not at all, and checked when read. PRIVATE to the collection."""

from __future__ import annotations

import errno
import json
import shlex
import typing as t

from .._errors import StoreCorrupt, printable
from .._linux.noatime import read_quietly

NO_FILE = (errno.EISDIR, errno.ELOOP)  # how reading fails if a directory or a symlink is in the place of the file
_LAST_FORMAT = 9999  # larger than the format of any version of ours
FORMAT = 1  # of the files of stores and layers; a higher format is refused


class NewerFormat(StoreCorrupt):
    """The file is of a newer version of the collection, so no run may replace it."""


def read_file(path: str, cure: str = "") -> dict[str, t.Any] | None:
    """Return the content of the file at *path*, None if the file is missing.

    cure:   the hint for a file that we did not write; "" for the usual hint.
    raises: StoreCorrupt if the file is not our JSON object; NewerFormat if it has a newer format; OSError.
    """
    try:
        data = read_quietly(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in NO_FILE:
            raise unreadable_error(path, cure) from None
        raise
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise unreadable_error(path, cure) from None
    number: t.Any = content.get("format") if isinstance(content, dict) else None
    if not is_count(number) or not 1 <= number <= _LAST_FORMAT:
        raise unreadable_error(path, cure)
    if number > FORMAT:
        raise NewerFormat(
            f"{printable(path)} has format {number}; this version supports format {FORMAT} at most",
            hint="use the newer version of strata.overlay2 that wrote it",
            path=printable(path),
        )
    return t.cast("dict[str, t.Any]", content)


def is_count(value: t.Any) -> bool:
    """Tell whether a value from JSON is a whole number and not negative; False for true and 1.0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read_or_corrupt(path: str) -> dict[str, t.Any] | None:
    """Return the content of a layer's file, as read_file does, but raise StoreCorrupt if the kernel cannot read it.

    raises: StoreCorrupt; NotADirectoryError if the layer is gone.
    """
    try:
        return read_file(path)
    except NotADirectoryError:
        raise
    except OSError as error:
        from .unusable import unread_record  # few files are damaged, and each import is compiled on every host

        raise unread_record(path, error) from error


def unreadable_error(path: str, cure: str = "", why: str = "is not as this collection writes it") -> StoreCorrupt:
    """Return the error for a file whose content we never write. cure: "" for the usual hint. why: follows the path."""
    return StoreCorrupt(
        f"{printable(path)} {why}",
        hint=cure
        or "it was damaged or edited: restore it from a backup; or, to go on without its content, run"
        f" `rm {shlex.quote(printable(path))}`",
        path=printable(path),
        damage="store_file_unreadable",
    )
