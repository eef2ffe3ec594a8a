# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage of a layer, as data. texts.py has the words, mending.py the repair. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .codes import DamageCode

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
