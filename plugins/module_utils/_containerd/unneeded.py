# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a containerd store holds that nothing needs. Pure. PRIVATE to the collection.

containerd may be at work, so one look proves nothing: what two looks find, and what was made a while before, counts.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import printable
from . import marking
from .metadata import TESTED_VERSIONS, Metadata, Namespace

if t.TYPE_CHECKING:
    from .look import Look, Snapshotter

ORPHAN_DIRECTORY = "orphan_directory"  # no record of the snapshotter names it
UNLISTED_RECORD = "unlisted_record"  # a record of the snapshotter that containerd's own database lacks
UNREFERENCED = "unreferenced"  # a snapshot or blob that nothing needs
LEFT_LEASE = "left_lease"  # the lease of a client that is surely gone
EXPIRED_LEASE = "expired_lease"
STRAY_BLOB = "stray_blob"  # a packed layer without a record
INGEST = "ingest"  # a blob that was not received whole
KEPT_BY_LABEL = "kept_by_label"  # a snapshot that only its own label keeps; its parents go with it
UNUSED_IMAGE = "unused_image"  # an image that no container uses: a matter of policy

GRACE = 600  # seconds: what is younger may be work under way
_WORK = 3600  # seconds after which a client that holds a lease has ended
_PINNED = "io.cri-containerd.pinned"
_DIRECTORY = re.compile(r"\d+|new-\d+")  # what a snapshotter makes
# A client keeps its objects by a lease that ends. A lease without an end is a container's or a build cache's.
_EXPIRE = "containerd.io/gc.expire"
_FLAT = "containerd.io/gc.flat"
_ROOT = "containerd.io/gc.root"


class Unneeded(t.NamedTuple):
    """Things of one kind in one namespace. subjects: bytes by name, None where no record tells them."""

    code: str
    namespace: str  # "" for what lies in no namespace
    snapshotter: str  # "" for what lies in no snapshotter
    subjects: dict[str, int | None]


def why_unknown(metadata: Metadata) -> str:
    """Return why the databases may mean something else than this code takes them for, "" if they do not."""
    if metadata.version not in TESTED_VERSIONS:
        tested = " and ".join(map(str, TESTED_VERSIONS))
        return f"its schema has version {metadata.version}, and only versions {tested} were tested"
    one = printable(metadata.unknown[0]) if metadata.unknown else ""
    return f"meta.db has {one}, which may stand for any use" if one else ""


def why_untold(metadata: Metadata) -> str:
    """Return why it cannot be told what nothing needs, "" if it can be told."""
    why = why_unknown(metadata)
    if why:
        return why
    unknown = sorted({label for one in metadata.namespaces.values() for label in marking.unknown_labels(one)})
    return f"it uses the label {printable(unknown[0])}, which may stand for any use" if unknown else ""


def why_no_orphans(metadata: Metadata, missing: t.Collection[str]) -> str:
    """Return why no directory can be told to be an orphan, "" if one can. missing: what lacking() returned."""
    if missing:
        one = printable(sorted(missing)[0])
        why = f"metadata.db has no record of the snapshot {one}, which meta.db names, so any directory may be its own"
        return why_unknown(metadata) or why
    return why_unknown(metadata)


def lacking(look: Look, snapshotter: str) -> set[str]:
    """Return the snapshots that meta.db names and the snapshotter has no record of.

    Either containerd uses another directory for this snapshotter (root_path), or records are lost.
    """
    return _listed(look).get(snapshotter, set()) - look.snapshotters[snapshotter].records.keys()


def orphan_directories(snapshotter: Snapshotter) -> list[str]:
    """Return the directories of a snapshotter that none of its records names, sorted."""
    known = {str(record.id) for record in snapshotter.records.values()}
    return sorted(one for one in snapshotter.directories if _DIRECTORY.fullmatch(one) and one not in known)


def find_unneeded(look: Look, now: float) -> list[Unneeded]:
    """Return what nothing needs at the time *now*, in seconds since 1970. The caller has asked why_untold()."""
    found = [*_of_snapshotters(look, now), *_blobs_without_record(look)]
    for name, namespace in look.metadata.namespaces.items():
        marks = marking.mark(namespace, now)
        found += _of_objects(name, namespace, marks, look, now)
        found += _of_leases(name, namespace, marks, look, now)
        found += _of_images(name, namespace, marks, look)
    return [one for one in found if one.subjects]


def in_both(first: t.Iterable[Unneeded], second: t.Iterable[Unneeded]) -> list[Unneeded]:
    """Return what two looks found."""
    before = {one[:3]: one.subjects.keys() for one in first}
    both = []
    for one in second:
        subjects = {name: size for name, size in one.subjects.items() if name in before.get(one[:3], ())}
        if subjects:
            both.append(one._replace(subjects=subjects))
    return both


def _of_snapshotters(look: Look, now: float) -> t.Iterator[Unneeded]:
    listed = _listed(look)
    for name, snapshotter in look.snapshotters.items():
        if not lacking(look, name):
            yield Unneeded(ORPHAN_DIRECTORY, "", name, dict.fromkeys(orphan_directories(snapshotter)))
        names = listed.get(name, set())
        if names & snapshotter.records.keys():  # otherwise containerd uses another directory for this snapshotter
            yield Unneeded(UNLISTED_RECORD, "", name, _unlisted(snapshotter, names, now))


