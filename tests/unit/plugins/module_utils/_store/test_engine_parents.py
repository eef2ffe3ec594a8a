# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store import engine_parents, storage_records
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine_parents import RecordedChains
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles

LAYERDB = "image/overlay2/layerdb"
BASE, APP, TOP, RUN, BUILT = "a" * 64, "b" * 64, "c" * 64, "d" * 64, "z" * 25
CONTAINER = f"{LAYERDB}/mounts/{'e' * 64}"


def digest(text):
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


CHAINS = [digest("base")]
for name in ("app", "top"):
    CHAINS.append(digest(f"{CHAINS[-1]} {digest(name)}"))


def write(root, path, content):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())


def entry(chain):
    return f"{LAYERDB}/{chain.replace(':', '/')}"


def record(root, chain, layer, name, parent=""):
    """Record an image's layer as dockerd does."""
    write(root, f"{entry(chain)}/cache-id", layer)
    write(root, f"{entry(chain)}/diff", digest(name))
    write(root, f"{entry(chain)}/size", "1")
    if parent:
        write(root, f"{entry(chain)}/parent", parent)


def make(home, *ids):
    """Make directories that are layers; nothing but the ids counts here."""
    for id in ids:
        (home / id / "diff").mkdir(parents=True)


def said(home, engine):
    return engine_parents.recorded_chains(LayerFiles(str(home)), engine)


@pytest.fixture
def docker(tmp_path):
    """Docker's data root with an image of base <- app <- top, and a container of that."""
    make(tmp_path / "overlay2", BASE, APP, TOP, RUN, f"{RUN}-init")
    record(tmp_path, CHAINS[0], BASE, "base")
    record(tmp_path, CHAINS[1], APP, "app", CHAINS[0])
    record(tmp_path, CHAINS[2], TOP, "top", CHAINS[1])
    write(tmp_path, f"{CONTAINER}/mount-id", RUN)
    write(tmp_path, f"{CONTAINER}/init-id", f"{RUN}-init")
    write(tmp_path, f"{CONTAINER}/parent", CHAINS[2])
    return tmp_path


DOCKER = {BASE: "", APP: BASE, TOP: APP, f"{RUN}-init": TOP, RUN: f"{RUN}-init"}


def test_docker_records_the_parents_of_images_and_containers_and_seals_what_has_a_layer_on_it(docker):
    assert said(docker / "overlay2", "docker") == (DOCKER, {BASE, APP, TOP, f"{RUN}-init"}, ())


def test_a_layer_that_is_gone_is_a_parent_and_has_none(docker):
    (docker / "overlay2" / APP / "diff").rmdir()
    (docker / "overlay2" / APP).rmdir()
    found = said(docker / "overlay2", "docker")
    assert found.parents == {id: parent for id, parent in DOCKER.items() if id != APP}
    assert found.sealed == {BASE, TOP, f"{RUN}-init"} - {BASE}


class Harm(t.NamedTuple):
    """What is written at a path, None for nothing, and the layers that have no recorded parent then."""

    path: str
    content: bytes | None
    lost: t.Collection[str]
    unread: t.Collection[str] = ("",)


