# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions about umount(2) are compared with what it does."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import elsewhere, users
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use.layer_mounts import LayerMounts
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo


@pytest.fixture
def mounted(hand_made_store):
    """Give a function that returns a store with the layer app on base, mounted."""

    def make(propagation="shared"):
        store = hand_made_store(propagation)
        for id in ("base", "app"):
            store.add(id)
        store.mount("app", "base")
        return store

    return make


def sees(pid, mount_point):
    return any(mount.mount_point == mount_point for mount in mountinfo.read(pid))


SLEEP = "echo ready; exec sleep 600"
CUT = "mount --make-private $0/app/merged"


@pytest.mark.root
@pytest.mark.parametrize("parent", ["shared", "private"])
@pytest.mark.parametrize(
    "namespace",
    [
        pytest.param(("--propagation", "private"), id="private"),
        pytest.param(("--propagation", "shared"), id="shared"),
        pytest.param(("--propagation", "slave"), id="slave"),
        pytest.param(("--propagation", "unchanged"), id="unchanged"),
        pytest.param(("--propagation", "slave", "--user", "--map-root-user"), id="user namespace"),
    ],
)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(SLEEP, id="as it came"),
        pytest.param(f"{CUT}; {SLEEP}", id="its own propagation cut"),
        pytest.param(f"mount --make-private $1; {SLEEP}", id="its parent's propagation cut"),
        pytest.param(f"{CUT}; mount -t tmpfs none $0/app/merged; {SLEEP}", id="covered"),
        pytest.param(f"{CUT}; mount -t tmpfs none $0/app/merged/tmp; {SLEEP}", id="with a mount below"),
        pytest.param(f"mount --make-shared $1; exec unshare --mount --propagation slave sh -c '{SLEEP}'", id="slave"),
    ],
)
def test_a_copy_that_is_said_to_go_goes_and_no_other(mounted, run, parent, namespace, script):
    store = mounted(parent)
    merged = f"{store.home}/app/merged"
    os.mkdir(merged + "/tmp")
    pid = run("unshare", "--mount", *namespace, "sh", "-euc", script, store.home, os.path.dirname(store.home))
    (copy,) = elsewhere.mounts_elsewhere(store.home, ["app"])["app"]
    assert (copy.shows, copy.pid, copy.mount_point) == ("merged", pid, merged)
    assert copy.namespace == os.stat(f"/proc/{pid}/ns/mnt").st_ino
    dev = next(mount.dev for mount in mountinfo.read() if mount.mount_point == merged)

    subprocess.run(["umount", merged], check=True)

    stayed = any(mount.dev == dev for mount in mountinfo.read(pid))
    assert copy.goes_with_ours is not stayed
    assert bool(elsewhere.independent_mounts(store.home, "app")) is stayed


@pytest.mark.root
def test_a_slave_of_a_slave_goes_too(mounted, run):
    store = mounted()
    merged = f"{store.home}/app/merged"
    parent = os.path.dirname(store.home)
    first = run("unshare", "--mount", "--propagation", "slave", "sh", "-euc", f"mount --make-shared {parent}; {SLEEP}")
    unshare = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", SLEEP]
    second = run("nsenter", f"--mount=/proc/{first}/ns/mnt", *unshare)
    found = {one.pid: one.goes_with_ours for one in elsewhere.mounts_elsewhere(store.home)["app"]}
    assert found == {first: True, second: True}
    subprocess.run(["umount", merged], check=True)
    assert not sees(first, merged)
    assert not sees(second, merged)


@pytest.mark.root
def test_a_master_does_not_follow_its_slave(mounted, run):
    store = mounted()
    merged = f"{store.home}/app/merged"
    run("unshare", "--mount", "--propagation", "shared", "sh", "-c", SLEEP)
    subprocess.run(["mount", "--make-slave", os.path.dirname(store.home)], check=True)
    (copy,) = elsewhere.independent_mounts(store.home, "app")
    subprocess.run(["umount", merged], check=True)
    assert not copy.goes_with_ours
    assert sees(copy.pid, merged)


