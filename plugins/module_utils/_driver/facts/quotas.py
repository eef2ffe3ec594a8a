# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subset quotas: limits and use of layers. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._store.layout import VANISHED
from ..quota import projects
from ..quota.projects import Use
from .details import Details


def quotas_of(details: Details) -> dict[str, t.Any]:
    """Return the limits and use of each layer, and the leaked limits; empty without project quota."""
    if not details.features["project_quota"]:
        return {"layers": {}, "leaked": []}
    found = {}
    for id in details.ids:
        try:
            found[id] = _limits_and_use(details.store.quota(id))
        except VANISHED:
            continue
        except OSError as error:
            details.miss(id, error)
    return {"layers": found, "leaked": [use._asdict() for use in projects.leaked(details.home)]}


def _limits_and_use(use: Use | None) -> dict[str, int | None]:
    """Return the facts about a project. Without a project, the kernel does not count the use of a layer."""
    if use:
        return use._asdict()
    return {"project_id": None, "size_limit": 0, "inodes_limit": 0, "size_used": None, "inodes_used": None}