def cut(text):
    return text.encode()[: len(text) // 2]


HARMS = {
    "NULs for a directory": Harm(f"{entry(CHAINS[1])}/cache-id", bytes(64), {APP, TOP}),
    "half a directory": Harm(f"{entry(CHAINS[1])}/cache-id", cut(APP), {APP, TOP}),
    "as much as an id of BuildKit": Harm(f"{entry(CHAINS[1])}/cache-id", APP[:25].encode(), {APP, TOP}),
    "no directory": Harm(f"{entry(CHAINS[1])}/cache-id", None, {APP, TOP}),
    "a lost parent": Harm(f"{entry(CHAINS[1])}/parent", None, {APP, TOP}, [f"{entry(CHAINS[1])}/diff"]),
    "NULs for a parent": Harm(f"{entry(CHAINS[1])}/parent", bytes(71), {APP, TOP}),
    "half a parent": Harm(f"{entry(CHAINS[1])}/parent", cut(CHAINS[0]), {APP, TOP}),
    "another chain's parent": Harm(
        f"{entry(CHAINS[1])}/parent", CHAINS[2].encode(), {APP, TOP}, [f"{entry(CHAINS[1])}/diff"]
    ),
    "itself as parent": Harm(
        f"{entry(CHAINS[1])}/parent", CHAINS[1].encode(), {APP, TOP}, [f"{entry(CHAINS[1])}/diff"]
    ),
    "a parent without record": Harm(f"{entry(CHAINS[1])}/parent", digest("x").encode(), {APP, TOP}),
    "a parent for the base": Harm(
        f"{entry(CHAINS[0])}/parent", CHAINS[1].encode(), {BASE, APP}, [f"{entry(CHAINS[0])}/diff"]
    ),
    "another diff id": Harm(f"{entry(CHAINS[1])}/diff", digest("x").encode(), {APP, TOP}),
    "half a diff id": Harm(f"{entry(CHAINS[1])}/diff", cut(CHAINS[1]), {APP, TOP}),
    "no diff id": Harm(f"{entry(CHAINS[1])}/diff", None, {APP, TOP}),
    "NULs for the base's diff id": Harm(f"{entry(CHAINS[0])}/diff", bytes(71), {BASE, APP}),
    "the directory of another": Harm(f"{entry(CHAINS[1])}/cache-id", BASE.encode(), {BASE, APP, TOP}, ()),
    "a container's directory": Harm(f"{entry(CHAINS[1])}/cache-id", RUN.encode(), {APP, TOP, RUN}, ()),
    "NULs for a container": Harm(f"{CONTAINER}/mount-id", bytes(64), {RUN, f"{RUN}-init"}),
    "half a container": Harm(f"{CONTAINER}/mount-id", cut(RUN), {RUN, f"{RUN}-init"}),
    "no container": Harm(f"{CONTAINER}/mount-id", None, {RUN, f"{RUN}-init"}),
    "the container's directory of another": Harm(
        f"{CONTAINER}/mount-id", BASE.encode(), {RUN, f"{RUN}-init"}, [f"{CONTAINER}/init-id"]
    ),
    "half an init layer": Harm(f"{CONTAINER}/init-id", cut(RUN), {RUN, f"{RUN}-init"}),
    "a lost init-id": Harm(f"{CONTAINER}/init-id", None, {RUN, f"{RUN}-init"}, ()),
    "a container's lost parent": Harm(f"{CONTAINER}/parent", None, {f"{RUN}-init"}, ()),
    "half a container's parent": Harm(f"{CONTAINER}/parent", cut(CHAINS[2]), {RUN, f"{RUN}-init"}),
    "a container on a chain without record": Harm(f"{CONTAINER}/parent", digest("x").encode(), {RUN, f"{RUN}-init"}),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_torn_record_of_docker_tells_no_parent_and_the_others_count(docker, harm):
    if harm.content is None:
        (docker / harm.path).unlink()
    else:
        write(docker, harm.path, harm.content)
    found = said(docker / "overlay2", "docker")
    assert found.parents == {id: parent for id, parent in DOCKER.items() if id not in harm.lost}
    assert found.unread == tuple(str(docker / (path or harm.path)) for path in harm.unread)
    assert found.sealed == {*found.parents.values()} - {""}


def test_a_layer_of_buildkit_is_a_parent_and_has_none(docker):
    """If BuildKit made a layer's content twice, layerdb has only the first directory, also as the parent."""
    make(docker / "overlay2", BUILT)
    write(docker, f"{entry(CHAINS[1])}/cache-id", BUILT)
    found = said(docker / "overlay2", "docker")
    assert found == ({**{id: DOCKER[id] for id in DOCKER if id != APP}, TOP: BUILT}, found.sealed, ())
    assert found.sealed == {TOP, BUILT, f"{RUN}-init"}


def test_a_container_without_an_init_layer_is_built_on_its_image(docker):
    (docker / "overlay2" / f"{RUN}-init/diff").rmdir()
    (docker / "overlay2" / f"{RUN}-init").rmdir()
    (docker / CONTAINER / "init-id").unlink()
    assert said(docker / "overlay2", "docker").parents[RUN] == TOP


@pytest.mark.parametrize("left", [f"{LAYERDB}/tmp/write-set-1", f"{entry(CHAINS[1])}-abc-removing"])
def test_what_docker_was_making_or_removing_tells_nothing(docker, left):
    make(docker / "overlay2", "f" * 64)
    for name, content in (("cache-id", "f" * 64), ("parent", CHAINS[0]), ("diff", digest("app"))):
        write(docker, f"{left}/{name}", content)
    assert said(docker / "overlay2", "docker") == (DOCKER, {BASE, APP, TOP, f"{RUN}-init"}, ())


@pytest.mark.parametrize("path", [f"{LAYERDB}/sha256", f"{LAYERDB}/mounts"])
def test_a_symlink_among_the_records_of_docker_makes_all_of_them_say_nothing(docker, path):
    (docker / path / "more").symlink_to(docker / entry(CHAINS[0]))
    assert said(docker / "overlay2", "docker") == RecordedChains(unread=(str(docker / path / "more"),))


def test_a_record_that_is_a_fifo_is_not_waited_for(docker):
    (docker / entry(CHAINS[1]) / "diff").unlink()
    os.mkfifo(docker / entry(CHAINS[1]) / "diff")
    assert said(docker / "overlay2", "docker").parents == {id: DOCKER[id] for id in DOCKER if id not in (APP, TOP)}


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """The root of containers-storage with an image of base <- app, two containers of that, and a list of none."""
    monkeypatch.setattr(storage_records, "_RUN_ROOTS", (str(tmp_path / "run*"),))
    make(tmp_path / "overlay", BASE, APP, TOP, RUN)
    put(tmp_path, [{"id": BASE}, {"id": APP, "parent": BASE}, {"id": TOP, "parent": APP}])
    put(tmp_path, [{"id": RUN, "parent": APP}], "volatile-layers.json")
    return tmp_path


STORAGE = {BASE: "", APP: BASE, TOP: APP, RUN: APP}


def put(root, content, name="layers.json"):
    write(root, f"overlay-layers/{name}", content if isinstance(content, bytes) else json.dumps(content))


def test_containers_storage_records_the_parents_of_all_layers_and_seals_none(storage):
    assert said(storage / "overlay", "containers-storage") == (STORAGE, frozenset(), ())


def test_a_transient_store_has_its_containers_below_run(storage):
    (storage / "run-1/overlay-layers").mkdir(parents=True)
    (storage / "overlay-layers/volatile-layers.json").rename(storage / "run-1/overlay-layers/volatile-layers.json")
    assert said(storage / "overlay", "containers-storage").parents == STORAGE


def test_the_parent_in_an_additional_image_store_is_named(storage):
    put(storage, [{"id": BASE}, {"id": APP, "parent": "lent"}, {"id": "gone", "parent": BASE}])
    assert said(storage / "overlay", "containers-storage").parents == {BASE: "", APP: "lent", RUN: APP}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        json.dumps([{"id": BASE}, {"id": APP, "parent": BASE}]).encode()[:-20],
        b'{"id": "base"}',
        b'["base"]',
        b"[" * 100_000,
        json.dumps([{"id": BASE}, {"parent": BASE}]).encode(),
        json.dumps([{"id": BASE}, {"id": "l"}]).encode(),
        json.dumps([{"id": BASE}, {"id": APP, "parent": "../base"}]).encode(),
        json.dumps([{"id": BASE}, {"id": APP, "parent": 0}]).encode(),
        json.dumps([{"id": BASE}, {"id": APP, "parent": None}]).encode(),
        json.dumps([{"id": BASE}, {"id": APP, "parent": [BASE]}]).encode(),
    ],
)
def test_a_torn_list_of_layers_tells_no_parent_and_the_other_list_counts(storage, content):
    put(storage, content)
    unread = (str(storage / "overlay-layers/layers.json"),)
    assert said(storage / "overlay", "containers-storage") == ({RUN: APP}, frozenset(), unread)


