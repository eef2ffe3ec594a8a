# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of a store of docker or containers-storage no record of the engine knows. Only reads. PRIVATE.

Also what removes the orphans of any engine: overlay2_prune, with the engine stopped.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._containerd.unneeded import GRACE, ORPHAN_DIRECTORY
from ..._errors import StoreCorrupt, printable
from ..._store.engine_records import orphans, references
from ..._store.layer import LayerFiles
from .state import CONTAINERD, DOCKER, STORAGE, Contents, Found

BY_PRUNE = "overlay2_prune"
_KINDS = {DOCKER: "overlay2", STORAGE: "overlay"}


def with_orphans(contents: Contents, found: Found, home: str, owner: int, now: float) -> Contents:
    """Return *contents* with the orphans among what is unneeded.

    The records are read by their paths, in which a user could put a symlink, so only root's stores are judged.
    """
    engine = found.engine or ""
    if _KINDS.get(engine) != found.kind:
        return contents
    if owner:
        why = "its records are not read, because its owner could lead the run elsewhere"
        return contents._replace(unneeded=None, problems=[*contents.problems, why])
    try:
        store = LayerFiles(home)
        left = [id for id in orphans(store, references(store, engine)) if _is_old(f"{home}/{id}", now)]
    except StoreCorrupt as error:
        return contents._replace(unneeded=None, problems=[*contents.problems, str(error)])
    except OSError as error:
        why = f"{printable(str(error.filename))}: {error.strerror}"
        return contents._replace(unneeded=None, problems=[*contents.problems, why])
    told = [_orphan_directories(len(left), engine, home)] if left else []
    paths = [f"{found.below}/{id}" for id in left]
    return contents._replace(unneeded=[*(contents.unneeded or []), *told], orphans=paths)


def _orphan_directories(count: int, engine: str, home: str) -> dict[str, t.Any]:
    return {
        "code": ORPHAN_DIRECTORY,
        "namespace": None,
        "count": count,
        "bytes": None,
        "by": BY_PRUNE,
        "run": removal_by_prune(engine, home),
        "policy": False,
    }


def removal_by_prune(engine: str, home: str) -> str:
    """Return what a person does to remove the orphans in the store at *home*."""
    stop = f"stop {engine} and whatever starts it" if engine == CONTAINERD else f"stop {engine}"
    return f"{stop}; overlay2_prune with home: {printable(home)}, orphans_only: true, foreign: remove"


def _is_old(path: str, now: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.lstat(path).st_ctime < now - GRACE
    return False