@pytest.mark.root
@pytest.mark.parametrize(
    ("source", "shows", "goes"),
    [
        pytest.param("", "merged", True, id="the store's filesystem, with all on it"),
        pytest.param("/store/app/merged", "merged", False, id="the overlay"),
        pytest.param("/store/app/merged/sub", "merged", False, id="a directory of the overlay"),
        pytest.param("/store/app/diff", "diff", False, id="the diff"),
        pytest.param("/store/app/diff/sub", "diff", False, id="a directory of the diff"),
        pytest.param("/store/app", "diff", False, id="the layer's directory"),
    ],
)
def test_bind_mounts_in_our_own_namespace(mounted, tmp_path, run, source, shows, goes):
    store = mounted()
    os.mkdir(f"{store.home}/app/merged/sub")
    target = tmp_path / "target"
    target.mkdir()
    run("sh", "-c", SLEEP)  # somebody else in our namespace
    subprocess.run(["mount", "--rbind", os.path.dirname(store.home) + source, target], check=True)
    try:
        found = [one for one in elsewhere.mounts_elsewhere(store.home, ["app"])["app"] if one.shows == shows]
        point = f"{target}/store/app/merged" if source == "" else str(target)
        assert [(one.mount_point, one.goes_with_ours) for one in found] == [(point, goes)]
        assert found[0].namespace == os.stat("/proc/self/ns/mnt").st_ino
        assert found[0].pid != os.getpid()
        subprocess.run(["umount", f"{store.home}/app/merged"], check=True)
        assert sees("self", point) is not goes
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", target], check=True)


@pytest.mark.root
def test_a_bind_mount_beside_ours_on_the_same_filesystem_stays(mounted):
    store = mounted()
    target = f"{store.home}/beside"
    os.mkdir(target)
    subprocess.run(["mount", "--bind", f"{store.home}/app/merged", target], check=True)
    (copy,) = elsewhere.mounts_elsewhere(store.home)["app"]
    assert (copy.mount_point, copy.goes_with_ours) == (target, False)
    subprocess.run(["umount", f"{store.home}/app/merged"], check=True)
    assert sees("self", target)


@pytest.mark.root
def test_another_overlay_of_the_layer_is_told_by_its_upper(mounted, run, tmp_path):
    store = mounted()
    target = tmp_path / "target"
    target.mkdir()
    data = f"lowerdir={store.home}/l/{store.links['base']},upperdir={store.home}/app/diff,workdir={store.home}/app/work"
    pid = run("unshare", "--mount", "sh", "-c", f"mount -t overlay -o index=off,{data} none {target}; {SLEEP}")
    found = elsewhere.independent_mounts(store.home, "app")
    assert sorted((one.pid, one.mount_point) for one in found) == [
        (pid, f"{store.home}/app/merged"),
        (pid, str(target)),
    ]


@pytest.mark.root
@pytest.mark.parametrize(
    ("lowers", "layers"),
    [
        pytest.param("l/APP:l/BASE", {"app"}, id="as a reader mounts a layer, relative"),
        pytest.param("HOME/l/APP:HOME/l/BASE", {"app"}, id="as a reader mounts a layer, absolute"),
        pytest.param("app/diff:l/BASE", {"app"}, id="as a committed layer is mounted"),
        pytest.param("HOME/app/diff:HOME/base/diff", {"app", "base"}, id="by hand"),
        pytest.param("HOME/../store/base/diff:/etc", {"base"}, id="by hand, with others, by an odd name"),
        pytest.param("app/diff:base/diff", {"app", "base"}, id="by hand, relative"),
        pytest.param("/etc:/usr", set(), id="another store's"),
    ],
)
def test_an_overlay_without_upper_uses_its_lowers(hand_made_store, run, tmp_path, lowers, layers):
    store = hand_made_store()
    for id in ("base", "app"):
        store.add(id)
        lowers = lowers.replace(id.upper(), store.links[id])
    lowers = lowers.replace("HOME", store.home)
    (tmp_path / "target").mkdir()
    command = f"cd {store.home}; mount -t overlay -o lowerdir={lowers} none {tmp_path}/target; cd /; {SLEEP}"
    pid = run("unshare", "--mount", "sh", "-euc", command)
    found = elsewhere.mounts_elsewhere(store.home)
    assert {(id, one.shows, one.pid) for id in found for one in found[id]} == {(id, "lower", pid) for id in layers}
    assert elsewhere.independent_mounts(store.home, "app") == []


