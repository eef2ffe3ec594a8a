# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the directories of containerd's overlayfs snapshotter, and what needs each. PRIVATE to the collection.

While containerd runs, a directory may have been made a moment ago, or may go in a moment. So only what two looks find,
and what is old, is told as an orphan then.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t

from ..._bolt.live import Busy
from ..._bolt.meta import Unreadable
from ..._containerd import unneeded
from ..._containerd.look import SNAPSHOTTER as FAMILY
from ..._containerd.look import Look, look_at
from ..._containerd.owners import owners_of
from ..._containerd.snapshotter import Record
from ..._errors import StoreForeign, printable, shorten
from ..._store.engine import CONTAINERD, store_foreign_error
from ..._store.leftovers import leftovers
from ..._store.listing import directories_in
from ..host.cases import holder_of
from ..host.evidence import Overlay, find_overlays, gather_evidence
from ..host.places import Place, Untouched, open_place, slow_mount_points
from ..in_use.users import describe_users, users_of_layers
from ..layers.disk_usage import Moved, Tree, why_unread
from ..layers.litter import Litter
from ..layers.stuck import why_stuck
from ..prune.sizes import Sizes
from .interlock import locked_by_others
from .state import SNAPSHOTS, Needed, Orphan, SnapshotsState

SNAPSHOTTER = "overlayfs"  # the snapshotters with other names keep other things
_PAUSE = 2  # seconds between two looks
_PART_OF_OVERLAY = re.compile(r"(?:(/.*)/)?([^/]+)/(?:fs|work)", re.DOTALL)


class FirstLook(t.NamedTuple):
    """What a look without locks took for orphans. at: by time.monotonic(). lacking: as unneeded.lacking() returns."""

    names: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    at: float = 0.0


@contextlib.contextmanager
def data_root(home: str) -> t.Iterator[Place]:
    """Open the data root of the snapshotter at *home*.

    raises: StoreForeign if a user could lead the run elsewhere, or if the records in the data root are not of *home*.
    """
    if os.path.basename(home) != f"{FAMILY}{SNAPSHOTTER}":  # another snapshotter, or a root_path in the data root
        raise _untouched_error(home, f"it is not the directory of its {SNAPSHOTTER} snapshotter, {FAMILY}{SNAPSHOTTER}")
    try:
        place = open_place(os.path.dirname(home), slow_mount_points(), links=False)
    except Untouched as error:
        raise _untouched_error(home, str(error)) from error
    try:
        if place.owner:
            raise _untouched_error(home, "its data root belongs to a user, who could lead the run elsewhere")
        yield place
    finally:
        os.close(place.fd)


def _untouched_error(home: str, why: str) -> StoreForeign:
    return store_foreign_error(home, CONTAINERD, "look for orphans", f"and {why}")


def first_look(home: str) -> FirstLook:
    """Return what one look shows. Raises StoreForeign, OSError."""
    with data_root(home) as place:
        look, _why = _look(place.fd)
    if look is None:
        return FirstLook(at=time.monotonic())
    names, lacking = _orphans(look), frozenset(unneeded.lacking(look, SNAPSHOTTER))
    return FirstLook(names, lacking, time.monotonic())


def observe_snapshots(home: str, sizes: Sizes, first: FirstLook, *, locked: bool) -> SnapshotsState:
    """Return the state of the snapshotter's store. locked: this run has the locks of the databases.

    raises: StoreForeign; OSError.
    """
    with data_root(home) as place:
        by_others = "" if locked else locked_by_others(place.fd, SNAPSHOTTER)
        if by_others and first.names:
            time.sleep(max(0.0, first.at + _PAUSE - time.monotonic()))
        now = time.time()
        look, why = _look(place.fd)
        running = _holder(place, by_others) if by_others else ""
    state = SnapshotsState(home, litter=tuple(_litter(home, sizes)), now=now, running=running)
    if look is None:
        return _without_orphans(state, why, directories_in(f"{home}/{SNAPSHOTS}"))
    names, lacking = _orphans(look), frozenset(unneeded.lacking(look, SNAPSHOTTER))
    if by_others:
        names, lacking = names & first.names, lacking & first.lacking
    why = unneeded.why_no_orphans(look.metadata, lacking)
    if why:
        return _without_orphans(state, why, look.snapshotters[SNAPSHOTTER].directories)
    old = [name for name in names if not by_others or _is_old(f"{home}/{SNAPSHOTS}/{name}", now)]
    return state._replace(orphans=_described(home, old, sizes), needed=_needed(look, now))


