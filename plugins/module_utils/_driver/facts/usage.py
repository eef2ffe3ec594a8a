# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subset usage: the sizes of layers. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.layout import DIFF, VANISHED
from ..layers.disk_usage import Moved, measure
from .details import Details


def usage_of(details: Details) -> dict[str, t.Any]:
    """Return the sizes of the layers' own files. A layer without ``diff`` is left out.

    A layer that cannot be read has no sizes, and becomes a problem; the summary counts its readable files.
    """
    found: dict[str, dict[str, int | None]] = {}
    details.trees = {}
    for id in details.ids:
        try:
            used, tree = measure(f"{details.home}/{id}/{DIFF}")
        except (Moved, *VANISHED):
            continue
        details.trees[id] = tree
        found[id] = dict.fromkeys(used._fields) if tree.unread else used._asdict()
        if tree.unread:
            details.unread(id, tree.unread)
    return found
