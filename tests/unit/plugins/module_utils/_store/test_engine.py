# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ParentMismatch, StoreForeign
from ansible_collections.strata.overlay2.plugins.module_utils._store import engine as foreign
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine import (
    SOMEBODY,
    find_engine,
    managed_by,
    refusing,
    store_foreign_error,
)


@pytest.mark.parametrize(
    ("beside", "engine"),
    [
        ("image/overlay2/layerdb", "docker"),
        ("overlay-layers", "containers-storage"),
        ("image/overlay2", None),
        ("image/vfs/layerdb", None),
    ],
)
def test_the_records_beside_home_tell(tmp_path, beside, engine):
    (tmp_path / beside).mkdir(parents=True)
    assert managed_by(str(tmp_path / "overlay2")) == engine


def test_the_error_names_whose_it_is():
    error = store_foreign_error("/s", "docker", "unmount layers")
    assert str(error) == "cannot unmount layers: the store at /s belongs to docker"
    assert error.details["managed_by"] == "docker"


def test_a_store_that_somebody_made_can_be_taken_over():
    error = store_foreign_error("/s", SOMEBODY, "unmount layers")
    assert str(error).startswith("cannot unmount layers: the store at /s was made by somebody else: it has layers")
    assert "adopt: true" in error.hint
    assert error.details["managed_by"] is None


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


@pytest.fixture
def docker(tmp_path):
    """A data root with records and an empty store; what is mounted below goes after the test."""
    root = tmp_path / "docker"
    for name in ("image/overlay2/layerdb", "overlay2"):
        (root / name).mkdir(parents=True)
    (tmp_path / "other").mkdir()
    yield root
    subprocess.run(["umount", "--recursive", "--quiet", tmp_path / "other"], check=False)
    subprocess.run(["umount", "--recursive", "--quiet", root], check=False)
    subprocess.run(["umount", "--recursive", "--quiet", root / "overlay2"], check=False)


@pytest.mark.root
@pytest.mark.parametrize("hidden", [False, True])
def test_a_bind_mount_hides_no_records(docker, tmp_path, hidden):
    mount("--bind", docker / "overlay2", tmp_path / "other")
    if hidden:
        mount("-t", "tmpfs", "tmpfs", docker / "overlay2")
    found = find_engine(str(tmp_path / "other"))
    # The root of the test itself may be seen at more than one place.
    assert found is not None and found.name == "docker" and os.path.samefile(found.root, docker)
    assert os.path.dirname(found.home) == found.root and os.path.basename(found.home) == "overlay2"


@pytest.mark.root
def test_a_home_with_a_filesystem_of_its_own_has_records_at_the_other_mount(docker, tmp_path):
    mount("-t", "tmpfs", "tmpfs", docker / "overlay2")
    mount("--bind", docker / "overlay2", tmp_path / "other")
    assert managed_by(str(tmp_path / "other")) == "docker"
    (tmp_path / "other/below").mkdir()
    assert managed_by(str(tmp_path / "other/below")) is None


@pytest.mark.root
def test_a_subvolume_hides_no_records(loop_filesystem, tmp_path):
    top = loop_filesystem("btrfs")
    subprocess.run(["btrfs", "subvolume", "create", top / "docker"], check=True, capture_output=True)
    for name in ("overlay-layers", "overlay"):
        (top / "docker" / name).mkdir()
    subprocess.run(["btrfs", "subvolume", "create", top / "docker/overlay/sub"], check=True, capture_output=True)
    for place, name in (("one", "docker"), ("two", "docker/overlay")):
        (tmp_path / place).mkdir()
        mount("--bind", top / name, tmp_path / place)
    device = subprocess.run(
        ["findmnt", "-no", "SOURCE", top], check=True, capture_output=True, text=True
    ).stdout.strip()
    (tmp_path / "three").mkdir()
    mount("-o", "subvol=docker", device, tmp_path / "three")
    try:
        for home in ("one/overlay", "two", "three/overlay"):
            assert managed_by(str(tmp_path / home)) == "containers-storage", home
        assert managed_by(str(tmp_path / "two/sub")) is None
    finally:
        for place in ("one", "two", "three"):
            subprocess.run(["umount", tmp_path / place], check=True)


def test_a_symlink_in_the_usual_place_leads_to_the_store(docker, tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (docker / "overlay2").rmdir()
    (docker / "overlay2").symlink_to(tmp_path / "disk")
    monkeypatch.setattr(foreign, "_USUAL_HOMES", (str(docker / "overlay2"),))
    assert managed_by(str(tmp_path / "disk")) == "docker"


@pytest.mark.parametrize(
    ("there", "home", "known"),
    [
        (["metadata.db", "snapshots/"], "", True),
        (["metadata.db", "snapshots/"], "snapshots", True),
        (["metadata.db", "snapshots/", "l/"], "", False),
        (["metadata.db", "snapshots/l/"], "snapshots", False),
        (["metadata.db/", "snapshots/"], "", False),
        (["snapshots/"], "snapshots", False),
        (["metadata.db"], "", False),
    ],
)
def test_containerd_is_known_by_what_it_has(tmp_path, there, home, known):
    for name in there:
        (tmp_path / name).mkdir(parents=True) if name.endswith("/") else (tmp_path / name).touch()
    assert managed_by(str(tmp_path / home)) == ("containerd" if known else None)


def test_a_refusal_in_a_store_of_an_engine_says_whose_it_is():
    for engine, kind in ((None, ParentMismatch), ("docker", StoreForeign)):
        with pytest.raises(kind) as raised, refusing("/s", engine, "make or change layers"):
            raise ParentMismatch("layer a is on b", hint="use another id")
    assert str(raised.value).startswith("cannot make or change layers: the store at /s belongs to docker")
