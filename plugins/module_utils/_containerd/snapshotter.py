# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshotter's own database, metadata.db: which directories it has. Pure. PRIVATE to the collection.

    v1/snapshots/<name>/{id,kind,parent,size,inodes,createdat}

A name is <namespace>/<number>/<key>, where the number is meta.db's own. The directory of a snapshot is snapshots/<id>.
Source: containerd core/snapshots/storage/bolt.go.
"""

from __future__ import annotations

import typing as t

from .._bolt.meta import Unreadable
from .._errors import printable
from .values import seconds, signed, text, unsigned

if t.TYPE_CHECKING:
    from .._bolt.tree import Bucket

VIEW, ACTIVE, COMMITTED = 1, 2, 3
MOST = 200_000  # records that are read


class Record(t.NamedTuple):
    """One snapshot, as its snapshotter knows it."""

    id: int  # the name of its directory
    kind: int  # VIEW, ACTIVE or COMMITTED
    parent: str  # a name, "" for none
    size: int | None  # bytes on disk when it was committed
    inodes: int | None
    created: float | None  # seconds since 1970


def read_records(root: Bucket) -> dict[str, Record]:
    """Return the snapshots by name. Raises Unreadable."""
    for place, known in (((), (b"v1",)), ((b"v1",), (b"snapshots", b"parents"))):
        bucket = root.bucket(*place)
        other = next((key for key, _value in bucket.items() if key not in known), None) if bucket else None
        if other is not None:  # records may lie there, too
            raise Unreadable(f"it has {printable(text(other))}, which this version of the collection does not know")
    snapshots = root.bucket(b"v1", b"snapshots")
    found: dict[str, Record] = {}
    ids: set[int] = set()
    for key, bucket in snapshots.buckets() if snapshots else ():
        record = found[text(key)] = _record(bucket.values())
        if record.id in ids:
            raise Unreadable(f"two of its snapshots have the directory {record.id}")
        ids.add(record.id)
        if len(found) > MOST:
            raise Unreadable(f"it has more than {MOST} snapshots")
    return found


def _record(values: dict[bytes, bytes]) -> Record:
    if b"id" not in values or b"kind" not in values:
        raise Unreadable("a snapshot in it lacks its id or its kind")
    kind = values[b"kind"]
    if len(kind) != 1 or kind[0] not in (VIEW, ACTIVE, COMMITTED):
        raise Unreadable("a snapshot in it is of an unknown kind")
    size, inodes = (signed(values[name]) if name in values else None for name in (b"size", b"inodes"))
    created = seconds(values.get(b"createdat"))
    return Record(unsigned(values[b"id"]), kind[0], text(values.get(b"parent")), size, inodes, created)
