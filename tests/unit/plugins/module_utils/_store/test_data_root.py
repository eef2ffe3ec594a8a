# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.data_root import (
    graph_driver_directory,
    trace_of_engine,
)


@pytest.mark.parametrize(
    ("beside", "engine"),
    [
        ("image/overlay2/repositories.json", "docker"),
        ("engine-id", "docker"),
        ("containers/c0ffee/config.v2.json", "docker"),
        ("overlay-images/images.json", "containers-storage"),
        ("containers/other", None),
        ("image/vfs", None),
    ],
)
def test_a_data_root_without_records_of_layers_is_still_its_engines(tmp_path, beside, engine):
    (tmp_path / beside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / beside).touch()
    found = trace_of_engine(str(tmp_path / "[overlay2]"))
    assert (found[0] if found else None) == engine


@pytest.mark.parametrize(
    ("beside", "home", "taken"),
    [
        (["engine-id"], "overlay2", "overlay2"),
        (["buildkit/"], "overlay2", "overlay2"),
        (["containerd/daemon/"], "overlay2", "overlay2"),
        (["engine-id"], "overlay2/mine", "overlay2"),
        (["engine-id"], "btrfs", "btrfs"),
        (["engine-id"], "mine", None),
        ([], "overlay2", None),
        (["engine-id", "image/overlay2/layerdb/"], "overlay2", None),
        (["containerd/io.containerd.metadata.v1.bolt/"], "overlay2", None),
        (["buildkit/runc-overlayfs/", "buildkit/buildkitd.lock"], "overlay2", None),
    ],
)
def test_dockerd_would_take_it_for_a_graph_drivers(tmp_path, beside, home, taken):
    for name in beside:
        (tmp_path / name).mkdir(parents=True) if name.endswith("/") else (tmp_path / name).touch()
    assert graph_driver_directory(str(tmp_path / home)) == (taken and str(tmp_path / taken))


@pytest.mark.root
def test_dockerd_would_take_it_by_whatever_path(tmp_path):
    docker, other = tmp_path / "docker", tmp_path / "other"
    for directory in (docker / "overlay2", other):
        directory.mkdir(parents=True)
    (docker / "engine-id").touch()
    subprocess.run(["mount", "--bind", docker / "overlay2", other], check=True)
    try:
        for home in ("other", "other/mine"):
            assert os.path.samefile(graph_driver_directory(str(tmp_path / home)), docker / "overlay2")
    finally:
        subprocess.run(["umount", other], check=True)
