# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containerd uses a directory of a snapshotter for. Pure. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from . import marking

if t.TYPE_CHECKING:
    from .look import Look
    from .metadata import Container, Namespace

_POD = "io.kubernetes.pod.name"
_POD_NAMESPACE = "io.kubernetes.pod.namespace"
_IN_POD = "io.kubernetes.container.name"
_NERDCTL = "nerdctl/name"


class Owner(t.NamedTuple):
    """One use. kind: image, container, lease, label, sandbox or ingest, as marking names them."""

    kind: str
    name: str  # as a person knows it
    id: str
    namespace: str
    pod: str  # "<namespace>/<name>", "" for none


def owners_of(look: Look, snapshotter: str, now: float) -> dict[str, list[Owner]]:
    """Return by directory, such as "12", who needs the snapshot in it: at most three of each kind."""
    records = look.snapshotters[snapshotter].records
    found: dict[str, list[Owner]] = {str(record.id): [] for record in records.values()}
    for name, namespace in look.metadata.namespaces.items():
        marks = marking.mark(namespace, now)
        for key, snapshot in namespace.snapshots.items():
            record = records.get(snapshot.name) if key.startswith(f"{snapshotter}/") else None
            for need in marks.needs.get((marking.SNAPSHOT, key), ()) if record else ():
                found[str(record.id if record else "")].append(_owner(name, namespace, need))
    return found


def _owner(name: str, namespace: Namespace, need: marking.Need) -> Owner:
    if need.kind == marking.CONTAINER and need.name in namespace.containers:
        container = namespace.containers[need.name]
        return Owner(need.kind, _known_as(container) or need.name, need.name, name, _pod(container))
    image = namespace.images.get(need.name) if need.kind == marking.IMAGE else None
    return Owner(need.kind, need.name, image.target if image else need.name, name, "")


def _known_as(container: Container) -> str:
    return container.labels.get(_IN_POD) or container.labels.get(_NERDCTL, "")


def _pod(container: Container) -> str:
    pod = container.labels.get(_POD)
    return f"{container.labels.get(_POD_NAMESPACE, 'default')}/{pod}" if pod else ""
