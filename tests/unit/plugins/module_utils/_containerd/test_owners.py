# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.strata.overlay2.plugins.module_utils._containerd.look import Look, Snapshotter
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.metadata import (
    Blob,
    Container,
    Image,
    Metadata,
    Namespace,
    Snapshot,
)
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.owners import Owner, owners_of
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.snapshotter import Record

LABELS = {
    "io.kubernetes.pod.name": "web-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.container.name": "app",
}


def test_each_directory_has_the_images_and_containers_that_need_it():
    namespace = Namespace(
        images={"app:1": Image("m", {}, 0.0)},
        containers={
            "c1": Container("app:1", "overlayfs/rw", LABELS),
            "c2": Container("", "overlayfs/base", {"nerdctl/name": "db"}),
        },
        snapshots={
            "overlayfs/base": Snapshot("k8s.io/1/base", "", {}, 0.0),
            "overlayfs/rw": Snapshot("k8s.io/2/rw", "base", {}, 0.0),
            "overlayfs/left": Snapshot("k8s.io/3/left", "", {}, 0.0),
            "native/base": Snapshot("k8s.io/1/base", "", {"containerd.io/gc.root": ""}, 0.0),
        },
        blobs={"m": Blob(1, {"containerd.io/gc.ref.snapshot.overlayfs": "base"}, 0.0)},
        ingests={},
        leases={},
        sandboxes={},
    )
    names = {"k8s.io/1/base": 40, "k8s.io/2/rw": 7, "k8s.io/3/left": 9, "gone/1/x": 11}
    records = {name: Record(id, 3, "", 1, 1, 0.0) for name, id in names.items()}
    look = Look({"overlayfs": Snapshotter(frozenset(), records)}, Metadata(3, {"k8s.io": namespace}), frozenset())
    app, db = Owner("container", "app", "c1", "k8s.io", "shop/web-0"), Owner("container", "db", "c2", "k8s.io", "")
    assert owners_of(look, "overlayfs", 0.0) == {
        "40": [Owner("image", "app:1", "m", "k8s.io", ""), app, db],
        "7": [app],
        "9": [],
        "11": [],
    }
