# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import engine_records, staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.tests.bolt import Writer, meta_page

CHAIN = "image/overlay2/layerdb/sha256/" + "c" * 64
CONTAINER = "image/overlay2/layerdb/mounts/" + "d" * 64
HALF_DONE = "image/overlay2/layerdb/tmp/write-set-1"
IMAGE = "image/overlay2/imagedb/content/sha256/" + "e" * 64
DATABASE = "buildkit/snapshots.db"


def make_layers(home, *chains):
    """Make layers, each of *chains* from its base up."""
    (home / "l").mkdir(parents=True)
    for chain in chains:
        lowers = ()
        for layer_id in chain:
            new = staging.NewLayer(layer_id, staging.new_link(), lowers, False)
            room = staging.Staging(str(home))
            staging.stage_layer(room.path, new)
            staging.publish_layer(str(home), room.path, new)
            room.close()
            lowers = (new.link, *lowers)


def database(content=b""):
    """Return a database of bbolt's, as far as anyone looks: two meta pages, then *content*."""
    return meta_page(0, 1, 2, 3) + meta_page(1, 2, 2, 3) + content.ljust(4096, b"\0")


def make_more(home, layer_id):
    """Make one more layer, without parent."""
    new = staging.NewLayer(layer_id, staging.new_link(), (), False)
    room = staging.Staging(str(home))
    staging.stage_layer(room.path, new)
    staging.publish_layer(str(home), room.path, new)
    room.close()


def write(root, path, content):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())


def unknown(home, engine):
    store = LayerFiles(str(home))
    return engine_records.orphans(store, engine_records.references(store, engine))


@pytest.fixture
def docker(tmp_path):
    """Docker's data root with base <- app <- app-2 and lone, of which its records know none."""
    make_layers(tmp_path / "overlay2", ["base", "app", "app-2"], ["lone"])
    (tmp_path / "image/overlay2/layerdb").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "content", "orphans"),
    [
        pytest.param(f"{CHAIN}/cache-id", "base", ["app", "app-2", "lone"], id="an image's layer"),
        pytest.param(f"{CHAIN}/cache-id", "app-2\n", ["lone"], id="and what lies below it"),
        pytest.param(f"{CHAIN}/cache-id", "f" * 64, ["app", "app-2", "base", "lone"], id="a layer that is gone"),
        pytest.param(f"{CHAIN}/cache-id", "z" * 25, ["app", "app-2", "base", "lone"], id="one of BuildKit's, too"),
        pytest.param(f"{CHAIN}-x-removing/cache-id", "app-2", ["lone"], id="one being removed"),
        pytest.param(f"{CONTAINER}/mount-id", "app-2", ["lone"], id="a container's"),
        pytest.param(f"{HALF_DONE}/cache-id", "app-2", ["lone"], id="one that was being recorded"),
        pytest.param(IMAGE, '{"id": "lone"}', ["app", "app-2", "base"], id="a word in an image"),
        pytest.param(DATABASE, database(b"\0\xff=lone=\0"), ["app", "app-2", "base"], id="bytes in a database"),
        pytest.param(DATABASE, database(b"xapp-2x"), ["lone"], id="amid other letters, which is the name of two"),
        pytest.param(DATABASE, database(b"lon\0e"), ["app", "app-2", "base", "lone"], id="an interrupted name"),
        pytest.param("buildkit/snapshots.txt", b"lone", ["app", "app-2", "base", "lone"], id="no database"),
        pytest.param("buildkit/content/a.db", b"lone", ["app", "app-2", "base", "lone"], id="a blob"),
    ],
)
def test_what_docker_s_records_know(docker, path, content, orphans):
    write(docker, path, content)
    assert unknown(docker / "overlay2", "docker") == orphans


def test_a_container_has_two_layers(docker):
    write(docker, f"{CONTAINER}/mount-id", "lone")
    write(docker, f"{CONTAINER}/init-id", "lone-init")
    make_more(docker / "overlay2", "lone-init")
    assert unknown(docker / "overlay2", "docker") == ["app", "app-2", "base"]


@pytest.mark.parametrize("before", range((1 << 20) - 5, (1 << 20) + 2))
def test_a_name_across_two_chunks_is_found(docker, before):
    write(docker, DATABASE, database(b"l" * (before - 8192) + b"lone" + b"e" * (1 << 20)))
    assert "lone" not in unknown(docker / "overlay2", "docker")


def test_the_words_say_which_record_it_is(docker):
    write(docker, f"{CHAIN}/cache-id", "app")
    store = LayerFiles(str(docker / "overlay2"))
    assert engine_records.references(store, "docker") == {
        "app": f"its record {CHAIN}/cache-id names it",
        "base": "layer app, which its records name, is built on it",
    }


def no_cache_id(root):
    write(root, f"{CHAIN}/size", "1")


def empty_cache_id(root):
    write(root, f"{CHAIN}/cache-id", "")


def no_mount_id(root):
    write(root, f"{CONTAINER}/init-id", "app")


