# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes of the findings of ``health``, each in one place, by kind. PRIVATE to the collection.

A playbook may test a code, so a code never changes its meaning. mypy checks that the code of each finding stands here.
"""

from __future__ import annotations

import typing as t

DamageCode = t.Literal[
    "link_missing",  # a layer has no link file, or no name in l/
    "link_empty",
    "link_doubled",  # two layers have the same name
    "link_astray",  # a name leads to another layer, or is not a name
    "lower_missing",
    "lower_malformed",  # the chain of lowers is not readable, or not as that of the parent
    "lower_unresolved",  # a lower leads to no content
    "diff_missing",
    "work_missing",
    "committed_missing",  # a sealed layer has no mark and no child
    "store_file_unreadable",
]
LitterCode = t.Literal["dangling_link", "staging_leftover", "dead_holder", "leaked_project"]
CareCode = t.Literal[
    "orphan",
    "layer_gone",
    "stale_volatile",
    "loose_mode",
    "owner_wrong",
    "hidden_mount",
    "stray_files",
    "held_long",  # and no process uses the layer
    "project_doubled",  # two layers count for one limit
    "project_lost",  # what is written to a layer does not count for its limit
]
NoteCode = t.Literal["unsealed_parent", "stranger"]
FindingCode = t.Union[DamageCode, LitterCode, CareCode, NoteCode]

DAMAGE = "damage"  # the store, or a layer, does not work
LITTER = "litter"  # overlay2_prune removes it
CARE = "care"  # a person has to decide
NOTE = "note"  # good to know
# By code, in the order of codes: damage first.
KINDS: dict[str, str] = {
    code: kind
    for kind, codes in ((DAMAGE, DamageCode), (LITTER, LitterCode), (CARE, CareCode), (NOTE, NoteCode))
    for code in t.get_args(codes)
}