@pytest.mark.root
@pytest.mark.parametrize("links", [True, False], ids=["by links", "by paths"])
def test_a_store_of_the_same_names_in_a_container_is_another(hand_made_store, run, links):
    store = hand_made_store()
    store.add("app")
    lower = f"{store.home}/l/{'Z' * 26}" if links else f"{store.home}/base/diff"
    where = f"{store.home}/app"
    script = f"""
        mount -t tmpfs tmpfs {store.home}
        mkdir -p {store.home}/l {where}/diff {where}/work {where}/merged {store.home}/base/diff
        ln -s ../base/diff {store.home}/l/{"Z" * 26}
        mount -t overlay -o lowerdir={lower},upperdir={where}/diff,workdir={where}/work overlay {where}/merged
        cd {where}/merged
    """
    pid = run("unshare", "--mount", "sh", "-euc", script + SLEEP)
    assert pid not in {mount.pid for mount in elsewhere.mounts_elsewhere(store.home).get("app", [])}


@pytest.mark.root
def test_ours_is_known_by_its_place_even_with_lost_links(mounted, run):
    store = mounted()
    os.unlink(f"{store.home}/l/{store.links['base']}")
    run("sh", "-c", f"cd {store.home}/app/merged; {SLEEP}")
    assert elsewhere.mounts_elsewhere(store.home) == {}
    assert list(users.users_of_layers(store.home)) == ["app"]


@pytest.mark.root
def test_what_is_mounted_in_a_layers_directory_is_told_but_not_its_overlay(mounted, run, tmp_path):
    store = mounted()
    for name in ("base/diff/bound", "base/diff/temporary", "app/merged/below"):
        os.mkdir(f"{store.home}/{name}")
    (tmp_path / "data").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "data", f"{store.home}/base/diff/bound"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{store.home}/app/merged/below"], check=True)
    try:
        script = f"mount -t tmpfs none {store.home}/base/diff/temporary; {SLEEP}"
        pid = run("unshare", "--mount", "--propagation", "private", "sh", "-euc", script)
        assert elsewhere.mounted_in(store.home, ["base", "app"]) == {"base": f"{store.home}/base/diff/bound"}
        found = users.users_of_layers(store.home)
        assert {(user.how, user.path) for user in found["base"] if user.pid == pid} <= {
            ("mount inside", f"{store.home}/base/diff/{name}") for name in ("bound", "temporary")
        }
        assert pid in {user.pid for user in found["base"]}
    finally:
        subprocess.run(["umount", f"{store.home}/base/diff/bound"], check=True)
        subprocess.run(["umount", f"{store.home}/app/merged/below"], check=True)


@pytest.mark.root
def test_home_may_be_named_by_a_symlink(mounted, tmp_path):
    store = mounted()
    os.symlink(store.home, tmp_path / "link")
    assert LayerMounts(str(tmp_path / "link")).home == store.home
    assert elsewhere.mounts_elsewhere(str(tmp_path / "link")) == {}


def test_a_missing_home_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        LayerMounts(str(tmp_path / "none"))


@pytest.mark.root
def test_a_home_that_was_mounted_after_the_mounts_were_read_is_found(hand_made_store, run_python):
    store = hand_made_store()
    store.add("app")
    known = mountinfo.Snapshot()
    assert known.mounts
    subprocess.run(["mount", "--bind", store.home, store.home], check=True)
    pid = run_python("os.chdir(sys.argv[1])", f"{store.home}/app/diff")
    assert [user.pid for user in users.users_of_layers(store.home, known=known)["app"]] == [pid]
