# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage of a layer, as data. texts.py has the words, mending.py the repair. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import StoreCorrupt, printable
from .codes import DamageCode
from .layout import DIFF, LINKS, MERGED

UNREAD_CURE = "see the kernel's log, and check the filesystem: its device may fail, or its fsck may repair it"

Cause = t.Literal[
    "no_link_file",
    "link_not_a_file",
    "empty_link",
    "not_a_link_name",  # detail: what the link file holds
    "no_name",
    "name_elsewhere",
    "name_of_another",  # target: the layer that has the name
    "same_name",  # others: all layers whose link files hold the name
    "second_name",  # others: the layers whose lower files hold the name
    "recorded_parent",  # target: the parent in our record
    "recorded_name",  # detail: the name in our record
    "recorded_other",  # target: the parent in our record
    "recorded_none",
    "recorded_sealed",
    "has_work",
    "children_go_on",  # target: a child
    "lower_not_a_file",
    "malformed_lower",
    "too_many_lowers",
    "lower_twice",
    "lower_cut",  # target: the parent
    "lower_without_content",
    "lower_not_a_layer",  # detail: where the symlink leads
    "lower_unread",  # detail: what the kernel says
    "lower_not_a_symlink",
    "lower_nowhere",
    "no_diff",
    "no_work",
    "diff_not_a_directory",  # detail: what is there
    "work_not_a_directory",  # detail: the same
    "file_unread",  # detail: what the kernel says
]


class Damage(t.NamedTuple):
    """One fault of a layer.

    layer:  the id of the layer. path: what is damaged, an absolute path.
    cause:  what is wrong at the path: one code has several causes.
    link:   the name in l/ that the fault is about, "" for none.
    target: the id of another layer: the one that the name leads to, if the cause names no other; "" for none.
    detail: what was found there, as text. others: ids of more layers that the fault is about.
    """

    code: DamageCode
    layer: str
    path: str
    cause: Cause
    link: str = ""
    target: str = ""
    detail: str = ""
    others: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The damage in words, without the name of the layer."""
        from .texts import describe  # most runs meet no damage, and each import is compiled on every host

        return describe(self)


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
