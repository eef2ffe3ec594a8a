# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing, in the way, or cannot be read: as damage, or as an error. PRIVATE to the collection."""

from __future__ import annotations

import os

from .._errors import StoreCorrupt, printable
from .damage import Cause, Damage
from .layout import DIFF, IMAGES, LINKS, MERGED

UNREAD_CURE = "see the kernel's log, and check the filesystem: its device may fail, or its fsck may repair it"


def missing_directory(layer_id: str, path: str, name: str) -> Damage:
    """Return the damage of a layer without its directory *name*: diff or work."""
    detail = _in_place_of_directory(path)
    if name == DIFF:
        return Damage("diff_missing", layer_id, path, "diff_not_a_directory" if detail else "no_diff", detail=detail)
    return Damage("work_missing", layer_id, path, "work_not_a_directory" if detail else "no_work", detail=detail)


def _in_place_of_directory(path: str) -> str:
    """Return, in words, what is at *path* instead of a directory; "" if nothing is there."""
    try:
        return f"a symlink to {os.readlink(path)}"
    except FileNotFoundError:
        return ""
    except OSError:  # EINVAL: no symlink
        return "not a directory"


def blocked_merged(home: str, layer_id: str) -> StoreCorrupt:
    """Return the error for a layer with something else than a directory in the place of its merged."""
    path = f"{home}/{layer_id}/{MERGED}"
    return StoreCorrupt(
        f"layer {layer_id} cannot be mounted: {printable(path)} is {printable(_in_place_of_directory(path))}",
        hint="look what it is, and move it out of the store: the next mount makes the directory",
        id=layer_id,
        path=printable(path),
        damage="stray_files",
    )


def blocked_staging(path: str) -> StoreCorrupt:
    """Return the error for a .staging at *path* that is not a directory; a symlink may lead out of the store."""
    return StoreCorrupt(
        f"{printable(path)} is not a directory, so no run can stage anything there",
        hint="look what it is, and move it out of the store: the next run makes the directory",
        path=printable(path),
        damage="stranger",
    )


def blocked_images(home: str) -> StoreCorrupt:
    """Return the error for a directory of images that is not a directory; a symlink may lead out of the store."""
    path = f"{home}/{IMAGES}"
    return StoreCorrupt(
        f"{printable(path)} is {printable(_in_place_of_directory(path))}, so no image has a record",
        hint="look what it is, and move it out of the store: the next run of overlay2_image makes the directory",
        path=printable(path),
        damage="store_file_unreadable",
    )


def unresolved(home: str, layer_id: str, link: str, target: str | None) -> Damage:
    """Return the damage of a layer whose lower l/*link* leads to no content; target: as link_target says."""
    path = f"{home}/{LINKS}/{link}"
    cause: Cause = "lower_without_content"
    detail = ""
    if target is None and os.path.islink(path):
        try:
            cause, detail = "lower_not_a_layer", os.readlink(path)
        except OSError as error:
            cause, detail = "lower_unread", error.strerror or ""
    elif target is None:
        cause = "lower_not_a_symlink" if os.path.lexists(path) else "lower_nowhere"
    return Damage("lower_unresolved", layer_id, path, cause, link, target or "", detail)


def unread(layer_id: str, path: str, error: OSError) -> Damage:
    """Return the damage of a layer's file that the kernel cannot read. Raises *error* if the layer does not exist."""
    if isinstance(error, NotADirectoryError):
        raise error
    return Damage("store_file_unreadable", layer_id, path, "file_unread", detail=error.strerror or "")


def unread_record(path: str, error: OSError) -> StoreCorrupt:
    """Return the error for a record of ours that the kernel cannot read."""
    message = f"{printable(path)} cannot be read: {error.strerror}"
    return StoreCorrupt(message, hint=UNREAD_CURE, path=printable(path))
