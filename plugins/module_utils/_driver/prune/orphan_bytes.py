# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes that the removal of another engine's orphans would free. Pure. PRIVATE to the collection."""

from __future__ import annotations

from .plan import plan_prune
from .state import PruneOptions, PruneState


def orphan_bytes(wanted: PruneOptions, have: PruneState) -> int | None:
    """Return what the orphans that the options select free, the engine running or not; 0 in a store of ours.

    Return None if the engine's records cannot be read, so that no layer can be told to be an orphan.
    """
    if not have.exists or have.engine is None:
        return 0
    if have.error is not None:
        return None
    would = wanted._replace(remove_foreign=True, max_remove=None)
    decisions = plan_prune(would, have._replace(engine_users=None)).after.pruning.decisions
    return sum(decision.exclusive or 0 for decision in decisions if decision.goes)
