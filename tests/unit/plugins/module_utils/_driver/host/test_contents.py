# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import contents as contents_module
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.contents import contents_of, lost_with
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.places import Place
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.state import Found
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written

DOCKER = Found("docker", "overlay2", "overlay2")
STORAGE = Found("containers-storage", "overlay", "overlay")


@pytest.fixture
def root(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def contents(root, found, owner=0):
    return contents_of(Place(root, "/x", owner), found)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_layers_of_docker_have_a_record_of_their_size(root, tmp_path):
    for name, size in (("a", "100"), ("b", "20")):
        (tmp_path / "overlay2" / name).mkdir(parents=True)
        write(tmp_path / f"image/overlay2/layerdb/sha256/{name}/size", size)
    (tmp_path / "overlay2/l").mkdir()
    (tmp_path / "image/overlay2/layerdb/sha256/half").mkdir()
    found = contents(root, DOCKER)
    assert (found.layers, found.bytes, found.unneeded, list(found.problems)) == (2, 120, [], [])
    write(tmp_path / "image/overlay2/layerdb/sha256/b/size", "many")
    found = contents(root, DOCKER)
    assert (found.layers, found.bytes) == (2, None)
    assert "a size that is not a number" in found.problems[0]


def test_what_goes_with_a_store_of_docker_is_counted(root, tmp_path):
    assert lost_with(root, DOCKER) == []
    for number in range(2):
        write(tmp_path / f"image/overlay2/imagedb/content/sha256/{number}", "{}")
    for name, driver in (("a", "overlay2"), ("b", "overlayfs")):
        write(tmp_path / f"containers/{name}/config.v2.json", json.dumps({"Driver": driver}))
    write(tmp_path / "containers/c/config.v2.json", "{")
    assert lost_with(root, DOCKER) == ["1 container", "2 images"]


def test_the_layers_of_podman_have_a_record_of_their_size(root, tmp_path):
    path = tmp_path / "overlay-layers/layers.json"
    assert contents(root, STORAGE)[:2] == (0, 0)
    write(path, json.dumps([{"id": "a", "diff-size": 5}, {"id": "b"}]))
    assert contents(root, STORAGE)[:2] == (2, 5)
    write(path, "null")
    assert contents(root, STORAGE)[:2] == (0, 0)
    write(path, json.dumps([{"diff-size": "many"}]))
    assert contents(root, STORAGE)[:2] == (1, None)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[null]", "[" * 100_000, '{"a": 1}'])
def test_records_of_podman_in_another_form_are_a_problem(root, tmp_path, text):
    write(tmp_path / "overlay-layers/layers.json", text)
    found = contents(root, STORAGE)
    assert (found.layers, found.unneeded) == (None, None)
    assert "not in the format of containers-storage" in found.problems[0]


def test_the_snapshots_of_buildkit_have_a_record_of_their_size(root, tmp_path):
    path = tmp_path / "runc-overlayfs/snapshots/metadata.db"
    path.parent.mkdir(parents=True)
    records = {b"buildkit/1/a": made.record(1, size=70), b"buildkit/2/b": made.record(2, 2, size=None)}
    path.write_bytes(written({b"v1": {b"snapshots": records}}))
    found = Found("buildkit", "overlayfs", "runc-overlayfs/snapshots")
    assert contents(root, found)[:2] == (2, 70)
    path.write_bytes(b"x")
    assert "not a bbolt database" in contents(root, found).problems[0]


@pytest.mark.parametrize("engine", ["strata", None])
def test_the_layers_of_other_stores_are_counted(root, tmp_path, engine):
    for name in ("l", "a", "b", ".staging"):
        (tmp_path / name).mkdir()
    assert contents(root, Found(engine, "overlay2", "."))[:2] == (2, None)


def test_what_is_a_symlink_or_a_fifo_is_a_problem_and_not_read(root, tmp_path):
    (tmp_path / "overlay-layers").mkdir()
    (tmp_path / "overlay-layers/layers.json").symlink_to("/etc/passwd")
    assert "symbolic" in contents(root, STORAGE).problems[0]
    (tmp_path / "overlay-layers/layers.json").unlink()
    os.mkfifo(tmp_path / "overlay-layers/layers.json")
    assert "not in the format" in contents(root, STORAGE).problems[0]


def test_large_records_of_a_user_are_not_read(root, tmp_path, monkeypatch):
    path = tmp_path / "overlay-layers/layers.json"
    write(path, "[]" + " " * (5 << 20))
    assert contents(root, STORAGE).layers == 0
    assert contents(root, STORAGE, 12345).layers is None
    write(path, '[{"diff-size": ' + "9" * 100_000 + "}]")
    assert "is too large, or not in the format" in contents(root, STORAGE).problems[0]
    found = Found("buildkit", "overlayfs", "runc-overlayfs/snapshots")
    (tmp_path / found.below).mkdir(parents=True)
    (tmp_path / found.below / "metadata.db").write_bytes(written({b"v1": {b"snapshots": {}}}))
    assert contents(root, found, 12345).layers == 0
    monkeypatch.setattr(contents_module, "_DATABASE_OF_A_USER", 4096)
    assert contents(root, found).layers == 0
    assert "at most 4096 are read" in contents(root, found, 12345).problems[0]