def _look(root: int) -> tuple[Look | None, str]:
    """Return what lies in the data root, or None and why it cannot be read."""
    try:
        look = look_at(root)
    except (Unreadable, Busy) as error:
        return None, str(error)
    except OSError as error:
        return None, f"{printable(str(error.filename))}: {error.strerror}"
    there = SNAPSHOTTER in look.snapshotters
    return (look, "") if there else (None, f"the snapshotter {SNAPSHOTTER} has no database")


def _orphans(look: Look) -> frozenset[str]:
    return frozenset(unneeded.orphan_directories(look.snapshotters[SNAPSHOTTER]))


def _without_orphans(state: SnapshotsState, why: str, names: t.Iterable[str]) -> SnapshotsState:
    error = f"no directory counts as an orphan: {why}"
    return state._replace(error=error, needed={name: Needed(error) for name in names})


def _holder(place: Place, path: str) -> str:
    """Return in words who has a database locked."""
    holder = holder_of(place, CONTAINERD, gather_evidence())
    who = f"{printable(holder.command)} {holder.pid}" if holder else "a process that /proc does not show"
    return f"{who} has {printable(os.path.join(place.path, path))} locked"


def _is_old(path: str, now: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.lstat(path).st_ctime < now - unneeded.GRACE
    return False


def _described(home: str, names: t.Collection[str], sizes: Sizes) -> dict[str, Orphan]:
    """Return the orphans with their sizes and users."""
    if not names:
        return {}
    snapshots = f"{home}/{SNAPSHOTS}"
    used = {name: describe_users(users) for name, users in users_of_layers(snapshots, names, whole=True).items()}
    for overlay in find_overlays():
        for name in _names_in(overlay, snapshots):
            used.setdefault(name, f"a layer of the overlay on {printable(overlay.mount_point)}")
    found = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # containerd has just removed it
            found[name] = Orphan(*_tree(f"{snapshots}/{name}", sizes), used.get(name, ""))
    return found


def _names_in(overlay: Overlay, snapshots: str) -> t.Iterator[str]:
    """Yield the directories that an overlay may be made of. In another mount namespace, they have other paths."""
    for path in (overlay.upper, *overlay.lowers):
        match = _PART_OF_OVERLAY.fullmatch(path)
        if match and (not overlay.here or match[1] in (None, snapshots)):
            yield match[2]


def _tree(path: str, sizes: Sizes) -> tuple[Tree, float]:
    """Return the size of a directory, and when it last changed. Raises FileNotFoundError."""
    try:
        tree = sizes.of_directory(path)
    except Moved:
        tree = Tree(0, 0, {}, "directories in it are being moved")
    except FileNotFoundError:
        raise
    except OSError as error:
        tree = Tree(0, 0, {}, why_unread(error, path))
    return tree, os.lstat(path).st_ctime


def _litter(home: str, sizes: Sizes) -> t.Iterator[Litter]:
    """Yield what earlier runs moved out of sight."""
    for path in leftovers(home):
        name = os.path.basename(path)
        with contextlib.suppress(FileNotFoundError):  # another run has just swept it
            tree, _made = _tree(path, sizes)
            yield Litter("staging_leftover", name, name, "", tree.bytes, tree.unread, why_stuck(path))


def _needed(look: Look, now: float) -> dict[str, Needed]:
    records = look.snapshotters[SNAPSHOTTER].records
    owners = owners_of(look, SNAPSHOTTER, now)
    found = {}
    for key, record in records.items():
        users = [f"{one.kind} {printable(one.name)} in {printable(one.namespace)}" for one in owners[str(record.id)]]
        why = shorten(users) or f"its record {printable(key)} names it"
        found[str(record.id)] = Needed(
            f"{CONTAINERD} needs it: {why}",
            str(records[record.parent].id) if record.parent in records else "",
            _depth(record, records),
            record.size,
            record.inodes,
            record.created,
        )
    return found


def _depth(record: Record, records: t.Mapping[str, Record]) -> int:
    """Return the number of snapshots below. A made-up database may have a circle."""
    count = 0
    while record.parent in records and count < len(records):
        record, count = records[record.parent], count + 1
    return count
