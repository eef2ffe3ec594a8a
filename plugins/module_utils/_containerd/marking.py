# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs what in a namespace, as containerd's garbage collector walks. Pure. PRIVATE to the collection.

The collector starts at leases, images, containers, and objects with a label, and follows references. It removes
snapshots, blobs and ingests that it does not reach, and leases whose time is over. A version of containerd that follows
fewer references than this walk removes more, never less. Source: containerd core/metadata/gc.go.
"""

from __future__ import annotations

import typing as t

from .metadata import GC, Namespace
from .values import expiry

CONTENT, SNAPSHOT, IMAGE, CONTAINER, INGEST = "content", "snapshot", "image", "container", "ingest"
LEASE, LABEL, SANDBOX = "lease", "label", "sandbox"

_ROOT = f"{GC}root"
_EXPIRE = f"{GC}expire"
_FLAT = f"{GC}flat"
_NAMED = ((f"{GC}ref.content", CONTENT), (f"{GC}ref.image", IMAGE))
_NAMED_BACK = ((f"{GC}bref.content", CONTENT), (f"{GC}bref.image", IMAGE), (f"{GC}bref.container", CONTAINER))
_SNAPSHOT = f"{GC}ref.snapshot."
_SNAPSHOT_BACK = f"{GC}bref.snapshot."
_MOST = 3  # names that are kept of each kind that needs an object


class Node(t.NamedTuple):
    """An object of the namespace. flat: its labels are not followed."""

    kind: str
    key: str  # of a snapshot "<snapshotter>/<key>"
    flat: bool = False


class Need(t.NamedTuple):
    """What the walk started at."""

    kind: str  # LEASE, IMAGE, CONTAINER, LABEL, INGEST or SANDBOX
    name: str


class Marks(t.NamedTuple):
    """needs: what needs an object, at most three of each kind; a missing object is needed by nothing.

    unknown: labels of the collector that this walk does not know. With one of them, nothing is certainly unneeded.
    """

    needs: dict[tuple[str, str], list[Need]]
    unknown: list[str]

    def is_needed(self, kind: str, key: str) -> bool:
        return (kind, key) in self.needs


def mark(namespace: Namespace, now: float) -> Marks:
    """Return what is needed in *namespace* at the time *now*, in seconds since 1970."""
    back = _back_references(namespace)
    needs: dict[tuple[str, str], list[Need]] = {}
    seen: dict[Node, list[Need]] = {}
    for start, need in _starts(namespace, now):
        waiting = [start]
        while waiting:
            node = waiting.pop()
            known = seen.setdefault(node, [])
            if need in known or sum(other.kind == need.kind for other in known) == _MOST:
                continue
            known.append(need)
            needs.setdefault(node[:2], [])
            if need not in needs[node[:2]]:
                needs[node[:2]].append(need)
            waiting.extend(_references(namespace, node))
            waiting.extend(back.get(node[:2], ()))
    return Marks(needs, unknown_labels(namespace))


def is_expired(labels: t.Mapping[str, str], now: float) -> bool:
    """Tell whether the time of an object with these labels is over."""
    end = expiry(labels.get(_EXPIRE))
    return end is not None and end < now


def _starts(namespace: Namespace, now: float) -> t.Iterator[tuple[Node, Need]]:
    # An image with a label gc.expire counts, because only later versions of containerd look at the label.
    for key in namespace.images:
        yield Node(IMAGE, key), Need(IMAGE, key)
    for key in namespace.containers:
        yield Node(CONTAINER, key), Need(CONTAINER, key)
    for key, lease in namespace.leases.items():
        if is_expired(lease.labels, now):
            continue
        flat = _FLAT in lease.labels
        kinds = ((SNAPSHOT, lease.snapshots), (CONTENT, lease.content), (IMAGE, lease.images), (INGEST, lease.ingests))
        for kind, keys in kinds:
            for held in keys:
                yield Node(kind, held, flat), Need(LEASE, key)
    for key, ingest in namespace.ingests.items():
        if ingest.expires is not None and ingest.expires >= now:
            yield Node(INGEST, key), Need(INGEST, key)
    for key, labels in namespace.sandboxes.items():
        for node in _labelled(labels):
            yield node, Need(SANDBOX, key)
    for kind, objects in _labelled_objects(namespace):
        for key, own in objects:
            if any(label.startswith(_ROOT) for label in own):
                yield Node(kind, key), Need(LABEL, _ROOT)
            elif _EXPIRE in own and not is_expired(own, now):  # announced in containerd 2: a root until then
                yield Node(kind, key), Need(LABEL, _EXPIRE)


def _labelled_objects(namespace: Namespace) -> t.Iterator[tuple[str, t.Iterable[tuple[str, t.Mapping[str, str]]]]]:
    yield CONTENT, ((key, blob.labels) for key, blob in namespace.blobs.items())
    yield SNAPSHOT, ((key, snapshot.labels) for key, snapshot in namespace.snapshots.items())


def _references(namespace: Namespace, node: Node) -> t.Iterator[Node]:
    """Yield what the object refers to. An object that is gone refers to nothing."""
    labels: t.Mapping[str, str] = {}
    if node.kind == SNAPSHOT and node.key in namespace.snapshots:
        snapshot = namespace.snapshots[node.key]
        labels = snapshot.labels
        if snapshot.parent:
            yield Node(SNAPSHOT, f"{node.key.partition('/')[0]}/{snapshot.parent}", node.flat)
    elif node.kind == CONTENT and node.key in namespace.blobs:
        labels = namespace.blobs[node.key].labels
    elif node.kind == IMAGE and node.key in namespace.images:
        labels = namespace.images[node.key].labels
        yield Node(CONTENT, namespace.images[node.key].target, node.flat)
    elif node.kind == CONTAINER and node.key in namespace.containers:
        labels = namespace.containers[node.key].labels
        if namespace.containers[node.key].snapshot:
            yield Node(SNAPSHOT, namespace.containers[node.key].snapshot)
    elif node.kind == INGEST and node.key in namespace.ingests and namespace.ingests[node.key].expected:
        yield Node(CONTENT, namespace.ingests[node.key].expected)
    if not node.flat:
        yield from _labelled(labels)


def _labelled(labels: t.Mapping[str, str]) -> t.Iterator[Node]:
    for label, value in labels.items():
        for prefix, kind in _NAMED:
            if _is_named(label, prefix):
                yield Node(kind, value)
        if label.startswith(_SNAPSHOT):
            yield Node(SNAPSHOT, f"{_snapshotter(label, _SNAPSHOT)}/{value}")


def _back_references(namespace: Namespace) -> dict[tuple[str, str], list[Node]]:
    """Return by object the objects with a label that ties them to it."""
    found: dict[tuple[str, str], list[Node]] = {}
    containers = (CONTAINER, ((key, one.labels) for key, one in namespace.containers.items()))
    images = (IMAGE, ((key, one.labels) for key, one in namespace.images.items()))
    for kind, objects in (*_labelled_objects(namespace), containers, images):
        for key, labels in objects:
            for label, value in labels.items():
                for prefix, target in _NAMED_BACK:
                    if _is_named(label, prefix):
                        found.setdefault((target, value), []).append(Node(kind, key))
                if label.startswith(_SNAPSHOT_BACK):
                    snapshot = f"{_snapshotter(label, _SNAPSHOT_BACK)}/{value}"
                    found.setdefault((SNAPSHOT, snapshot), []).append(Node(kind, key))
    return found


def _is_named(label: str, prefix: str) -> bool:
    """Tell whether a label is *prefix*, or *prefix* with a name."""
    return label == prefix or label.startswith((f"{prefix}.", f"{prefix}/"))


def _snapshotter(label: str, prefix: str) -> str:
    return label[len(prefix) :].partition("/")[0]


def unknown_labels(namespace: Namespace) -> list[str]:
    """Return the labels of the collector that this walk does not know, sorted."""
    every = (
        *(one.labels for one in namespace.blobs.values()),
        *(one.labels for one in namespace.snapshots.values()),
        *(one.labels for one in namespace.images.values()),
        *(one.labels for one in namespace.containers.values()),
        *(one.labels for one in namespace.leases.values()),
        *namespace.sandboxes.values(),
    )
    return sorted({label for labels in every for label in labels if label.startswith(GC) and not _is_known(label)})


def _is_known(label: str) -> bool:
    named = (prefix for prefix, _kind in (*_NAMED, *_NAMED_BACK))
    return (
        label in (_EXPIRE, _FLAT)
        or label.startswith((_ROOT, _SNAPSHOT, _SNAPSHOT_BACK))
        or any(_is_named(label, prefix) for prefix in named)
    )
