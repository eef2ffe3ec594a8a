# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.openat2 import has_openat2
from ansible_collections.strata.overlay2.plugins.module_utils._store import delete
from ansible_collections.strata.overlay2.plugins.module_utils._store.delete import delete_tree
from ansible_collections.strata.overlay2.plugins.module_utils._store.lock import Deadline

pytestmark = pytest.mark.root


def test_deep_and_strange_trees_are_deleted_without_following_symlinks(tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept").write_text("")
    top = tmp_path / "tree"
    deep = top
    for _unused in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    (top / "link").symlink_to(outside)
    os.mkfifo(top / "fifo")
    (top / "\udcff").mkdir(0)
    assert delete_tree(str(top))
    assert delete_tree(str(top))
    assert not top.exists()
    assert os.listdir(outside) == ["kept"]


def test_a_mount_is_not_entered(tmp_path):
    mounted = tmp_path / "tree" / "mounted"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mounted], check=True)
    try:
        (mounted / "kept").write_text("")
        with pytest.raises(OSError, match="busy"):
            delete_tree(str(tmp_path / "tree"))
        assert (mounted / "kept").exists()
    finally:
        subprocess.run(["umount", mounted], check=True)


@pytest.mark.parametrize("place", ["mounted", "a/b/mounted", "."])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_mounted_from_the_same_filesystem_is_not_entered(tmp_path, monkeypatch, place, known):
    monkeypatch.setattr(delete, "has_openat2", lambda: known and has_openat2())
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    (data / "below" / "kept").write_text("somebody's")
    mounted = tmp_path / "tree" / place
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "--bind", data, mounted], check=True)
    fds = os.listdir("/proc/self/fd")
    try:
        with pytest.raises(OSError, match="busy"):
            delete_tree(str(tmp_path / "tree"))
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert (data / "below" / "kept").read_text() == "somebody's"
    assert os.listdir("/proc/self/fd") == fds
    assert delete_tree(str(tmp_path / "tree"))


def test_all_is_deleted_without_openat2(tmp_path, monkeypatch):
    monkeypatch.setattr(delete, "has_openat2", lambda: False)
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_text("")
    assert delete_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


class After(Deadline):
    """Passed once it was asked so many times."""

    def __init__(self, times):
        super().__init__(0)
        self.times = times

    @property
    def passed(self):
        self.times -= 1
        return self.times < 0


def test_what_is_left_when_time_is_up_goes_the_next_time(tmp_path):
    top = tmp_path / "tree"
    for number in range(5):
        (top / str(number)).mkdir(parents=True)
        (top / str(number) / "file").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    assert not delete_tree(str(top), After(0))
    assert len([*top.rglob("*")]) == 10
    assert not delete_tree(str(top), After(5))
    assert 0 < len([*top.rglob("*")]) < 10
    assert len(os.listdir("/proc/self/fd")) == before
    assert delete_tree(str(top), After(100))
    assert not top.exists()
