# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.state import WantedStore
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, LayerInUse
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import IdRange, Settings, read_settings
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.init import InitTask
from ansible_collections.strata.overlay2.tests import tasks

pytestmark = pytest.mark.root

MAP = (IdRange(0, 100000, 65536),)


def converge(task):
    """Do what the engine does, twice; return what was done, and what is then there."""
    outcome = tasks.do(task)
    again = tasks.plan(task)
    assert task.difference(again.have, outcome.plan.after) == ({}, {})
    assert again.plan.actions == ()
    return tasks.sentences(outcome), again.have


def access(path):
    found = os.lstat(path)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def test_a_new_store_and_its_parents(tmp_path):
    home = tmp_path / "a/b/store"
    old = os.umask(0o077)
    try:
        done, _unused = converge(InitTask(str(home), WantedStore(uid_map=MAP, gid_map=MAP), "present"))
    finally:
        os.umask(old)
    assert done == ["make the store with uid map 0:100000:65536, gid map 0:100000:65536"]
    assert [access(path) for path in (home.parent.parent, home.parent)] == [(0o755, 0, 0)] * 2
    assert access(home) == (0o710, 0, 100000)
    assert access(home / "l") == (0o700, 0, 0)
    assert sorted(os.listdir(home)) == [".strata.json", "l"]
    assert read_settings(str(home)) == Settings(0, 0, MAP, MAP)


def test_an_empty_directory_becomes_one_through_a_symlink(tmp_path):
    (tmp_path / "real").mkdir(mode=0o777)
    (tmp_path / "link").symlink_to("real")
    converge(InitTask(str(tmp_path / "link"), WantedStore(), "present"))
    assert access(tmp_path / "real") == (0o710, 0, 0)


def test_what_a_killed_run_left_becomes_one(tmp_path):
    (tmp_path / "store/l").mkdir(parents=True)
    (tmp_path / "store/.staging/dead").mkdir(parents=True)
    converge(InitTask(str(tmp_path / "store"), WantedStore(), "present"))
    assert access(tmp_path / "store/l") == (0o700, 0, 0)


def test_settings_are_written_only_when_they_differ(tmp_path, traces):
    home = str(tmp_path / "store")
    converge(InitTask(home, WantedStore(uid_map=MAP, gid_map=MAP), "present"))
    before = traces(tmp_path)
    assert converge(InitTask(home, WantedStore(0, 0, None, MAP), "present"))[0] == []
    assert traces(tmp_path) == before


def test_a_trial_that_fails_leaves_nothing(loop_filesystem, traces):
    mounted = loop_filesystem("ext4", "-O", "^filetype")
    task = InitTask(str(mounted / "a/store"), WantedStore(), "present")
    have = task.observe(Store(task.home), False)
    assert have.refusal is not None
    (make,) = task.plan(have._replace(refusal=None), False).actions
    before = sorted(os.listdir(mounted))
    with pytest.raises(type(have.refusal)):
        make.prepare(Run(Store(task.home)))
    assert sorted(os.listdir(mounted)) == before


def test_all_mounts_end_and_holders_go(hand_made_store):
    store = hand_made_store()
    for id in ("base", "job", "idle"):
        store.add(id)
    merged = store.mount("job", "base")
    done, after = converge(InitTask(store.home, WantedStore(), "unmounted"))
    assert done == ["unmount layer job"]
    assert not os.path.exists(merged)
    assert not any(layer.mounted for layer in after.layers.values())


def test_what_is_mounted_below_is_named(hand_made_store):
    store = hand_made_store()
    for id in ("base", "job"):
        store.add(id)
    merged = store.mount("job", "base")
    os.mkdir(f"{merged}/proc")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{merged}/proc"], check=True)
    task = InitTask(store.home, WantedStore(), "unmounted")
    with pytest.raises(LayerInUse, match=f"{merged}/proc is mounted below it"):
        tasks.plan(task, predicting=True)
    done, _unused = converge(InitTask(store.home, WantedStore(), "unmounted", force=True))
    assert done == ["detach the mount of layer job"]


def test_another_mount_on_merged_is_never_ended(hand_made_store):
    store = hand_made_store()
    for id in ("base", "job"):
        store.add(id)
    merged = store.mount("job", "base")
    subprocess.run(["mount", "-t", "tmpfs", "mine", merged], check=True)
    for state in ("unmounted", "absent"):
        task = InitTask(store.home, WantedStore(), state, force=True)
        with pytest.raises(LayerInUse, match="tmpfs mine is mounted over it"):
            tasks.plan(task)
    subprocess.run(["umount", merged], check=True)


def test_all_goes_children_first(hand_made_store):
    store = hand_made_store()
    for id in ("base", "job"):
        store.add(id)
        with open(f"{store.home}/{id}/link", "w", encoding="ascii") as file:
            file.write(store.links[id])
    with open(f"{store.home}/job/lower", "w", encoding="ascii") as file:
        file.write(f"l/{store.links['base']}")
    store.mount("job", "base")
    os.mknod(f"{store.home}/backingFsBlockDev", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    done, _unused = converge(InitTask(store.home, WantedStore(), "absent", force=True))
    assert done == ["detach the mount of layer job", "remove layer job", "remove layer base", "remove the store"]
    assert not os.path.exists(store.home)


def test_what_is_no_part_of_it_stays_and_home_too(tmp_path):
    home = tmp_path / "store"
    converge(InitTask(str(home), WantedStore(), "present"))
    (home / "mine").write_text("mine")
    task = InitTask(str(home), WantedStore(), "absent")
    assert tasks.plan(task, predicting=True).plan.warnings == (f"{home} itself stays: it holds mine",)
    assert converge(task)[0] == ["remove the store, but for its directory"]
    assert os.listdir(home) == ["mine"]


@pytest.mark.parametrize("is_link", [True, False])
def test_what_is_in_the_place_of_the_directory_of_images_stays(tmp_path, is_link):
    home = tmp_path / "store"
    (tmp_path / "others").mkdir()
    (tmp_path / "others/file").touch()
    converge(InitTask(str(home), WantedStore(), "present"))
    if is_link:
        (home / ".strata-images").symlink_to(tmp_path / "others")
    else:
        (home / ".strata-images").touch()
    task = InitTask(str(home), WantedStore(), "absent")
    assert tasks.plan(task, predicting=True).plan.warnings == (f"{home} itself stays: it holds .strata-images",)
    assert converge(task)[0] == ["remove the store, but for its directory"]
    assert os.listdir(home) == [".strata-images"] and os.listdir(tmp_path / "others") == ["file"]


@pytest.mark.parametrize("state", ["present", "unmounted", "absent"])
def test_a_file_is_no_home(tmp_path, state):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="is not a directory"):
        InitTask(str(tmp_path / "file"), WantedStore(), state).observe(Store(str(tmp_path / "file")), False)
