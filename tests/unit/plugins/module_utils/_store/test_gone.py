# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.gone import gone_layers
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles

FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CHAIN = hashlib.sha256(f"{FIRST} {SECOND}".encode()).hexdigest()

AWAY = "f" * 64


@pytest.fixture
def root(tmp_path):
    for name in ("overlay2/l", "overlay2/here/diff"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def look(root, engine="docker"):
    return list(gone_layers(LayerFiles(str(root / "overlay2")), engine))


def test_what_is_there_is_not_gone(root):
    write(root / f"image/overlay2/layerdb/sha256/{CHAIN}/cache-id", "here")
    assert look(root) == []


def test_the_images_are_named_that_need_a_layer(root):
    layerdb = root / "image/overlay2/layerdb/sha256"
    write(layerdb / FIRST[7:] / "cache-id", AWAY)
    for image, diff_ids in (("a" * 64, [FIRST, SECOND]), ("b" * 64, [FIRST]), ("c" * 64, [SECOND])):
        write(root / "image/overlay2/imagedb/content/sha256" / image, {"rootfs": {"diff_ids": diff_ids}})
    write(root / "image/overlay2/repositories.json", {"Repositories": {"web": {"web:1": "sha256:" + "a" * 64}}})
    (found,) = look(root)
    assert (found.layer, found.record) == (AWAY, f"image/overlay2/layerdb/sha256/{FIRST[7:]}/cache-id")
    assert [(user.id, user.name) for user in found.users] == [
        ("sha256:" + "a" * 64, "web:1"),
        ("sha256:" + "b" * 64, ""),
    ]
    assert found.command == f"docker rmi -f web:1 && docker rmi -f sha256:{'b' * 64}"


def test_a_chain_id_is_that_of_the_layers_below_too(root):
    write(root / f"image/overlay2/layerdb/sha256/{CHAIN}/cache-id", AWAY)
    write(root / f"image/overlay2/imagedb/content/sha256/{'a' * 64}", {"rootfs": {"diff_ids": [FIRST, SECOND]}})
    assert [user.id for user in look(root)[0].users] == ["sha256:" + "a" * 64]


@pytest.mark.parametrize("file", ["mount-id", "init-id"])
def test_the_container_is_named_that_needs_a_layer(root, file):
    init = file == "init-id"  # the container's own layer is there
    write(root / "image/overlay2/layerdb/mounts/c1/mount-id", "here" if init else AWAY)
    if init:
        write(root / f"image/overlay2/layerdb/mounts/c1/{file}", "here-init")
    write(root / "containers/c1/config.v2.json", {"Name": "/web"})
    (found,) = look(root)
    assert found.needed_by == ": container web, c1 cannot be used" and found.command == "docker rm -f web"


def test_what_is_just_recorded_or_removed_does_not_count(root):
    write(root / "image/overlay2/layerdb/tmp/write-set-1/cache-id", AWAY)
    write(root / f"image/overlay2/layerdb/sha256/{CHAIN}-abc-removing/cache-id", AWAY)
    assert look(root) == []


def test_a_record_that_nothing_needs_is_removed_with_docker_stopped(root):
    write(root / f"image/overlay2/layerdb/sha256/{CHAIN}/cache-id", AWAY)
    (found,) = look(root)
    assert (
        found.stopped and found.users == () and found.command == f"rm -r {root}/image/overlay2/layerdb/sha256/{CHAIN}"
    )


@pytest.mark.parametrize("content", ["", "[", "[1]", '{"rootfs": 1}', '{"rootfs": {"diff_ids": [1]}}', "null"])
def test_names_are_left_out_where_they_cannot_be_read(root, content):
    write(root / f"image/overlay2/layerdb/sha256/{CHAIN}/cache-id", AWAY)
    for path in ("repositories.json", f"imagedb/content/sha256/{'a' * 64}"):
        write(root / "image/overlay2" / path, content)
    assert [found.users for found in look(root)] == [()]


def test_containers_storage_tells_what_needs_a_layer_through_those_above_it(root):
    layers = [{"id": AWAY}, {"id": "here", "parent": AWAY}, {"id": "half", "flags": {"incomplete": True}}]
    write(root / "overlay-layers/layers.json", layers)
    write(root / "overlay-images/images.json", [{"id": "i1", "names": ["localhost/a:1"], "layer": AWAY}])
    write(root / "overlay-containers/containers.json", [{"id": "c1", "names": ["web"], "layer": "here"}, {"id": "c2"}])
    (found,) = look(root, "containers-storage")
    assert (found.layer, found.record) == (AWAY, "overlay-layers/layers.json")
    assert found.command == "podman rm -f web && podman rmi -f localhost/a:1"


def test_a_layer_of_an_additional_store_is_not_gone(root):
    """Images and parents may lie in another store, which this one's list of layers does not name."""
    write(root / "overlay-layers/layers.json", [{"id": "here", "parent": "in-the-other-store"}])
    write(root / "overlay-images/images.json", [{"id": "i1", "layer": "in-the-other-store"}])
    assert look(root, "containers-storage") == []