def linked_entry(root):
    (root / CHAIN).parent.mkdir(parents=True)
    (root / CHAIN).symlink_to("/nowhere")


def database_that_is_a_directory_s_link(root):
    (root / "buildkit").mkdir()
    (root / DATABASE).symlink_to("../image")


def database_that_is_a_fifo(root):
    (root / "buildkit").mkdir()
    os.mkfifo(root / DATABASE)


def buildkit_that_is_a_file(root):
    write(root, "buildkit", "")


def lower_that_is_empty(root):
    write(root, f"{CHAIN}/cache-id", "app")
    write(root, "overlay2/app/lower", "")


def lower_that_leads_nowhere(root):
    write(root, f"{CHAIN}/cache-id", "app")
    write(root, "overlay2/app/lower", "l/" + "A" * 26)


@pytest.mark.parametrize(
    ("harm", "at"),
    [
        (no_cache_id, f"{CHAIN}/cache-id"),
        (empty_cache_id, f"{CHAIN}/cache-id"),
        (no_mount_id, f"{CONTAINER}/mount-id"),
        (linked_entry, CHAIN),
        (database_that_is_a_directory_s_link, DATABASE),
        (database_that_is_a_fifo, DATABASE),
        (buildkit_that_is_a_file, "buildkit"),
        (lower_that_is_empty, "overlay2/app/lower"),
        (lower_that_leads_nowhere, "overlay2/l/" + "A" * 26),
    ],
)
def test_a_record_that_cannot_be_read_makes_every_layer_a_needed_one(docker, harm, at):
    assert len(unknown(docker / "overlay2", "docker")) == 4
    harm(docker)
    with pytest.raises(StoreCorrupt) as caught:
        unknown(docker / "overlay2", "docker")
    assert caught.value.details["path"] == str(docker / at)


WHOLE = "0123456789abcdef" * 4
TORN = {
    "NULs": b"\0" * 64,
    "half an id": WHOLE[:32].encode(),
    "as long as BuildKit's": WHOLE[:25].encode(),
    "NULs behind half": WHOLE[:32].encode() + b"\0" * 32,
    "NULs behind all": WHOLE.encode() + b"\0",
    "garbage behind": WHOLE.encode() + b"\ngarbage",
    "other bytes": b"\xff" * 64,
    "upper case": WHOLE.upper().encode(),
    "too long": WHOLE.encode() + b"0",
    "a path": b"../" + WHOLE.encode(),
    "space": b" \n",
    "nothing": b"",
}


@pytest.mark.parametrize("content", TORN.values(), ids=TORN)
@pytest.mark.parametrize("record", [f"{CHAIN}/cache-id", f"{CONTAINER}/mount-id", f"{HALF_DONE}/cache-id"])
def test_a_record_that_is_no_whole_id_makes_every_layer_a_needed_one(docker, record, content):
    make_more(docker / "overlay2", WHOLE)
    write(docker, record, WHOLE)
    assert unknown(docker / "overlay2", "docker") == ["app", "app-2", "base", "lone"]
    write(docker, record, content)
    with pytest.raises(StoreCorrupt) as caught:
        unknown(docker / "overlay2", "docker")
    assert caught.value.details["path"] == str(docker / record)


@pytest.mark.parametrize("content", [WHOLE, WHOLE[:60], f"{WHOLE}-ini", "\0" * 69, ""])
def test_an_init_layer_is_called_after_its_container_s(docker, content):
    write(docker, f"{CONTAINER}/mount-id", WHOLE)
    write(docker, f"{CONTAINER}/init-id", f"{WHOLE}-init")
    unknown(docker / "overlay2", "docker")
    write(docker, f"{CONTAINER}/init-id", content)
    with pytest.raises(StoreCorrupt, match="init-id"):
        unknown(docker / "overlay2", "docker")


@pytest.mark.parametrize("content", ["sha256:" + "c" * 63, "\0" * 71, "", "c" * 64, "sha256:" + "d" * 64])
@pytest.mark.parametrize("entry", ["image/overlay2/layerdb/sha256/" + "e" * 64, CONTAINER])
def test_a_parent_that_is_no_chain_with_a_record_makes_every_layer_a_needed_one(docker, entry, content):
    name = "mount-id" if entry == CONTAINER else "cache-id"
    write(docker, f"{CHAIN}/cache-id", "base")
    write(docker, f"{entry}/{name}", "app")
    write(docker, f"{entry}/parent", "sha256:" + "c" * 64)
    assert unknown(docker / "overlay2", "docker") == ["app-2", "lone"]
    write(docker, f"{entry}/parent", content)
    with pytest.raises(StoreCorrupt, match="parent"):
        unknown(docker / "overlay2", "docker")


def test_the_parent_of_what_a_kill_left_may_be_gone(docker):
    for entry in (HALF_DONE, f"{CHAIN}-123-removing"):
        write(docker, f"{entry}/parent", "sha256:" + "d" * 64)
    assert len(unknown(docker / "overlay2", "docker")) == 4


