# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import (
    candidates,
    cases,
    containerd_contents,
    evidence,
    homes,
    observe,
    orphans,
    roots,
)
from ansible_collections.strata.overlay2.tests import containerd_records as made

pytestmark = pytest.mark.root

USER = 12345


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Give a directory in place of the host: only what is asked for, mounted or locked there is found."""
    monkeypatch.setattr(candidates, "_DEFAULTS", ())
    monkeypatch.setattr(evidence, "_INITIAL_PID_NAMESPACE", os.readlink("/proc/self/ns/pid"))
    return tmp_path.resolve()


def stores(*asked, measure="records"):
    """Return by home what is found of the stores in the directories *asked*."""
    found = observe.stores_of_host([str(path) for path in asked], measure)
    json.dumps(found.stores)
    ours = [os.path.dirname(path) for path in asked] or [""]
    return {one["home"]: one for one in found.stores if one["home"].startswith(tuple(map(str, ours)))}


def give(top, user=USER):
    for directory, _unused, names in os.walk(top):
        for path in (directory, *(f"{directory}/{name}" for name in names)):
            os.chown(path, user, user, follow_symlinks=False)


def make_docker(root):
    for path in ("overlay2/l", "overlay2/a/diff", "image/overlay2/layerdb/sha256", "image/overlay2/imagedb"):
        (root / path).mkdir(parents=True)
    return root


def make_containerd(root, **parts):
    parts.setdefault("snapshots", {"base": made.snapshot("default/1/base")})
    return made.make_root(root, made.metadata(default=made.namespace(**parts)), {"default/1/base": made.record(1)}, "1")


def test_stores_of_all_engines_are_told(host):
    make_docker(host / "docker")
    make_containerd(host / "containerd")
    (host / "podman/overlay-layers").mkdir(parents=True)
    (host / "podman/overlay").mkdir()
    (host / "ours/l").mkdir(parents=True)
    (host / "ours/.strata.json").write_text('{"format": 1}')
    found = stores(*(host / name for name in ("docker", "containerd", "podman", "ours")))
    assert {one["engine"]: one["kind"] for one in found.values()} == {
        "docker": "overlay2",
        "containerd": "overlayfs",
        "containers-storage": "overlay",
        "strata": "overlay2",
    }
    assert {one["state"] for one in found.values()} == {"idle"}
    assert {one["owner"] for one in found.values()} == {"root"}
    assert found[f"{host}/docker/overlay2"]["layers"] == 1
    assert found[f"{host}/docker/overlay2"]["root"] == f"{host}/docker"
    assert found[f"{host}/docker/overlay2"]["found_by"] == ["asked"]
    assert found[f"{host}/ours"]["unneeded"] == []
    containerd = found[f"{host}/containerd/{made.OVERLAYFS}"]
    assert (containerd["layers"], containerd["bytes"]) == (1, 4096)
    assert containerd["namespaces"] == {"default": {"layers": 1, "bytes": 4096, "images": 0, "containers": 0}}
    assert [(one["code"], one["count"], one["by"]) for one in containerd["unneeded"]] == [("unreferenced", 1, "engine")]


def test_a_store_is_found_by_its_own_path_and_in_dockers_data_root(host):
    make_docker(host / "docker/100000.100000")
    make_containerd(host / "docker/containerd/daemon")
    make_docker(host / "other")
    found = stores(host / "docker", host / "other/overlay2")
    assert found.keys() == {
        f"{host}/docker/100000.100000/overlay2",
        f"{host}/docker/containerd/daemon/{made.OVERLAYFS}",
        f"{host}/other/overlay2",
    }
    run = found[f"{host}/docker/containerd/daemon/{made.OVERLAYFS}"]["unneeded"][0]["run"]
    assert run.startswith("ctr --address /run/docker/containerd/containerd.sock -n default ")


@pytest.mark.parametrize("measure", ["records", "walk"])
def test_a_symlink_in_place_of_dockers_directory_is_named_and_not_followed(host, measure):
    make_docker(host / "docker")
    (host / "docker/overlay2").rename(host / "real")
    (host / "docker/overlay2").symlink_to(host / "real")
    (store,) = stores(host / "docker", measure=measure).values()
    assert store["home"] == f"{host}/docker/overlay2"
    assert (store["layers"], store["bytes"], store["unneeded"]) == (None, None, None)
    assert store["problems"] == [
        f"{host}/docker/overlay2 is a symlink to {host}/real, and is not followed: ask for the directory itself"
    ]


def test_a_snapshotter_outside_its_containerds_data_root_tells_layers_and_bytes(host):
    root = make_containerd(host / "containerd")
    (root / made.OVERLAYFS).rename(host / "moved")
    (store,) = stores(host / "moved").values()
    assert (store["engine"], store["kind"], store["home"], store["state"]) == (
        "containerd",
        "unknown",
        f"{host}/moved",
        "unknown",
    )
    assert (store["layers"], store["bytes"], store["unneeded"]) == (1, 4096, None)
    assert "outside the data root" in store["problems"][0]
    (host / "moved/metadata.db").write_bytes(b"x")
    (store,) = stores(host / "moved").values()
    assert "metadata.db cannot be read" in store["problems"][0]


def test_the_directory_of_a_snapshotter_stands_for_its_containerd(host):
    root = make_containerd(host / "containerd")
    (store,) = stores(root / made.OVERLAYFS).values()
    assert (store["kind"], store["home"]) == ("overlayfs", f"{root}/{made.OVERLAYFS}")


def test_what_was_asked_for_and_holds_no_store_is_told(host):
    (host / "empty").mkdir()
    found = stores(host / "empty", host / "none")
    assert found[f"{host}/empty"]["why"] == f"{host}/empty cannot be looked at: it holds no store"
    assert "No such file" in found[f"{host}/none"]["problems"][0]
    assert {one["state"] for one in found.values()} == {"unknown"}


def test_a_store_whose_database_is_locked_is_found_by_the_lock_and_active(host):
    root = make_containerd(host / "containerd")
    with open(root / made.META, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = {one["home"]: one for one in observe.stores_of_host([], "no").stores}
    store = found[f"{root}/{made.OVERLAYFS}"]
    assert (store["state"], store["found_by"], store["bytes"]) == ("active", ["lock"], None)
    assert store["process"]["pid"] == os.getpid()


def test_a_store_with_a_mounted_layer_is_found_by_the_mount_and_active(host):
    root = make_docker(host / "docker")
    for name in ("work", "merged"):
        (root / "overlay2/a" / name).mkdir()
    (root / "overlay2/b/diff").mkdir(parents=True)
    layer = root / "overlay2/a"
    options = f"lowerdir={root}/overlay2/b/diff,upperdir={layer}/diff,workdir={layer}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, layer / "merged"], check=True)
    try:
        found = {one["home"]: one for one in observe.stores_of_host([], "records").stores}
    finally:
        subprocess.run(["umount", layer / "merged"], check=True)
    store = found[f"{root}/overlay2"]
    assert (store["state"], store["found_by"], store["mounted"]) == ("active", ["mount"], 1)


def test_what_a_user_planted_is_the_users_alone(host):
    docker = make_docker(host / "docker")
    (host / "home/storage/overlay-layers").mkdir(parents=True)
    (host / "home/storage/overlay").mkdir()
    (host / "home/storage/overlay-layers/layers.json").symlink_to("/etc/shadow")
    os.mkfifo(host / "home/fifo")
    (host / "home/containerd").symlink_to(make_containerd(host / "containerd"))
    (host / "home/docker").symlink_to(docker)
    give(host / "home")
    found = stores(host / "home/storage", host / "home/fifo", host / "home/docker", host / "home/containerd")
    store = found[f"{host}/home/storage/overlay"]
    assert (store["owner"], store["layers"], store["unneeded"]) == (str(USER), None, None)
    assert "root:" not in json.dumps(found)
    assert store["state"] == "unknown"
    assert "symlink that a user can change" in found[f"{host}/home/docker"]["why"]
    assert "symlink that a user can change" in found[f"{host}/home/containerd"]["why"]


@pytest.fixture
def ann(host, monkeypatch):
    """Give a function that writes the storage.conf of a user of this host."""
    config = host / "home/ann/.config/containers"
    config.mkdir(parents=True)
    (host / "passwd").write_text(f"ann:x:{USER}:1::{host}/home/ann:/bin/sh\n")
    monkeypatch.setattr(homes, "_PASSWD", str(host / "passwd"))
    monkeypatch.setattr(homes, "_HOME", str(host / "home"))

    def write(graphroot):
        (config / "storage.conf").write_text(f'[storage]\ngraphroot = "{graphroot}"')
        give(host / "home/ann")

    return write


def make_storage(root):
    for name in ("overlay", "overlay-layers"):
        (root / name).mkdir(parents=True)
    return root


def of_this_host(host):
    return [one for one in observe.stores_of_host([], "records").stores if one["home"].startswith(str(host))]


def test_the_storage_conf_of_a_user_leads_to_the_users_store(host, ann):
    give(make_storage(host / "data/ann"))
    ann(f"{host}/data/$USER")
    (store,) = of_this_host(host)
    assert (store["home"], store["engine"]) == (f"{host}/data/ann/overlay", "containers-storage")
    assert (store["owner"], store["found_by"], store["problems"]) == (
        str(USER),
        ["config"],
        ["its records are not read, because its owner could lead the run elsewhere"],
    )


def test_the_storage_conf_of_a_user_opens_nothing_of_others(host, ann):
    root = make_storage(host / "podman")
    ann(root)
    (told,) = of_this_host(host)
    assert (told["engine"], told["state"], told["found_by"], told["layers"]) == (None, "unknown", ["config"], None)
    assert told["owner"] == str(USER)  # whose word it is
    assert told["why"] == f"{root} cannot be looked at: user {USER} names it, and it belongs to user 0"
    give(root, USER + 1)
    assert of_this_host(host)[0]["why"].endswith(f"and it belongs to user {USER + 1}")
    assert {one["engine"] for one in stores(root).values()} == {"containers-storage"}  # found without the user's word
    (host / "home/link").symlink_to(root)
    ann(f"{host}/home/link")
    os.chown(host / "home/link", USER, USER, follow_symlinks=False)
    assert "is a symlink that a user can change" in of_this_host(host)[0]["why"]
    for text in ("relative", "/a\\u0000b", f"{host}/nowhere", "/" + "x" * 5000):
        ann(text)
        assert of_this_host(host) == []


def test_a_home_behind_a_symlink_of_root_is_found(host, ann, monkeypatch):
    make_storage(host / "home/ann/.local/share/containers/storage")
    give(host / "home/ann")
    (host / "link").symlink_to("home")
    (host / "passwd").write_text(f"ann:x:{USER}:1::{host}/link/ann:/bin/sh\n")
    monkeypatch.setattr(homes, "_HOME", str(host / "nowhere"))
    (store,) = of_this_host(host)
    assert store["home"] == f"{host}/home/ann/.local/share/containers/storage/overlay"


def test_what_is_asked_for_has_to_be_an_absolute_path(host):
    found = observe.stores_of_host(["relative/x", "/a\0b"], "records").stores
    assert {"relative/x cannot be looked at: it is not an absolute path"} <= {one["why"] for one in found}
    assert len([one for one in found if one["why"].endswith("not an absolute path")]) == 2


def test_the_lock_of_another_user_makes_no_store_active(host):
    root = make_containerd(host / "containerd")
    script = "import fcntl, time; fcntl.flock(0, fcntl.LOCK_EX); print(1, flush=True); time.sleep(1000)"
    command = ["/usr/bin/python3", "-c", script]
    with open(root / made.META, "rb") as file:
        process = subprocess.Popen(command, user=USER, cwd="/", stdin=file, stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout.readline()
            (store,) = stores(root).values()
        finally:
            process.kill()
    assert (store["state"], store["process"], store["found_by"]) == ("idle", None, ["asked"])


def test_what_only_one_look_finds_is_not_unneeded(host, monkeypatch):
    root = make_containerd(host / "containerd")

    def pause(_seconds):
        made.make_root(root, made.metadata(), {"default/1/base": made.record(1)})

    monkeypatch.setattr(time, "sleep", pause)
    with open(root / made.META, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (store,) = stores(root).values()
    assert store["unneeded"] == []


def test_a_directory_that_was_just_made_is_not_an_orphan(host, monkeypatch):
    root = make_containerd(host / "containerd", leases={"w": made.lease({made.FLAT: ""}, ["base"])})
    (root / made.OVERLAYFS / "snapshots/7").mkdir()
    (store,) = stores(root).values()
    assert store["unneeded"] == []
    monkeypatch.setattr(containerd_contents.unneeded, "GRACE", -1)
    (store,) = stores(root).values()
    assert [(one["code"], one["count"]) for one in store["unneeded"]] == [("orphan_directory", 1)]


def orphans_of(root):
    """Return by snapshotter who removes the orphans of a containerd, and how."""
    found = [(one["kind"], told) for one in stores(root).values() for told in one["unneeded"]]
    return {kind: (told["by"], told["run"]) for kind, told in found if told["code"] == "orphan_directory"}


def test_overlay2_prune_removes_the_orphans_of_roots_overlayfs_and_containerd_all_others(host, monkeypatch):
    monkeypatch.setattr(containerd_contents.unneeded, "GRACE", -1)
    root = make_containerd(host / "containerd", leases={"w": made.lease({made.FLAT: ""}, ["base"])})
    (root / made.OVERLAYFS / "snapshots/7").mkdir()
    native = root / "io.containerd.snapshotter.v1.native"
    shutil.copytree(root / made.OVERLAYFS, native)
    found = orphans_of(root)
    assert found["overlayfs"] == (
        "overlay2_prune",
        f"stop containerd and whatever starts it; overlay2_prune with home: {root}/{made.OVERLAYFS},"
        " orphans_only: true, foreign: remove",
    )
    by, run = found["native"]
    assert by == "engine"
    assert run.startswith("ctr --address ADDRESS -n default snapshots --snapshotter native prepare ")
    give(root)
    assert {by for by, _run in orphans_of(root).values()} == {"engine"}


def test_layers_of_containerd_that_are_gone_are_a_problem_of_the_store(host):
    root = make_containerd(host / "containerd")
    (root / made.OVERLAYFS / "snapshots/1").rmdir()
    (store,) = stores(root).values()
    assert store["problems"] == [
        "records name layers that are gone: 1; the subset health of this home tells more",
    ]


def test_of_a_newer_containerd_only_layers_and_bytes_are_told(host):
    meta = made.metadata(5, default=made.namespace(snapshots={"base": made.snapshot("default/1/base")}))
    root = made.make_root(host / "containerd", meta, {"default/1/base": made.record(1)}, "1")
    (store,) = stores(root).values()
    assert (store["layers"], store["bytes"], store["unneeded"]) == (1, 4096, None)
    assert store["problems"] == ["its schema has version 5, and only versions 3 and 4 were tested"]


def test_a_damaged_database_is_a_problem_of_its_store(host):
    root = make_containerd(host / "containerd")
    (root / made.META).write_bytes(b"x" * 5000)
    (store,) = stores(root).values()
    assert (store["layers"], store["unneeded"]) == (None, None)
    assert "meta.db cannot be read: it is not a bbolt database" in store["problems"][0]


def test_a_large_database_of_a_user_is_not_read(host, monkeypatch):
    root = make_containerd(host / "containerd")
    monkeypatch.setattr(containerd_contents, "_OF_A_USER", 4096)
    assert [one["layers"] for one in stores(root).values()] == [1]
    give(root)
    (store,) = stores(root).values()
    assert (store["layers"], store["unneeded"]) == (None, None)
    assert "at most 4096 are read" in store["problems"][0]


def test_of_a_user_a_limited_number_of_things_is_told_to_be_unneeded(host, monkeypatch):
    snapshots = {name: made.snapshot(f"default/1/{name}") for name in "abc"}
    root = make_containerd(host / "containerd", snapshots=snapshots)
    monkeypatch.setattr(containerd_contents, "_MOST_OF_A_USER", 2)
    assert [one["count"] for one in next(iter(stores(root).values()))["unneeded"]] == [3]
    give(root)
    (store,) = stores(root).values()
    assert (store["layers"], store["unneeded"]) == (1, None)
    assert store["problems"] == ["more than 2 things in it seem to be unneeded"]


def test_an_abandoned_store_can_go_as_a_whole(host, monkeypatch):
    root = make_docker(host / "docker")
    (root / "engine-id").write_text("x")
    (root / "containers/c").mkdir(parents=True)
    (root / "containers/c/config.v2.json").write_text('{"Driver": "overlay2"}')
    settings = host / "daemon.json"
    settings.write_text('{"features": {"containerd-snapshotter": true}}')
    monkeypatch.setattr(cases, "DAEMON_JSON", str(settings))
    (store,) = stores(root).values()
    assert store["state"] == "abandoned"
    (whole,) = store["unneeded"]
    assert (whole["code"], whole["count"], whole["by"]) == ("whole_store", 1, "user")
    assert whole["loses"] == ["1 container"]
    subprocess.run(["sh", "-euc", whole["run"]], check=True)
    assert stores(root)[str(root)]["problems"]


def test_layers_without_a_record_are_orphans_for_overlay2_prune(host, monkeypatch):
    root = make_docker(host / "docker")
    monkeypatch.setattr(orphans, "GRACE", -1)
    (root / "overlay2/a/link").write_text("A" * 26)
    (root / "overlay2/l" / ("A" * 26)).symlink_to("../a/diff")
    (store,) = stores(root).values()
    (orphan,) = store["unneeded"]
    assert (orphan["code"], orphan["count"], orphan["by"]) == ("orphan_directory", 1, "overlay2_prune")
    give(root)
    (store,) = stores(root).values()
    assert store["unneeded"] is None
    assert "its owner could lead the run elsewhere" in store["problems"][0]


def test_bytes_are_measured_by_walking(host):
    root = make_docker(host / "docker")
    (root / "overlay2/a/diff/file").write_bytes(b"x" * 1_000_000)
    (store,) = stores(root, measure="walk").values()
    assert 1_000_000 <= store["bytes"] < 1_100_000
    (store,) = stores(root, measure="no").values()
    assert store["bytes"] is None


@pytest.mark.parametrize("engine", ["docker", "containerd"])
def test_the_bytes_of_orphans_are_measured_by_walking(host, monkeypatch, engine):
    monkeypatch.setattr(containerd_contents.unneeded, "GRACE", -1)
    monkeypatch.setattr(orphans, "GRACE", -1)
    if engine == "docker":
        root = make_docker(host / "docker")
        (root / "overlay2/a/link").write_text("A" * 26)
        (root / "overlay2/l" / ("A" * 26)).symlink_to("../a/diff")
        orphan = root / "overlay2/a/diff"
    else:
        root = make_containerd(host / "containerd", leases={"w": made.lease({made.FLAT: ""}, ["base"])})
        orphan = root / made.OVERLAYFS / "snapshots/7"
        orphan.mkdir()
    (orphan / "file").write_bytes(b"x" * 1_000_000)
    for measure in ("records", "walk"):
        (store,) = stores(root, measure=measure).values()
        (told,) = store["unneeded"]
        assert told["code"] == "orphan_directory"
        assert told["bytes"] is None if measure == "records" else 1_000_000 <= told["bytes"] < 1_100_000
    monkeypatch.setattr(observe, "_WALK_SECONDS", -1)
    (store,) = stores(root, measure="walk").values()
    assert (store["bytes"], store["unneeded"][0]["bytes"]) == (None, None)


def test_the_time_for_walking_is_limited(host, monkeypatch):
    root = make_docker(host / "docker")
    monkeypatch.setattr(observe, "_WALK_SECONDS", -1)
    (store,) = stores(root, measure="walk").values()
    assert store["bytes"] is None
    assert "not measured in the time given" in store["problems"][0]


def test_the_largest_stores_are_told_and_the_others_counted(host, monkeypatch):
    monkeypatch.setattr(observe, "MOST", 2)
    roots = [make_containerd(host / f"containerd{number}") for number in range(3)]
    found = observe.stores_of_host([str(root) for root in roots], "records")
    assert (len(found.stores), found.left_out >= 1) == (2, True)


def test_stores_that_a_user_makes_up_hide_none_of_root(host, monkeypatch):
    monkeypatch.setattr(observe, "MOST", 3)
    monkeypatch.setattr(roots, "_MOST_OF_A_USER", 4)
    made_up = [make_storage(host / f"fake{number}") for number in range(9)]
    for root in made_up:
        (root / "overlay-layers/layers.json").write_text('[{"diff-size": 1000000000000}]')
        give(root)
    ours = make_containerd(host / "ours")
    found = observe.stores_of_host([str(path) for path in (*made_up, ours)], "records")
    homes_of = [store["home"] for store in found.stores]
    assert f"{ours}/{made.OVERLAYFS}" in homes_of
    assert homes_of[0].startswith(f"{host}/fake")  # the largest first
    assert len(homes_of) == 3
    assert found.left_out >= 2


def test_no_descriptor_stays_open(host):
    before = len(os.listdir("/proc/self/fd"))
    stores(make_docker(host / "docker"), make_containerd(host / "containerd"), host / "none", measure="walk")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_home_of_an_engines_store_is_not_told_twice(host):
    root = make_docker(host / "docker")
    found = observe.stores_of_host([f"{root}/overlay2", str(root), f"{root}/overlay2"], "records").stores
    assert [one["engine"] for one in found if one["home"] == f"{root}/overlay2"] == ["docker"]
    (host / "lone/l").mkdir(parents=True)
    (lone,) = stores(host / "lone").values()
    assert (lone["engine"], lone["state"]) == (None, "unknown")
