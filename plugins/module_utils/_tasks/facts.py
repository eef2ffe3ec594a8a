# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts that overlay2_facts gathers. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.facts.status import SUBSETS, features
from .._driver.store import Store
from .._store.layout import check_home, check_id


def gather(home: str, subsets: t.Collection[str], ids: t.Sequence[str] | None = None) -> dict[str, t.Any]:
    """Return the facts about the store at *home*: its features, and what *subsets* name beside.

    ids:    only these layers; None means all. Missing ones are left out.
    raises: InvalidInput for an id that can be none, or a home that is no store; OSError.
    """
    home = check_home(home)
    for id in ids or ():
        check_id(id)
    store = Store(home)
    found = features(store)
    wanted = set(SUBSETS[1:-1] if "all" in subsets else subsets) - {"status"}
    if wanted:
        from .._driver.facts.subsets import Details  # the status alone gets by without

        details = Details(store, found, ids)
        found.update(details.gather(wanted))
        found["problems"] += [problem._asdict() for problem in details.problems]
    return found
