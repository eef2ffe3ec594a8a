# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a layer directory, in words; cures.py says what to do about it. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import StoreCorrupt, printable
from .layout import DIFF, LINKS

UNREAD_CURE = "see the kernel's log, and check the filesystem: its device may fail, or its fsck mend it"


class Damage(t.NamedTuple):
    """code: as in the findings of ``health``; path: what is damaged."""

    code: str
    path: str
    message: str


def unresolved(home: str, link: str, target: str | None) -> Damage:
    """Return why l/*link*, a lower, leads to no content; *target*: as link_target says."""
    path = f"{home}/{LINKS}/{link}"
    if target is not None:
        why = f"leads to layer {target}, which has no {DIFF} directory"
    elif os.path.islink(path):
        try:
            why = f"leads to '{printable(os.readlink(path))}', which is no layer's {DIFF}"
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
    else:
        why = "is no symlink" if os.path.lexists(path) else "does not exist"
    return Damage("lower_unresolved", path, f"its lower {LINKS}/{link} {why}")


def unread(path: str, error: OSError) -> Damage:
    """Return the damage of a layer's file that the kernel cannot read. Raises *error* if the whole layer is gone."""
    if isinstance(error, NotADirectoryError):
        raise error
    name = os.path.basename(path)
    return Damage("store_file_unreadable", path, f"its {name} file {printable(path)} cannot be read: {error.strerror}")


def unread_record(path: str, error: OSError) -> StoreCorrupt:
    """Return the error for a record of ours that the kernel cannot read."""
    message = f"{printable(path)} cannot be read: {error.strerror}"
    return StoreCorrupt(message, hint=UNREAD_CURE, path=printable(path))
