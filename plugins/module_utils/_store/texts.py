# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of ``health`` in words; cures.py says what to do about each. Pure. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from .._errors import printable
from .layout import DIFF, LINKS, LOWER, MAX_DEPTH, WORK

if t.TYPE_CHECKING:
    from .codes import FindingCode
    from .damage import Damage

_LOWER_MISSING = f"its {LOWER} file is missing: "
_LOOSE = " {found}: other users can run, or change, files in layers"
# By code, then by cause. The subject of each text of damage is the layer.
MESSAGES: dict[str, dict[str, str]] = {
    # Damage.
    "link_missing": {
        "no_link_file": "its link file is missing",
        "link_not_a_file": "its link is not a file",
        "no_name": f"it has no name in {LINKS}/, so its children do not find it",
    },
    "link_empty": {"empty_link": "its link file is empty"},
    "link_doubled": {
        "name_of_another": "its link file holds {link}, the name of layer {target}",
        "same_name": f"the layers {{others}} have the same name {LINKS}/{{link}}",
    },
    "link_astray": {
        "not_a_link_name": "its link file holds '{detail}', which is not a link name",
        "name_elsewhere": f"its name {LINKS}/{{link}} leads elsewhere",
        "recorded_name": f"its link file holds {{link}}, but its record says that its name is {LINKS}/{{detail}}",
        "second_name": f"{LINKS}/{{link}} leads to layer {{target}}, which has another name",
    },
    "lower_missing": {
        "recorded_parent": _LOWER_MISSING + "its record says that it is built on {target}",
        "has_work": _LOWER_MISSING + "it has a work directory, which only layers with a parent have",
        "children_go_on": _LOWER_MISSING + "layer {target}, which is built on it, names layers below it",
    },
    "lower_malformed": {
        "lower_not_a_file": "its lower is not a file",
        "malformed_lower": "its lower file is empty or malformed",
        "too_many_lowers": f"its lower file names more than {MAX_DEPTH} layers",
        "lower_twice": "its lower names a layer twice, or itself",
        "recorded_other": "its lower contradicts its record, which says that it is built on {target}",
        "recorded_none": "it has a lower file, but its record says that it has no parent",
        "lower_cut": "its lower does not go on as that of its parent {target}",
    },
    "lower_unresolved": {
        "lower_without_content": f"its lower {LINKS}/{{link}} leads to layer {{target}}, which has no {DIFF} directory",
        "lower_not_a_layer": f"its lower {LINKS}/{{link}} leads to '{{detail}}', which is not the {DIFF} of a layer",
        "lower_unread": f"its lower {LINKS}/{{link}} cannot be read: {{detail}}",
        "lower_not_a_symlink": f"its lower {LINKS}/{{link}} is not a symlink",
        "lower_nowhere": f"its lower {LINKS}/{{link}} does not exist",
    },
    "diff_missing": {
        "no_diff": f"its {DIFF} directory is missing, so its content is lost",
        "diff_not_a_directory": f"its {DIFF} is {{detail}}, so its content cannot be used",
    },
    "work_missing": {
        "no_work": f"its {WORK} directory is missing, so it can only be mounted read-only",
        "work_not_a_directory": f"its {WORK} is {{detail}}, so it can only be mounted read-only",
    },
    "committed_missing": {"recorded_sealed": "its mark committed is missing, but its record says that it is sealed"},
    "store_file_unreadable": {"file_unread": "its {name} file {path} cannot be read: {detail}"},
    # Litter.
    "dangling_link": {"": "{place} does not lead to a layer"},
    "staging_leftover": {"": "a killed run left {place}"},
    "dead_holder": {"": "the holders file of layer {subject} was written before the last boot, or cannot be read"},
    "leaked_project": {"": "project {subject} has limits and no file: its layer was removed"},
    # The rest.
    "orphan": {"": "layer {subject} is in no record of {detail}"},
    "layer_gone": {"": "{detail} names layer {subject}, which does not exist{others}"},
    "unsealed_parent": {"": "layer {subject} has children, and no mark that it is sealed"},
    "stale_volatile": {
        "": "layer {subject} was mounted volatile, and the mount did not end in order: content may be lost"
    },
    "loose_mode": {
        "": "{path} has mode" + _LOOSE,
        "layer": "layer {subject} has mode" + _LOOSE,
        "work": f"{WORK} of layer {{subject}} has mode" + _LOOSE,
    },
    "owner_wrong": {
        "": "{place} belongs to {found}, and not to {wanted}",
        "unmapped": "{place} belongs to {found}, and {detail}",
    },
    "hidden_mount": {
        "": "{found} is mounted on {path}, and what was mounted on {target} later hides it: it is not this store's"
    },
    "stranger": {"": "{path} is not a layer, and not another part of a store"},
    "held_long": {"": "layer {subject} is held for {found} by {target}, and no process uses it"},
    "project_doubled": {"": "layer {subject} has project {found}, as layer {detail}: their limits count both layers"},
    "project_lost": {
        "": "{place} has project {found}, and not {wanted} as its layer: new files in it do not count for the limits"
    },
    "stray_files": {"": "{found} in {place}, where nothing is mounted: no layer has these files"},
}
# What a run removes, by code: the number, and the ending of the plural.
SWEPT = {
    "dangling_link": "{} dangling name{} in l/",
    "staging_leftover": "{} leftover{} of killed runs, or of deleting",
    "dead_holder": "{} file{} with dead holders",
    "leaked_project": "{} limit{} of layers that are gone",
}


def message(code: FindingCode, cause: str = "", **values: str) -> str:
    """Return what a finding says; values: what its text names, as printable text."""
    return MESSAGES[code][cause].format(**values)


def describe(damage: Damage) -> str:
    """Return the damage of a layer in words, without the name of the layer."""
    return message(
        damage.code,
        damage.cause,
        link=printable(damage.link),
        target=printable(damage.target),
        detail=printable(damage.detail),
        others=", ".join(damage.others),
        name=os.path.basename(damage.path),
        path=printable(damage.path),
    )
