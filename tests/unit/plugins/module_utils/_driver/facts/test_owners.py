# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written

pytestmark = pytest.mark.root

IMAGE, CONTAINER, CACHED = "e" * 64, "d" * 64, "c" * 64
DIFFS = ["sha256:" + "1" * 64, "sha256:" + "2" * 64]
TOP = hashlib.sha256(" ".join(DIFFS).encode()).hexdigest()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def docker(layers, tmp_path):
    """A store of docker: far and near are an image's, app is a container's, cached is BuildKit's, left is nobody's.

    cached is damaged: it has no link.
    """
    for id in ("cached", "left"):
        layers.add(id)
    for id, link in layers.links.items():
        if id != "cached":
            write(tmp_path / "store" / id / "link", link)
    lowers = ":".join(f"l/{layers.links[id]}" for id in ("near", "far"))
    write(tmp_path / "store/app/lower", lowers)
    write(tmp_path / "store/near/lower", f"l/{layers.links['far']}")
    for id in ("app", "near"):
        (tmp_path / "store" / id / "work").mkdir()
    records = tmp_path / "image/overlay2"
    for chain, id in ((DIFFS[0][7:], "far"), (TOP, "near"), (CACHED, "cached")):
        write(records / f"layerdb/sha256/{chain}/cache-id", id)
    write(records / f"layerdb/sha256/{TOP}/parent", DIFFS[0])
    write(records / f"layerdb/mounts/{CONTAINER}/mount-id", "app")
    write(records / f"imagedb/content/sha256/{IMAGE}", json.dumps({"rootfs": {"diff_ids": DIFFS}}))
    write(records / "repositories.json", json.dumps({"Repositories": {"web": {"web:1": f"sha256:{IMAGE}"}}}))
    write(tmp_path / f"containers/{CONTAINER}/config.v2.json", json.dumps({"Name": "/shop"}))
    (tmp_path / "buildkit").mkdir()
    (tmp_path / "buildkit/snapshots.db").write_bytes(written({b"key": {b"chainid": f"sha256:{CACHED}".encode()}}))
    return tmp_path / "store"


def owners(home, ids=None):
    """Return the uses of each layer as kinds and names."""
    told = gather(str(home), ["owners"], ids)["owners"]
    json.dumps(told)
    return {id: [(use["kind"], use["name"]) for use in uses] for id, uses in told.items()}


def test_the_layers_of_docker_belong_to_images_containers_and_the_build_cache(docker):
    image, container = ("image", "web:1"), ("container", "shop")
    assert owners(docker) == {
        "app": [container],
        "near": [image, container],
        "far": [image, container],
        "cached": [("build_cache", None)],
        "left": [],
    }
    assert owners(docker, ["left", "app", "none"]) == {"app": [container], "left": []}


def test_where_a_record_cannot_be_read_owners_are_not_told(docker):
    (docker.parent / "buildkit/snapshots.db").write_bytes(b"x" * 9000)
    told = gather(str(docker), ["owners"])
    assert told["owners"] is None
    (problem,) = (problem for problem in told["problems"] if "owners" in problem["message"])
    assert problem["code"] == "not_probed"
    assert "snapshots.db" in problem["message"]


def test_in_a_store_of_ours_no_engine_uses_a_layer(layers):
    assert owners(layers.home) == {"app": [], "near": [], "far": []}


@pytest.mark.parametrize("below", ["", "snapshots"])
def test_the_directories_of_containerd_belong_to_containers(tmp_path, below):
    objects = made.namespace(
        containers={"c": made.container("", "top", {"io.kubernetes.pod.name": "\x1b[2J"})},
        snapshots={"top": made.snapshot("default/1/top")},
    )
    root = made.make_root(tmp_path, made.metadata(default=objects), {"default/1/top": made.record(7)}, ["7"])
    told = gather(str(root / made.OVERLAYFS / below), ["owners"])["owners"]
    use = {"kind": "container", "name": "c", "id": "c", "namespace": "default", "pod": r"default/\x1b[2J"}
    assert told == {"7": [use]}
    (root / made.META).write_bytes(b"x")
    assert gather(str(root / made.OVERLAYFS / below), ["owners"])["owners"] is None


def test_a_place_without_a_store_has_no_owners(tmp_path):
    assert owners(tmp_path / "none") == {}
