# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd's own database, meta.db: images, containers, snapshots, blobs, leases. Pure. PRIVATE to the collection.

    v1/version
    v1/<namespace>/images/<name>/{target/digest,labels}
    v1/<namespace>/containers/<id>/{image,snapshotter,snapshotKey,labels}
    v1/<namespace>/snapshots/<snapshotter>/<key>/{name,parent,labels}
    v1/<namespace>/content/blob/<digest>/{size,labels}, content/ingests/<ref>/{expireat,expected}
    v1/<namespace>/leases/<id>/{labels,snapshots/<snapshotter>/<key>,content/<digest>,ingests/<ref>,images/<name>}
    v1/<namespace>/sandboxes/<id>/labels
    <namespace>/sandboxes    where containerd 1.7 has them, unseen by its collector

containerd 2.2 has mounts and streams beside this database. They refer to no snapshot and no blob. The labels by which
others refer to them, gc.ref.mount and gc.ref.stream, are told as unknown, as those of conditions are (gc.cond.).

What is in none of these places may be a use that this code does not know, and is told as unknown.
Source: containerd core/metadata/buckets.go, migrations.go.
"""

from __future__ import annotations

import itertools
import typing as t

from .._bolt.meta import Unreadable
from .snapshotter import MOST
from .values import seconds, signed, text, texts

if t.TYPE_CHECKING:
    from .._bolt.tree import Bucket

# 3: of containerd 1.5 to 1.7; 4: of containerd 2, where sandboxes lie in the namespaces. 1 and 2 keep ingests in
# another form.
TESTED_VERSIONS = (3, 4)

GC = "containerd.io/gc."
# The labels that are kept: containerd's own, and those that name a pod or a container for a person.
_LABELS = (GC, "io.kubernetes.", "io.cri-containerd.", "nerdctl/", "moby/")
_IN_NAMESPACE = (b"images", b"containers", b"snapshots", b"content", b"leases", b"sandboxes", b"labels", b"indexes")
_IN_CONTENT = (b"blob", b"ingests")
_IN_LEASE = (b"snapshots", b"content", b"ingests", b"images", b"labels", b"createdat")
_UNKNOWN = 5  # places that are told


class Image(t.NamedTuple):
    target: str  # digest
    labels: dict[str, str]
    created: float | None  # seconds since 1970, as all times here


class Container(t.NamedTuple):
    image: str  # name, "" for none
    snapshot: str  # "<snapshotter>/<key>", "" for none
    labels: dict[str, str]


class Snapshot(t.NamedTuple):
    name: str  # in the snapshotter's database
    parent: str  # a key of the same snapshotter, "" for none
    labels: dict[str, str]
    created: float | None


class Blob(t.NamedTuple):
    size: int  # bytes
    labels: dict[str, str]
    created: float | None


class Ingest(t.NamedTuple):
    """A blob that is being received."""

    expected: str  # digest
    expires: float | None  # None: at once


class Lease(t.NamedTuple):
    labels: dict[str, str]
    snapshots: list[str]  # "<snapshotter>/<key>"
    content: list[str]
    ingests: list[str]
    images: list[str]
    created: float | None


class Namespace(t.NamedTuple):
    """All objects of a namespace, by key. A namespace refers to nothing in another namespace."""

    images: dict[str, Image]
    containers: dict[str, Container]
    snapshots: dict[str, Snapshot]  # by "<snapshotter>/<key>"
    blobs: dict[str, Blob]
    ingests: dict[str, Ingest]
    leases: dict[str, Lease]
    sandboxes: dict[str, dict[str, str]]  # their labels


class Metadata(t.NamedTuple):
    """unknown: places in the database that this code does not know, at most some."""

    version: int  # of the schema, 0 if it is not told
    namespaces: dict[str, Namespace]
    unknown: tuple[str, ...] = ()


def read_metadata(root: Bucket) -> Metadata:
    """Return all that the database holds of layers. Raises Unreadable."""
    top = root.bucket(b"v1")
    if top is None:
        raise Unreadable("it has no v1, so it is not a database of this containerd")
    values = top.values()
    budget = _Budget()
    for key, inner in root.items():
        if key != b"v1":
            budget.expect(text(key), inner, (b"sandboxes",))
    budget.note(f"v1/{text(key)}" for key in values if key != b"version")
    namespaces = {text(name): _namespace(text(name), bucket, budget) for name, bucket in top.buckets()}
    return Metadata(signed(values[b"version"]) if b"version" in values else 0, namespaces, tuple(budget.unknown))


class _Budget:
    """Counts what is read, so that a made-up database cannot take any amount of memory. Keeps what is unknown."""

    def __init__(self) -> None:
        self._left = 4 * MOST
        self.unknown: list[str] = []

    def note(self, places: t.Iterable[str]) -> None:
        """Keep some of the places that are not known."""
        self.unknown += itertools.islice(places, _UNKNOWN - len(self.unknown))

    def expect(self, place: str, found: Bucket | bytes, known: t.Container[bytes]) -> None:
        """Note what is in a bucket beside *known*, or that a value is in place of the bucket."""
        if isinstance(found, bytes):
            self.note([place])
        else:
            self.note(f"{place}/{text(key)}" for key, _value in found.items() if key not in known)

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unreadable(f"it has more than {4 * MOST} records")

    def buckets(self, bucket: Bucket | None) -> t.Iterator[tuple[str, Bucket]]:
        for key, inner in bucket.buckets() if bucket else ():
            self.spend()
            yield text(key), inner

    def keys(self, bucket: Bucket | None) -> t.Iterator[str]:
        for key, _value in bucket.items() if bucket else ():
            self.spend()
            yield text(key)


def _namespace(name: str, bucket: Bucket, budget: _Budget) -> Namespace:
    place = f"v1/{name}"
    budget.expect(place, bucket, _IN_NAMESPACE)
    parts = dict(bucket.buckets())
    content = dict(parts[b"content"].buckets()) if b"content" in parts else {}
    if b"content" in parts:
        budget.expect(f"{place}/content", parts[b"content"], _IN_CONTENT)
    snapshots = [
        (f"{snapshotter}/{key}", record)
        for snapshotter, inner in budget.buckets(parts.get(b"snapshots"))
        for key, record in budget.buckets(inner)
    ]
    return Namespace(
        images={key: _image(inner) for key, inner in budget.buckets(parts.get(b"images"))},
        containers={key: _container(inner) for key, inner in budget.buckets(parts.get(b"containers"))},
        snapshots={key: _snapshot(inner) for key, inner in snapshots},
        blobs={key: _blob(inner) for key, inner in budget.buckets(content.get(b"blob"))},
        ingests={key: _ingest(inner) for key, inner in budget.buckets(content.get(b"ingests"))},
        leases={
            key: _lease(f"{place}/leases/{key}", inner, budget) for key, inner in budget.buckets(parts.get(b"leases"))
        },
        sandboxes={key: _labels(inner) for key, inner in budget.buckets(parts.get(b"sandboxes"))},
    )


class _Fields(t.NamedTuple):
    """The fields of an object. Each bucket is read once, since a database can have very many."""

    values: dict[bytes, bytes]
    buckets: dict[bytes, Bucket]

    def text(self, name: bytes) -> str:
        return text(self.values.get(name))

    def seconds(self, name: bytes = b"createdat") -> float | None:
        return seconds(self.values.get(name))

    def labels(self) -> dict[str, str]:
        found = texts(self.buckets.get(b"labels"))
        return {key: value for key, value in found.items() if key.startswith(_LABELS)}


def _fields(bucket: Bucket) -> _Fields:
    fields = _Fields({}, {})
    for key, value in bucket.items():
        if isinstance(value, bytes):
            fields.values[key] = value
        else:
            fields.buckets[key] = value
    return fields


def _labels(bucket: Bucket) -> dict[str, str]:
    return _fields(bucket).labels()


def _image(bucket: Bucket) -> Image:
    fields = _fields(bucket)
    target = texts(fields.buckets.get(b"target"))
    return Image(target.get("digest", ""), fields.labels(), fields.seconds())


def _container(bucket: Bucket) -> Container:
    fields = _fields(bucket)
    snapshotter, key = fields.text(b"snapshotter"), fields.text(b"snapshotKey")
    return Container(fields.text(b"image"), f"{snapshotter}/{key}" if snapshotter else "", fields.labels())


def _snapshot(bucket: Bucket) -> Snapshot:
    fields = _fields(bucket)
    return Snapshot(fields.text(b"name"), fields.text(b"parent"), fields.labels(), fields.seconds())


def _blob(bucket: Bucket) -> Blob:
    fields = _fields(bucket)
    size = signed(fields.values[b"size"]) if b"size" in fields.values else 0
    return Blob(size, fields.labels(), fields.seconds())


def _ingest(bucket: Bucket) -> Ingest:
    fields = _fields(bucket)
    return Ingest(fields.text(b"expected"), fields.seconds(b"expireat"))


def _lease(place: str, bucket: Bucket, budget: _Budget) -> Lease:
    budget.expect(place, bucket, _IN_LEASE)
    fields = _fields(bucket)
    parts = fields.buckets
    snapshots = [
        f"{snapshotter}/{key}"
        for snapshotter, inner in budget.buckets(parts.get(b"snapshots"))
        for key in budget.keys(inner)
    ]
    content, ingests, images = (list(budget.keys(parts.get(name))) for name in (b"content", b"ingests", b"images"))
    return Lease(fields.labels(), snapshots, content, ingests, images, fields.seconds())
