# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All changes as a list, for tests."""

from __future__ import annotations

from ansible_collections.strata.overlay2.plugins.module_utils._archive import naive_diff, native_diff
from ansible_collections.strata.overlay2.plugins.module_utils._archive.collected import Ordered


def upper_changes(upper, lowers, **options):
    """Return what upper_changes finds, in order."""
    found = Ordered()
    native_diff.upper_changes(upper, lowers, found, **options)
    return list(found)


def tree_changes(new, old):
    """Return what tree_changes finds, in order, and the size."""
    found = Ordered()
    size = naive_diff.tree_changes(new, old, found)
    return list(found), size
