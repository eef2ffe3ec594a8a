# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query of overlay2_facts. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._driver.facts.status import STORES, chosen, features
from .._driver.store import Store
from .._store.layout import check_home, check_id


def gather(
    home: str,
    subsets: t.Collection[str],
    ids: t.Sequence[str] | None = None,
    roots: t.Sequence[str] = (),
    measure: str = "records",
) -> dict[str, t.Any]:
    """Return the facts about the store at *home*: the subset ``status``, and the facts that *subsets* names.

    ids:    only these layers, without missing ones; None for all.
    roots, measure: of the subset ``stores``, as stores_of_host() takes them.
    raises: InvalidInput for an invalid id or home; OSError.
    """
    home = check_home(home)
    for id in ids or ():
        check_id(id)
    store = Store(home)
    found = features(store)
    wanted = chosen(subsets)
    if wanted - {STORES}:
        from .._driver.facts.details import Details  # imported late: the status alone does not need it
        from .._driver.facts.subsets import gather

        details = Details(store, found, ids)
        found.update(gather(details, wanted - {STORES}))
        found["problems"] += [problem._asdict() for problem in details.problems]
    if STORES in wanted:
        from .._driver.host.observe import stores_of_host

        stores, left_out = stores_of_host(roots, measure)
        found.update({STORES: stores, "stores_left_out": left_out})
    return found