def _listed(look: Look) -> dict[str, set[str]]:
    """Return by snapshotter the snapshots that meta.db names."""
    listed: dict[str, set[str]] = {}
    for namespace in look.metadata.namespaces.values():
        for key, snapshot in namespace.snapshots.items():
            listed.setdefault(key.partition("/")[0], set()).add(snapshot.name)
    return listed


def _unlisted(snapshotter: Snapshotter, listed: set[str], now: float) -> dict[str, int | None]:
    return {
        name: record.size
        for name, record in snapshotter.records.items()
        if name not in listed and _is_old(record.created, now)
    }


def _blobs_without_record(look: Look) -> t.Iterator[Unneeded]:
    recorded = {digest for one in look.metadata.namespaces.values() for digest in one.blobs}
    yield Unneeded(STRAY_BLOB, "", "", dict.fromkeys(sorted(look.blobs - recorded)))


def _of_objects(name: str, namespace: Namespace, marks: marking.Marks, look: Look, now: float) -> t.Iterator[Unneeded]:
    blobs: dict[str, int | None] = {
        digest: blob.size
        for digest, blob in namespace.blobs.items()
        if not marks.is_needed(marking.CONTENT, digest) and _is_old(blob.created, now)
    }
    yield Unneeded(UNREFERENCED, name, "", blobs)
    ingests = [key for key in namespace.ingests if not marks.is_needed(marking.INGEST, key)]
    yield Unneeded(INGEST, name, "", dict.fromkeys(ingests))
    found: dict[tuple[str, str], list[str]] = {}  # by code and snapshotter
    newest_first = sorted(namespace.snapshots.items(), key=lambda item: item[1].created or 0, reverse=True)
    for key, snapshot in newest_first:  # a snapshot before its parent, as they have to be removed
        needs = marks.needs.get((marking.SNAPSHOT, key))
        labelled = _only(needs, marking.LABEL) and any(label.startswith(_ROOT) for label in snapshot.labels)
        code = KEPT_BY_LABEL if labelled else "" if needs else UNREFERENCED
        if code and _is_old(snapshot.created, now):
            found.setdefault((code, key.partition("/")[0]), []).append(key)
    for (code, snapshotter), keys in found.items():
        yield Unneeded(code, name, snapshotter, _sizes(keys, namespace, look))


def _of_leases(name: str, namespace: Namespace, marks: marking.Marks, look: Look, now: float) -> t.Iterator[Unneeded]:
    at_work = any(ingest.expires is not None and ingest.expires >= now for ingest in namespace.ingests.values())
    alone = _needed_by_one(namespace, marks, marking.LEASE, lambda lease: lease)
    expired: list[str] = []
    left: dict[str, int | None] = {}
    for key, lease in namespace.leases.items():
        of_a_client = _EXPIRE in lease.labels and _FLAT not in lease.labels
        old = lease.created is not None and lease.created < now - _WORK
        if marking.is_expired(lease.labels, now):
            expired.append(key)
        elif of_a_client and old and not at_work:
            left[key] = _sum(_sizes(alone.get(key, []), namespace, look).values())
    yield Unneeded(EXPIRED_LEASE, name, "", dict.fromkeys(expired))
    yield Unneeded(LEFT_LEASE, name, "", left)


def _of_images(name: str, namespace: Namespace, marks: marking.Marks, look: Look) -> t.Iterator[Unneeded]:
    """Yield the images that no container uses. An image may have many names, and one target.

    dockerd keeps its containers elsewhere: it has a lease without an end for each, and containers without a snapshot.
    """
    containers = namespace.containers.values()
    if any(_EXPIRE not in lease.labels for lease in namespace.leases.values()) or not all(
        one.snapshot for one in containers
    ):
        return
    targets = {image: record.target for image, record in namespace.images.items()}
    kept = {targets.get(one.image) for one in containers}
    kept |= {record.target for record in namespace.images.values() if _PINNED in record.labels}
    alone = _needed_by_one(namespace, marks, marking.IMAGE, lambda image: targets.get(image, image))
    unused = {
        target: (image, _sum(_sizes(alone.get(target, []), namespace, look).values()))
        for image, target in sorted(targets.items(), reverse=True)
        if target not in kept
    }
    yield Unneeded(UNUSED_IMAGE, name, "", dict(sorted(unused.values())))


def _needed_by_one(
    namespace: Namespace, marks: marking.Marks, kind: str, identity: t.Callable[[str], str]
) -> dict[str, list[str]]:
    """Return the snapshots that one object of *kind* alone needs, by identity(its name)."""
    found: dict[str, list[str]] = {}
    for key in namespace.snapshots:
        needs = marks.needs.get((marking.SNAPSHOT, key), [])
        names = {identity(need.name) for need in needs}
        if _only(needs, kind) and len(names) == 1:
            found.setdefault(names.pop(), []).append(key)
    return found


def _is_old(created: float | None, now: float) -> bool:
    return created is not None and created < now - GRACE


def _only(needs: list[marking.Need] | None, kind: str) -> bool:
    return bool(needs) and all(need.kind == kind for need in needs or ())


def _sizes(keys: t.Iterable[str], namespace: Namespace, look: Look) -> dict[str, int | None]:
    """Return the bytes of snapshots, by "<snapshotter>/<key>"."""
    found: dict[str, int | None] = {}
    for key in keys:
        snapshotter = look.snapshotters.get(key.partition("/")[0])
        record = snapshotter.records.get(namespace.snapshots[key].name) if snapshotter else None
        found[key] = record.size if record else None
    return found


def _sum(sizes: t.Iterable[int | None]) -> int | None:
    """Return the sum, None if a part of it is not known."""
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total