def test_a_list_of_layers_that_is_too_large_or_lost_tells_no_parent(storage, monkeypatch):
    monkeypatch.setattr(storage_records, "_MOST", 200)
    unread = (str(storage / "overlay-layers/layers.json"),)
    assert said(storage / "overlay", "containers-storage") == ({RUN: APP}, frozenset(), unread)
    (storage / "overlay-layers/layers.json").unlink()
    assert said(storage / "overlay", "containers-storage") == ({RUN: APP}, frozenset(), unread)


def test_two_records_that_contradict_each_other_tell_no_parent(storage):
    put(storage, [{"id": RUN, "parent": TOP}, {"id": TOP, "parent": APP}], "volatile-layers.json")
    assert said(storage / "overlay", "containers-storage").parents == {BASE: "", APP: BASE, TOP: APP, RUN: TOP}
    put(storage, [{"id": TOP, "parent": BASE}, {"id": RUN}, {"id": RUN, "parent": APP}], "volatile-layers.json")
    assert said(storage / "overlay", "containers-storage").parents == {BASE: "", APP: BASE}


@pytest.mark.parametrize(
    ("loop", "left"),
    [
        ({BASE: BASE}, {APP: BASE, TOP: APP, RUN: APP}),
        ({BASE: APP}, {TOP: APP, RUN: APP}),
        ({BASE: TOP}, {RUN: APP}),
        ({APP: RUN, TOP: TOP}, {BASE: ""}),
    ],
)
def test_layers_that_would_be_built_on_themselves_have_no_recorded_parent(storage, loop, left):
    parents = {**STORAGE, **loop}
    put(storage, [{"id": id, "parent": parent} for id, parent in parents.items()])
    (storage / "overlay-layers/volatile-layers.json").unlink()
    assert said(storage / "overlay", "containers-storage").parents == left


def test_an_engine_without_such_records_says_nothing(storage):
    assert said(storage / "overlay", "containerd") == RecordedChains()
