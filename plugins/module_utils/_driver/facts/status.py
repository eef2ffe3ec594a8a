# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts that overlay2_facts always returns. Takes no lock, writes nothing. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import StoreCorrupt, StoreForeign, printable
from ..._store.engine import SOMEBODY, store_foreign_error
from ..probe import problems
from ..probe.features import status_rows
from ..state import mounted_layer
from ..store import Store

SUBSETS = ("status", "layers", "mounts", "usage", "quotas", "health", "owners", "summary", "all")
STORES = "stores"  # a subset about the host, and not part of "all"
CHOICES = (*SUBSETS, STORES, "min", *(f"!{name}" for name in (*SUBSETS, STORES, "min")))


def chosen(asked: t.Collection[str]) -> set[str]:
    """Return the subsets to gather besides ``status``, as ansible.builtin.setup reads such a list.

    "!NAME" takes NAME away. Without any other entry, "!NAME" takes it away from all.
    """
    all_of_store = set(SUBSETS[1:-1])
    parts = {"all": all_of_store, "min": set[str](), "status": set[str]()}
    added = [name for name in asked if not name.startswith("!")] or (["all"] if asked else [])
    taken = [name[1:] for name in asked if name.startswith("!")]
    found = set().union(*(parts.get(name, {name}) for name in added))
    return found.difference(*(parts.get(name, {name}) for name in taken))


def features(store: Store, *, exists: bool | None = None) -> dict[str, t.Any]:
    """Return the facts of the subset ``status``. Walks no tree: reads home, l/ and the mount table.

    In the store of another engine, also tests each directory in home: it may not be a layer.
    exists: overrides what is found on disk (check mode predicts).
    """
    known = store.features
    # After the removal of a store, home may hold other files: do not look at them.
    found, count, wrong = (False, 0, []) if exists is False else _layers(store)
    return {
        "home": printable(store.home),
        "exists": found if exists is None else exists,
        "managed_by": store.managed_by,
        "backing_fs": known.backing_fs,
        "supports_d_type": known.supports_d_type,
        "native_overlay_diff": known.native_overlay_diff,
        "using_metacopy": known.using_metacopy,
        "userxattr": known.userxattr,
        "index_off": known.index_off,
        "project_quota": known.project_quota,
        "kernel": known.kernel,
        "max_depth": known.max_depth,
        "filesystem": known.filesystem,
        "layer_count": count,
        "mount_count": sum(1 for mount in store.mount_table.seen if mounted_layer(store.home, mount)),
        "supported": known.supported,
        "problems": [problems.for_engine(problem, store.managed_by)._asdict() for problem in (*wrong, *known.problems)],
        "status": status_rows(known),
    }


def _layers(store: Store) -> tuple[bool | None, int | None, list[problems.Problem]]:
    """Return whether a store exists, how many layers it has, and the problems of the store as a whole.

    The first two are None if only root can read them.
    """
    found: list[problems.Problem] = []
    try:
        try:
            exists = store.exists
        except StoreForeign as error:  # a store of another layout does not hold layers as an overlay2 store does
            return False, 0, [problems.other_layout(error)]
        except StoreCorrupt as error:
            exists = True
            found.append(problems.damaged_store(error))
        if not exists:
            return False, 0, []
        return True, len(store.ids), [*found, *_of_own_file(store)]
    except FileNotFoundError:  # another run removed the store between the two reads
        return False, 0, []
    except PermissionError:
        if os.geteuid() == 0:
            raise
        return None, None, []


def _of_own_file(store: Store) -> t.Iterator[problems.Problem]:
    """Yield the problems of the store's own file, and of an unclaimed store."""
    try:
        store.settings  # noqa: B018 - raises if the file is damaged
    except StoreCorrupt as error:
        yield problems.damaged_store(error)
    except PermissionError:
        if os.geteuid() == 0:
            raise
    if not store.managed_by and store.is_unclaimed:
        yield problems.unclaimed_store(store_foreign_error(store.home, SOMEBODY, "change it"))
