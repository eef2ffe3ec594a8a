# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a containerd store, and what of it nothing needs. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import datetime
import os
import typing as t

from ..._bolt.live import LIMIT, Busy
from ..._bolt.meta import Unreadable
from ..._containerd import unneeded
from ..._containerd.look import SNAPSHOTTER, Look, gone_layers, look_at, read_database
from ..._containerd.remedies import remedy
from ..._containerd.snapshotter import read_records
from ..._containerd.values import expiry
from ..._errors import printable, shorten
from ..._linux.nofollow import open_below
from .orphans import BY_PRUNE, removal_by_prune
from .state import CONTAINERD, Contents, Found

if t.TYPE_CHECKING:
    from .places import Place

_SNAPSHOTS = "snapshots"
_SHOWN = 20  # namespaces
_OF_A_USER = 16 << 20  # bytes of a user's database
_MOST_OF_A_USER = 2000  # things in a user's store that are told
_OF_PRUNE = "overlayfs"  # the snapshotter whose orphans overlay2_prune removes, and whose lost layers are told


class FirstLook(t.NamedTuple):
    """look: None if the databases cannot be read: problem says why. found: what one look takes for unneeded."""

    look: Look | None
    found: list[unneeded.Unneeded]
    problem: str


def first_look(place: Place, now: float) -> FirstLook:
    """Return what one look at a data root shows."""
    try:
        look = look_at(place.fd, _limit(place))
    except (Unreadable, Busy) as error:
        return FirstLook(None, [], str(error))
    except OSError as error:
        return FirstLook(None, [], f"{printable(str(error.filename))}: {error.strerror}")
    why = unneeded.why_untold(look.metadata)
    found = [] if why else unneeded.find_unneeded(look, now)
    if place.owner and sum(len(one.subjects) for one in found) > _MOST_OF_A_USER:
        return FirstLook(look, [], f"more than {_MOST_OF_A_USER} things in it seem to be unneeded")
    return FirstLook(look, found, why)


def _limit(place: Place) -> int:
    """Return how many bytes of a database are read. A user could make up a large one."""
    return _OF_A_USER if place.owner else LIMIT


def needs_second_look(first: FirstLook) -> bool:
    """Tell whether something would count as unneeded that may be work under way."""
    return any(one.code != unneeded.UNUSED_IMAGE for one in first.found)


def contents_of(
    place: Place, found: Found, before: t.Iterable[unneeded.Unneeded], second: FirstLook, now: float, ctr: str
) -> Contents:
    """Return what lies in a snapshotter's store, and what two looks found unneeded. before: what the first one found.

    The second look is the first one if containerd does not run.
    """
    look = second.look
    home = f"{place.path}/{found.below}" if found.kind == _OF_PRUNE and not place.owner else ""
    if look is None or found.kind not in look.snapshotters:
        return Contents(problems=[second.problem] if second.problem else [])
    records = look.snapshotters[found.kind].records
    both = [] if second.problem else unneeded.in_both(before, second.found)
    ours = [_with_old_directories(place.fd, one, now) for one in both if one.snapshotter in ("", found.kind)]
    orphans = [name for one in ours if one.code == unneeded.ORPHAN_DIRECTORY for name in one.subjects]
    problems = [second.problem] if second.problem else _gone(place, found.kind, look)
    return Contents(
        layers=len(records),
        bytes=sum(record.size or 0 for record in records.values()),
        content_bytes=sum(_blob_sizes(look).values()),
        namespaces=_namespaces(look, found.kind),
        unneeded=None if second.problem else [_told(one, look, ctr, home) for one in ours if one.subjects],
        problems=problems,
        orphans=[f"{found.below}/{_SNAPSHOTS}/{name}" for name in orphans],
    )


