# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of whole images are not layers."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHAR
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    member,
    reader,
    symlink,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

HEX = "0123456789abcdef" * 4


def as_json(value):
    return json.dumps(value).encode()


def blob(content=b"x"):
    return member(f"blobs/sha256/{HEX}", body=content)


MANIFEST = as_json([{"Config": f"{HEX}.json", "RepoTags": None, "Layers": [f"{HEX}/layer.tar"]}])
NEW_MANIFEST = as_json([{"Config": f"blobs/sha256/{HEX}", "Layers": [f"blobs/sha256/{HEX}"]}])
LAYOUT = as_json({"imageLayoutVersion": "1.0.0"})
IMAGES = {
    "docker save": [
        directory(f"{HEX}/"),
        member(f"{HEX}/VERSION", body=b"1.0"),
        member(f"{HEX}/layer.tar", body=archive(member("f"))),
        member(f"{HEX}.json", body=b"{}"),
        member("manifest.json", body=MANIFEST),
        member("repositories", body=b"{}"),
    ],
    "docker save, since 25": [
        blob(),
        member("index.json", body=b"{}"),
        member("manifest.json", body=NEW_MANIFEST),
        member("oci-layout", body=LAYOUT),
    ],
    "podman save": [
        member(f"{HEX}.tar"),
        member(f"{HEX}.json"),
        symlink(f"{HEX}/layer.tar", f"../{HEX}.tar"),
        member("manifest.json", body=as_json([{"Config": f"{HEX}.json", "Layers": [f"{HEX}.tar"]}])),
    ],
    "an OCI archive": [member("./oci-layout", body=LAYOUT), member("./index.json", body=b"{}"), blob()],
}
LAYERS = {
    "another manifest": [member("manifest.json", body=as_json({"name": "a web application"}))],
    "another list": [member("manifest.json", body=as_json([{"name": "x"}]))],
    "text": [member("manifest.json", body=b"Config, Layers"), member("oci-layout", body=b"\xff")],
    "deep": [member("manifest.json", body=b"[" * 100_000)],
    "an image's manifest alone": [member("manifest.json", body=MANIFEST)],
    "names that lead out": [member("manifest.json", body=as_json([{"Config": "../x", "Layers": []}]))],
    "strange names": [
        member("manifest.json", body=as_json([{"Config": "\udc00\0", "Layers": []}])),
        directory("oci-layout/"),
    ],
    "a layout without an image": [member("oci-layout", body=LAYOUT), directory("blobs/")],
    "an image in a directory": [directory("srv/"), member("srv/oci-layout", body=LAYOUT), member("srv/index.json")],
    "a device": [member("manifest.json", CHAR, major=1, minor=5), symlink("oci-layout", "/dev/zero")],
    "a deleted one": [member(".wh.manifest.json"), member(".wh.oci-layout")],
}


@pytest.mark.parametrize("is_merged", [False, True])
@pytest.mark.parametrize("name", IMAGES)
def test_images_are_refused(tmp_path, name, is_merged):
    if is_merged:
        (tmp_path / "old").touch()
    with pytest.raises(ArchiveRejected, match=r"^archive entry (manifest\.json|oci-layout): .* not a layer$") as caught:
        apply_layer(reader(archive(*IMAGES[name])), str(tmp_path))
    assert "tar -xOf ARCHIVE LAYER > layer.tar" in caught.value.hint
    assert "overlay2_image" not in caught.value.hint


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_taken(tmp_path, name):
    assert apply_layer(reader(archive(*LAYERS[name])), str(tmp_path)).entries == len(LAYERS[name])


@pytest.mark.parametrize("name", IMAGES)
def test_a_layer_over_what_looks_like_an_image_is_taken(tmp_path, name):
    with pytest.raises(ArchiveRejected):
        apply_layer(reader(archive(*IMAGES[name])), str(tmp_path))
    apply_layer(reader(archive(member("f"))), str(tmp_path))
