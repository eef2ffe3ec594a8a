# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layerdb that has lost records: what an image or a container needs is no orphan."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine_records import orphans, references
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles

BASE, TOP, JOB, ORPHAN = (letter * 64 for letter in "abcd")
DIFFS = ["sha256:" + "1" * 64, "sha256:" + "2" * 64]
SECOND = hashlib.sha256(" ".join(DIFFS).encode()).hexdigest()
LAYERDB = "image/overlay2/layerdb"
IMAGE = f"image/overlay2/imagedb/content/sha256/{'e' * 64}"
CONTAINER = f"containers/{'f' * 64}"
ENTRY = f"{LAYERDB}/mounts/{'f' * 64}"


def write(root, path, content):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def root(tmp_path):
    """Docker's data root: an image of two layers, a container, and an orphan."""
    home = tmp_path / "overlay2"
    (home / "l").mkdir(parents=True)
    lowers: tuple[str, ...] = ()
    for id in (BASE, TOP, JOB, f"{JOB}-init", ORPHAN):
        new = staging.NewLayer(id, staging.new_link(), () if id == ORPHAN else lowers, False)
        room = staging.Staging(str(home))
        staging.stage_layer(room.path, new)
        staging.publish_layer(str(home), room.path, new)
        room.close()
        lowers = (new.link, *lowers)
    write(tmp_path, f"{LAYERDB}/sha256/{'1' * 64}/cache-id", BASE)
    write(tmp_path, f"{LAYERDB}/sha256/{SECOND}/cache-id", TOP)
    write(tmp_path, f"{LAYERDB}/sha256/{SECOND}/parent", DIFFS[0])
    write(tmp_path, f"{ENTRY}/mount-id", JOB)
    write(tmp_path, f"{ENTRY}/init-id", f"{JOB}-init")
    write(tmp_path, f"{ENTRY}/parent", f"sha256:{SECOND}")
    write(tmp_path, IMAGE, {"rootfs": {"type": "layers", "diff_ids": DIFFS}})
    write(tmp_path, f"{CONTAINER}/config.v2.json", {"Driver": "overlay2", "State": {"Dead": False}})
    return tmp_path


def unknown(root):
    store = LayerFiles(str(root / "overlay2"))
    return orphans(store, references(store, "docker"))


def lose_container_record(root):
    shutil.rmtree(root / ENTRY)


def lose_all_container_records(root):
    shutil.rmtree(root / LAYERDB / "mounts")


def lose_image_record(root):
    shutil.rmtree(root / CONTAINER)
    shutil.rmtree(root / ENTRY)
    shutil.rmtree(root / LAYERDB / "sha256" / SECOND)


def lose_all(root):
    shutil.rmtree(root / LAYERDB)
    (root / LAYERDB).mkdir()


def test_a_whole_layerdb_tells_the_orphan(root):
    assert unknown(root) == [ORPHAN]


@pytest.mark.parametrize(
    ("lose", "needs"),
    [
        (lose_container_record, "container"),
        (lose_all_container_records, "container"),
        (lose_image_record, "image"),
        (lose_all, "image"),
    ],
)
def test_a_lost_record_that_an_image_or_a_container_needs_makes_no_orphan(root, lose, needs):
    lose(root)
    with pytest.raises(StoreCorrupt, match=f"it is missing, and the {needs} .* needs it") as error:
        unknown(root)
    assert ("docker rmi" if needs == "image" else "docker rm ") in error.value.hint
    assert "stop docker and remove" in error.value.hint


@pytest.mark.parametrize("path", [IMAGE, f"{CONTAINER}/config.v2.json"])
@pytest.mark.parametrize("text", ["", "\0" * 40, "[]", '{"rootfs', "[" * 99999])
def test_a_torn_record_of_an_image_or_of_a_container_without_layerdb_makes_no_orphan(root, path, text):
    lose_container_record(root)
    write(root, path, text)
    with pytest.raises(StoreCorrupt, match="it is empty, cut off or overwritten"):
        unknown(root)


@pytest.mark.parametrize(
    "config",
    [
        {"Driver": "overlayfs"},
        {"Driver": "overlay2", "State": {"Dead": True}},
        {"Driver": "overlay2", "State": {"RemovalInProgress": True}},
    ],
)
def test_a_container_that_docker_removes_or_that_lies_in_another_store_needs_no_record(root, config):
    lose_container_record(root)
    write(root, f"{CONTAINER}/config.v2.json", config)
    assert unknown(root) == [JOB, f"{JOB}-init", ORPHAN]


def test_the_directory_of_a_container_without_configuration_needs_no_record(root):
    lose_container_record(root)
    (root / CONTAINER / "config.v2.json").unlink()
    assert unknown(root) == [JOB, f"{JOB}-init", ORPHAN]