@pytest.mark.parametrize("entry", [CHAIN, CONTAINER])
def test_an_empty_entry_has_a_hint_that_helps(docker, entry):
    (docker / entry).mkdir(parents=True)
    with pytest.raises(StoreCorrupt, match="an empty directory") as caught:
        unknown(docker / "overlay2", "docker")
    assert caught.value.hint == f"stop docker, and remove the empty directory: rmdir {docker / entry}"


@pytest.mark.parametrize("content", [b"", bytes(12288), database()[:5000], database()[:8192], b"x" * 12288])
def test_a_torn_database_makes_every_layer_a_needed_one(docker, content):
    write(docker, DATABASE, database(b"app-2"))
    assert unknown(docker / "overlay2", "docker") == ["lone"]
    write(docker, DATABASE, content)
    with pytest.raises(StoreCorrupt, match=r"snapshots\.db"):
        unknown(docker / "overlay2", "docker")


def test_a_database_with_one_whole_meta_page_is_read(docker):
    write(docker, DATABASE, bytes(4096) + database(b"app-2")[4096:])
    assert unknown(docker / "overlay2", "docker") == ["lone"]


def test_what_only_a_free_page_of_buildkit_s_database_names_may_go(docker):
    writer = Writer()
    writer.commit({b"lone": {b"parent": b""}, b"app-2": {b"parent": b""}})
    writer.commit({b"app-2": {b"parent": b""}})
    write(docker, DATABASE, writer.data())
    assert unknown(docker / "overlay2", "docker") == ["lone"]


def test_the_leavings_of_a_kill_name_nobody(docker):
    (docker / HALF_DONE).mkdir(parents=True)
    (docker / f"{CHAIN}-123-removing").mkdir(parents=True)
    assert len(unknown(docker / "overlay2", "docker")) == 4


def test_other_directories_are_no_orphans(docker):
    (docker / "overlay2/staging/12").mkdir(parents=True)
    (docker / "overlay2/cut-short/diff").mkdir(parents=True)
    assert unknown(docker / "overlay2", "docker") == ["app", "app-2", "base", "cut-short", "lone"]


@pytest.fixture
def containers_storage(tmp_path):
    """The root of containers-storage with base <- app <- job and lone, of which it knows none."""
    make_layers(tmp_path / "overlay", ["base", "app", "job"], ["lone"])
    write(tmp_path, "overlay-layers/layers.json", "[]")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "content", "orphans"),
    [
        ("overlay-layers/layers.json", [{"id": "app", "parent": "base"}], ["job", "lone"]),
        ("overlay-layers/volatile-layers.json", [{"id": "job"}], ["lone"]),
        ("overlay-images/images.json", [{"id": "i", "layer": "app"}], ["job", "lone"]),
        ("overlay-images/images.json", [{"id": "i", "mapped-layers": ["lone"]}], ["app", "base", "job"]),
        ("overlay-containers/containers.json", [{"id": "c", "layer": "job"}], ["lone"]),
        ("overlay-containers/volatile-containers.json", [{"id": "c", "layer": "job"}], ["lone"]),
        ("overlay-containers/containers.json", None, ["app", "base", "job", "lone"]),
        ("overlay-images/images.json", [{"id": "lone"}], ["app", "base", "job", "lone"]),
        ("overlay-layers/layers.json", [{"id": "gone"}], ["app", "base", "job", "lone"]),
    ],
)
def test_what_the_records_of_containers_storage_know(containers_storage, path, content, orphans):
    write(containers_storage, path, json.dumps(content))
    assert unknown(containers_storage / "overlay", "containers-storage") == orphans


@pytest.mark.parametrize("name", ["overlay-layers/layers.json", "overlay-images/images.json"])
@pytest.mark.parametrize("content", ["", "[", '{"id": "app"}', '["app"]'])
def test_torn_json_makes_every_layer_a_needed_one(containers_storage, name, content):
    write(containers_storage, name, content)
    with pytest.raises(StoreCorrupt, match=name):
        unknown(containers_storage / "overlay", "containers-storage")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("overlay-layers/layers.json", [{"parent": "base"}]),
        ("overlay-layers/layers.json", [{"id": ""}]),
        ("overlay-layers/layers.json", [{"id": "\0\0\0"}]),
        ("overlay-layers/volatile-layers.json", [{"id": 7}]),
        ("overlay-images/images.json", [{"layer": "../app"}]),
        ("overlay-images/images.json", [{"mapped-layers": "lone"}, {"mapped-layers": [None]}]),
        ("overlay-containers/containers.json", [{"id": "lone", "layer": "a/b"}]),
    ],
)
def test_an_id_that_is_none_makes_every_layer_a_needed_one(containers_storage, path, content):
    write(containers_storage, path, json.dumps(content))
    with pytest.raises(StoreCorrupt, match=path):
        unknown(containers_storage / "overlay", "containers-storage")


def test_a_lost_list_of_layers_makes_every_layer_a_needed_one(containers_storage):
    (containers_storage / "overlay-layers/layers.json").unlink()
    with pytest.raises(StoreCorrupt, match=r"layers\.json"):
        unknown(containers_storage / "overlay", "containers-storage")
