# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.recognize import (
    count_directories,
    inner_roots,
    link_target,
    recognize,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.state import Found


@pytest.fixture
def root(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("paths", "stores"),
    [
        (["overlay2/l/", "image/overlay2/layerdb/"], [Found("docker", "overlay2", "overlay2")]),
        (["vfs/dir/", "image/vfs/layerdb/"], [Found("docker", "vfs", "vfs")]),
        (["overlay2/l/", "engine-id"], [Found("docker", "overlay2", "overlay2")]),
        (["overlay/l/", "overlay-layers/"], [Found("containers-storage", "overlay", "overlay")]),
        (["vfs/dir/", "vfs-layers/"], [Found("containers-storage", "vfs", "vfs")]),
        (["runc-overlayfs/snapshots/snapshots/"], [Found("buildkit", "overlayfs", "runc-overlayfs/snapshots")]),
        (
            ["io.containerd.snapshotter.v1.overlayfs/metadata.db", "io.containerd.snapshotter.v1.native/snapshots/"],
            [Found("containerd", "overlayfs", "io.containerd.snapshotter.v1.overlayfs")],
        ),
        (["metadata.db", "snapshots/"], [Found("containerd", "unknown", ".")]),
        (["metadata.db", "snapshots"], []),
        (["l/", ".strata.json"], [Found("strata", "overlay2", ".")]),
        (["l/"], [Found(None, "overlay2", ".")]),
        (["overlay2/l/"], []),
        (["image/overlay2/layerdb/"], []),
        (["overlay-layers"], []),
        (["l", ".strata.json"], []),
        ([], []),
    ],
)
def test_a_store_is_told_by_the_names_in_its_data_root(root, tmp_path, paths, stores):
    for path in paths:
        place = tmp_path / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.write_text("")
    assert recognize(root) == stores


def test_a_symlink_makes_no_store_but_in_place_of_dockers_directory(root, tmp_path):
    (tmp_path / "real/overlay2").mkdir(parents=True)
    (tmp_path / "real/layers").mkdir()
    (tmp_path / "engine-id").write_text("")
    for name, target in (("overlay2", "real/overlay2"), ("overlay-layers", "real/layers"), ("l", "real")):
        (tmp_path / name).symlink_to(target)
    assert recognize(root) == [Found("docker", "overlay2", "overlay2")]
    assert (link_target(root, "overlay2"), link_target(root, "engine-id")) == ("real/overlay2", "")


def test_the_data_roots_in_dockers_are_named(root, tmp_path):
    for name in ("100000.100000", "overlay2", "1.x"):
        (tmp_path / name).mkdir()
    assert inner_roots(root) == ["100000.100000", "containerd/daemon"]


def test_only_directories_are_counted(root, tmp_path):
    for name in ("a/b", "c", "l"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("a")
    assert count_directories(root, ".", ("l",)) == 2
