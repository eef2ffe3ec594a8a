# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable, newest_meta
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.tree import root_bucket
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import metadata
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written


def read(tree):
    data = written(tree)
    return metadata.read_metadata(root_bucket(data, newest_meta(data)))


def test_all_objects_of_a_namespace_are_read():
    found = read(
        made.metadata(
            default=made.namespace(
                images={"app:1": made.image("sha256:m")},
                containers={"c1": made.container("app:1", "rw", {"io.kubernetes.pod.name": "web", "app": "left out"})},
                snapshots={"rw": made.snapshot("default/2/rw", "base"), "base": made.snapshot("default/1/base")},
                blobs={"sha256:m": made.blob(70_000, {"containerd.io/gc.ref.content.l.0": "sha256:l"})},
                ingests={"layer-1": {b"expected": b"sha256:l", b"expireat": made.moment(made.NOW)}},
                leases={"w": made.lease({made.EXPIRE: made.PAST}, ["rw"], ["sha256:m"])},
                sandboxes={"s": {b"labels": made.texts({"containerd.io/gc.ref.content": "sha256:m"})}},
            ),
            other={},
        )
    )
    assert found.version == 3
    assert found.namespaces["other"] == metadata.Namespace({}, {}, {}, {}, {}, {}, {})
    assert found.namespaces["default"] == metadata.Namespace(
        {"app:1": metadata.Image("sha256:m", {}, made.OLD)},
        {"c1": metadata.Container("app:1", "overlayfs/rw", {"io.kubernetes.pod.name": "web"})},
        {
            "overlayfs/base": metadata.Snapshot("default/1/base", "", {}, made.OLD),
            "overlayfs/rw": metadata.Snapshot("default/2/rw", "base", {}, made.OLD),
        },
        {"sha256:m": metadata.Blob(70_000, {"containerd.io/gc.ref.content.l.0": "sha256:l"}, made.OLD)},
        {"layer-1": metadata.Ingest("sha256:l", made.NOW)},
        {"w": metadata.Lease({made.EXPIRE: made.PAST}, ["overlayfs/rw"], ["sha256:m"], [], [], made.OLD)},
        {"s": {"containerd.io/gc.ref.content": "sha256:m"}},
    )


def test_a_database_without_a_version_has_none():
    assert read({b"v1": {}}) == metadata.Metadata(0, {})


def test_the_database_of_another_program_is_refused():
    with pytest.raises(Unreadable, match="not a database of this containerd"):
        read({b"v2": {}})


def test_names_that_are_not_utf_8_are_read():
    tree = {b"v1": {b"a\xff": {b"images": {b"\xfe": made.image("sha256:m")}}}}
    assert list(read(tree).namespaces["a\udcff"].images) == ["\udcfe"]


def test_the_count_of_records_is_limited(monkeypatch):
    monkeypatch.setattr(metadata, "MOST", 2)
    tree = made.metadata(default=made.namespace(images={str(number): made.image("x") for number in range(9)}))
    with pytest.raises(Unreadable, match="more than 8 records"):
        read(tree)


LEASE = {b"createdat": made.moment(made.OLD), b"labels": {}}


@pytest.mark.parametrize(
    ("tree", "unknown"),
    [
        ({b"v2": {}, b"v1": {}}, ()),  # an empty bucket holds no use
        ({b"v2": {b"x": {}}, b"v1": {}}, ("v2/x",)),
        ({b"version": b"5", b"v1": {}}, ("version",)),
        ({b"k8s.io": {b"sandboxes": {b"s": {}}}, b"v1": {}}, ()),  # of containerd 1.7
        ({b"k8s.io": {b"sandboxes": {}, b"mounts": {}}, b"v1": {}}, ("k8s.io/mounts",)),
        ({b"v1": {b"policy": b"x"}}, ("v1/policy",)),
        ({b"v1": {b"moby": {b"mounts": {}, b"labels": {}, b"indexes": {}}}}, ("v1/moby/mounts",)),
        ({b"v1": {b"moby": {b"mounts": b"x"}}}, ("v1/moby/mounts",)),
        ({b"v1": {b"moby": {b"content": {b"ingest": {}, b"blob": {}}}}}, ("v1/moby/content/ingest",)),
        ({b"v1": {b"moby": {b"leases": {b"w": {**LEASE, b"mounts": {b"m": b""}}}}}}, ("v1/moby/leases/w/mounts",)),
        ({b"v1": {b"moby": {b"leases": {b"w": {**LEASE, b"images": {b"i": b""}}}}}}, ()),
        ({b"v1": {f"n{number}".encode(): {b"x": {}} for number in range(99)}}, 5),
    ],
)
def test_places_that_are_not_known_are_told(tree, unknown):
    found = read(tree).unknown
    assert (len(found) if isinstance(unknown, int) else found) == unknown
