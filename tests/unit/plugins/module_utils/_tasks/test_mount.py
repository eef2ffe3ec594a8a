# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_mount on a real store, with real mounts."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.state import WantedMount
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    NotSupported,
    StoreCorrupt,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import IdRange, Settings, write_settings
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.mount import MountTask
from ansible_collections.strata.overlay2.tests import tasks

LAYERS = [WantedLayer("base", ""), WantedLayer("tools", "base"), WantedLayer("job", "tools", read_write=True)]


def converge(task, steps=None):
    """Do the first *steps* of what the task plans, or all, and return all their sentences."""
    outcome = tasks.do(task, steps)
    if steps is None:
        again = tasks.plan(task, predicting=True)
        assert task.difference(again.have, outcome.plan.after) == ({}, {})
        assert again.plan.actions == ()
    return tasks.sentences(outcome)


@pytest.fixture
def home(loop_filesystem):
    path = loop_filesystem("ext4") / "store"
    (path / "l").mkdir(parents=True)
    converge(LayersTask(str(path), LAYERS, "present"))
    return path


def mounting(home, holder="ci", **more):
    force = more.pop("force", False)
    return MountTask(str(home), WantedMount("job", holder, **more), "mounted", force=force)


def unmounting(home, holder="ci", *, force=False):
    return MountTask(str(home), WantedMount("job", holder), "unmounted", force=force)


def test_everything_made_belongs_to_the_remapped_root(home):
    maps = (IdRange(0, 100000, 65536),), (IdRange(0, 200000, 65536),)
    write_settings(str(home), Settings(uid_map=maps[0], gid_map=maps[1]))
    converge(mounting(home))
    work = (home / "job/work/work").stat()
    assert (work.st_uid, work.st_gid) == (100000, 200000)
    converge(unmounting(home))
    assert not (home / "job/merged").exists()


def test_merged_is_roots_alone_before_the_mount(home):
    converge(MountTask(str(home), WantedMount("tools", "ci"), "mounted"))  # read-only: merged shows the diff's own mode
    subprocess.run(["umount", home / "tools/merged"], check=True)
    assert (home / "tools/merged").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("volatile", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_killed_between_two_steps_the_next_run_needs_no_help(home, steps, volatile):
    own = home / "job/.strata.json"
    own.write_text(json.dumps({"format": 1, "read_write": True, "diff_id": "sha256:1", "digest": "sha256:2"}))
    done = converge(mounting(home, volatile=volatile), steps)
    assert len(done) == 2
    assert (json.loads(own.read_text())["diff_id"] is None) is (steps > 0)
    assert converge(mounting(home, volatile=volatile)) == done[steps:]
    assert os.path.ismount(home / "job/merged")

    done = converge(unmounting(home), steps)
    left = converge(unmounting(home))
    assert left == done[steps:]
    assert not (home / "job/merged").exists()
    assert not (home / "job/.strata-holders").exists()
    assert not (home / "job/work/work/incompat/volatile").exists()


def test_a_mount_that_fails_leaves_no_trace(home):
    task = mounting(home)
    have = task.observe(Store(task.home), False)
    plan = task.plan(have._replace(options=("no_such_option=1",)), False)
    before = sorted(os.listdir(home / "job"))
    with pytest.raises(OSError, match="merged") as caught:
        plan.actions[0].commit(Run(Store(str(home))))
    assert caught.value.strerror in (
        "Invalid argument",  # before Linux 6.5
        "Invalid argument (overlay: Unknown parameter 'no_such_option')",
    )
    assert sorted(os.listdir(home / "job")) == before


def test_several_mounts_on_one_another_all_go(home):
    converge(mounting(home))
    again = f"lowerdir={home}/tools/diff:{home}/base/diff"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", again, home / "job/merged"], check=True)
    converge(unmounting(home))
    assert not (home / "job/merged").exists()


def test_what_lay_in_merged_stays(home):
    (home / "job/merged").mkdir()
    (home / "job/merged/file").touch()
    converge(mounting(home))
    assert not (home / "job/merged/file").exists()
    converge(unmounting(home))
    assert (home / "job/merged/file").exists()


def test_a_copy_with_the_layer_as_upper_is_seen_before_a_second(home, tmp_path):
    converge(mounting(home))
    (home / "job/merged").joinpath("file").touch()
    subprocess.run(["mount", "--bind", home / "job/merged", tmp_path], check=True)
    try:
        subprocess.run(["umount", home / "job/merged"], check=True)
        with pytest.raises(Exception, match=f"cannot mount layer job: it is also mounted elsewhere: on {tmp_path}"):
            converge(mounting(home))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert converge(mounting(home)) == ["mount layer job"]


def test_without_work_nothing_is_mounted(home):
    (home / "job/work").rmdir()
    with pytest.raises(StoreCorrupt, match="its work directory is missing"):
        tasks.plan(mounting(home))


def test_a_label_needs_selinux(home):
    with open("/proc/filesystems", encoding="ascii") as file:
        if "selinuxfs" in file.read():
            pytest.skip("SELinux is on")
    with pytest.raises(NotSupported, match="SELinux is off"):
        converge(mounting(home, label="system_u:object_r:container_file_t:s0"))


def test_another_engines_store_is_left(home):
    converge(mounting(home))
    (home.parent / "image/overlay2/layerdb").mkdir(parents=True)
    with pytest.raises(StoreForeign, match="cannot unmount layer job"):
        converge(unmounting(home))
    assert converge(mounting(home)) == []
