# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of containerd that its records name and that do not exist. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import os
import time
import typing as t

from ..._bolt.live import Busy
from ..._bolt.meta import Unreadable
from ..._containerd.look import SNAPSHOTTER, Look, gone_layers, look_at, snapshotter_database
from ..._containerd.marking import CONTAINER, IMAGE
from ..._containerd.owners import Owner, owners_of
from ..._containerd.remedies import removal_of_gone
from ..._containerd.unneeded import why_unknown
from ..._errors import printable
from ..._linux.noatime import open_quietly
from ..._store import texts
from ..._store.codes import KINDS
from ..._store.cures import cure
from ..._store.engine import CONTAINERD, Engine
from ..host.cases import ctr_command
from ..host.evidence import gather_evidence
from ..host.places import Place
from .finding import Reported
from .owners import Untold

_OVERLAYFS = "overlayfs"  # other snapshotters have other layouts


def find_gone(engine: Engine) -> list[Reported]:
    """Return a finding for each record without a directory, by number. Raises Untold; OSError."""
    root, directory = os.path.split(engine.root)
    if directory != f"{SNAPSHOTTER}{_OVERLAYFS}":
        raise Untold(f"{printable(engine.root)} is not the directory of containerd's snapshotter {_OVERLAYFS}")
    fd = open_quietly(root, os.O_DIRECTORY)
    try:
        look = look_at(fd)
        why = why_unknown(look.metadata)
        if why:
            raise Untold(why)
        if _OVERLAYFS not in look.snapshotters:  # its database has just gone
            return []
        gone = gone_layers(fd, _OVERLAYFS, look.snapshotters[_OVERLAYFS])
        if not gone:
            return []
        ctr = ctr_command(Place(fd, root, 0), gather_evidence())
    except (Unreadable, Busy) as error:
        raise Untold(str(error)) from error
    finally:
        os.close(fd)
    owners = owners_of(look, _OVERLAYFS, time.time())
    by_number = sorted(gone.items(), key=lambda item: item[1].id)
    return [_reported(root, look, name, str(record.id), owners[str(record.id)], ctr) for name, record in by_number]


def _reported(root: str, look: Look, name: str, id: str, owners: t.Sequence[Owner], ctr: str) -> Reported:
    database = snapshotter_database(_OVERLAYFS)
    using = [one for one in owners if one.kind in (CONTAINER, IMAGE)]
    users = ", ".join(f"{one.kind} {printable(one.name)} in {printable(one.namespace)}" for one in using)
    message = texts.message(
        "layer_gone", subject=id, detail=database, others=f": {users} cannot be used" if users else ""
    )
    hint = cure(CONTAINERD, "layer_gone", removal_of_gone(look, _OVERLAYFS, name, owners, ctr))
    return Reported("layer_gone", KINDS["layer_gone"], id, printable(os.path.join(root, database)), message, hint)
