# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be known about a store: overlay2_facts. Takes no lock, writes nothing. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ..._errors import StoreCorrupt, StoreForeign, printable
from ..._linux import mountinfo
from ..._store.engine import SOMEBODY, managed_by, store_foreign
from ..._store.owner import owner
from ..._store.recognition import is_store, layer_ids
from ..._store.settings import read_settings
from ..mounts.state import mounted_layer
from ..probe import features as probe
from ..probe import problems

SUBSETS = ("status", "layers", "mounts", "usage", "quotas", "health", "summary", "all")


def features(home: str, *, exists: bool | None = None) -> dict[str, t.Any]:
    """Return what is always told. Walks nothing: one look at home, at l and at the mount table.

    In another engine's store also one at each layer, which may be none.
    exists: what to say of that, for who knows better.
    """
    told = probe.probe(home)
    engine = managed_by(home)
    # Where a store was, there may be what nobody asks about.
    found, count, wrong = (False, 0, []) if exists is False else _layers(home)
    return {
        "home": printable(home),
        "exists": found if exists is None else exists,
        "managed_by": engine,
        "backing_fs": told.backing_fs,
        "supports_d_type": told.supports_d_type,
        "native_overlay_diff": told.native_overlay_diff,
        "using_metacopy": told.using_metacopy,
        "userxattr": told.userxattr,
        "index_off": told.index_off,
        "project_quota": told.project_quota,
        "kernel": told.kernel,
        "max_depth": told.max_depth,
        "filesystem": told.filesystem,
        "layer_count": count,
        "mount_count": sum(1 for mount in mountinfo.below(home).seen if mounted_layer(home, mount)),
        "supported": told.supported,
        "problems": [problems.for_engine(problem, engine)._asdict() for problem in (*wrong, *told.problems)],
        "status": probe.status_rows(told),
    }


def _layers(home: str) -> tuple[bool | None, int | None, list[problems.Problem]]:
    """Return whether there is a store, how many layers it has, and what is wrong with it as a whole.

    The first two are None where only root may know.
    """
    found: list[problems.Problem] = []
    try:
        try:
            exists = is_store(home)
        except StoreForeign as error:  # of another layout: it is no store of layers
            return False, 0, [problems.other_layout(error)]
        except StoreCorrupt as error:
            exists = True
            found.append(problems.damaged_store(error))
        if not exists:
            return False, 0, []
        return True, sum(1 for _unused in layer_ids(home)), [*found, *_of_own_file(home)]
    except FileNotFoundError:  # removed between the two looks
        return False, 0, []
    except PermissionError:
        if os.geteuid() == 0:
            raise
        return None, None, []


def _of_own_file(home: str) -> t.Iterator[problems.Problem]:
    try:
        read_settings(home)
    except StoreCorrupt as error:
        yield problems.damaged_store(error)
    except PermissionError:
        if os.geteuid() == 0:
            raise
    if owner(home) == SOMEBODY:
        yield problems.unclaimed_store(store_foreign(home, SOMEBODY, "change it"))