def _gone(place: Place, kind: str, look: Look) -> list[str]:
    """Return in words which layers are gone that records name."""
    if kind != _OF_PRUNE:  # other snapshotters have other layouts
        return []
    try:
        gone = gone_layers(place.fd, kind, look.snapshotters[kind], _limit(place))
    except (Unreadable, Busy, OSError) as error:
        return [f"whether layers are gone cannot be told: {error}"]
    names = shorten(sorted((str(record.id) for record in gone.values()), key=int))
    return [f"records name layers that are gone: {names}; the subset health of this home tells more"] if gone else []


def moved_contents(home: Place) -> Contents:
    """Return what lies in the directory *home* of a snapshotter without the databases of its containerd beside it."""
    try:
        records = read_records(read_database(home.fd, "metadata.db", _limit(home)).root)
    except (Unreadable, Busy) as error:
        return Contents(problems=[f"metadata.db cannot be read: {error}"])
    except OSError as error:
        return Contents(problems=[f"{printable(str(error.filename))}: {error.strerror}"])
    why = "it lies outside the data root of its containerd, so nothing tells what nobody needs in it"
    return Contents(len(records), sum(record.size or 0 for record in records.values()), problems=[why])


def _with_old_directories(root: int, one: unneeded.Unneeded, now: float) -> unneeded.Unneeded:
    """Return *one* without the directories that were made or changed a moment ago."""
    if one.code != unneeded.ORPHAN_DIRECTORY:
        return one
    old: dict[str, int | None] = {}
    for name in one.subjects:
        with contextlib.suppress(OSError):
            fd = open_below(root, f"{SNAPSHOTTER}{one.snapshotter}/{_SNAPSHOTS}/{name}", os.O_DIRECTORY)
            try:
                if os.fstat(fd).st_ctime < now - unneeded.GRACE:
                    old[name] = None
            finally:
                os.close(fd)
    return one._replace(subjects=old)


def _told(one: unneeded.Unneeded, look: Look, ctr: str, home: str) -> dict[str, t.Any]:
    """Return *one* as the module returns it. home: of a store in which overlay2_prune removes orphans, else ""."""
    existing = next(iter(look.metadata.namespaces), "default")
    how = remedy(one, ctr, existing)
    sizes = list(one.subjects.values())
    told: dict[str, t.Any] = {
        "code": one.code,
        "namespace": printable(one.namespace) or None,
        "count": len(sizes),
        "bytes": None if None in sizes else sum(size or 0 for size in sizes),
        "by": how.by,
        "run": how.run,
        "policy": how.policy,
    }
    if one.code == unneeded.LEFT_LEASE:
        told["until"] = _until(one, look)
    if one.code == unneeded.ORPHAN_DIRECTORY and home:
        told.update(by=BY_PRUNE, run=removal_by_prune(CONTAINERD, home))
    return told


def _until(one: unneeded.Unneeded, look: Look) -> str | None:
    """Return when the last of these leases ends."""
    leases = look.metadata.namespaces[one.namespace].leases
    ends = [end for key in one.subjects if (end := expiry(leases[key].labels.get("containerd.io/gc.expire")))]
    if not ends:
        return None
    return datetime.datetime.fromtimestamp(max(ends), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _namespaces(look: Look, kind: str) -> dict[str, dict[str, int | None]]:
    records = look.snapshotters[kind].records
    found: dict[str, dict[str, int | None]] = {}
    for name, namespace in list(look.metadata.namespaces.items())[:_SHOWN]:
        names = [one.name for key, one in namespace.snapshots.items() if key.startswith(f"{kind}/")]
        sizes = [records[one].size or 0 for one in names if one in records]
        found[printable(name)] = {
            "layers": len(names),
            "bytes": sum(sizes),
            "images": len(namespace.images),
            "containers": len(namespace.containers),
        }
    return found


def _blob_sizes(look: Look) -> dict[str, int]:
    """Return the bytes of each packed layer once: namespaces share them."""
    return {digest: blob.size for one in look.metadata.namespaces.values() for digest, blob in one.blobs.items()}
