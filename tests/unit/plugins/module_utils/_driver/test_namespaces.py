# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver import namespaces
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child, mountinfo

# Captured on Linux 6.18 and shortened; the directory is named "a b".
MOUNTS = rb"""43 27 0:20 / / rw - ext4 /dev/vda rw
44 43 0:21 / /srv rw shared:1 - xfs /dev/vdb rw
45 44 0:22 / /srv/x/merged rw shared:2 - overlay overlay rw,lowerdir=l/A
46 45 0:23 / /srv/x/merged/a\040b rw - tmpfs tmpfs rw
47 43 0:21 /x/diff /mnt rw - xfs /dev/vdb rw
48 47 0:24 / /mnt rw - tmpfs tmpfs rw
"""


@pytest.fixture
def table(tmp_path):
    return lambda root="/", dev="0:21": namespaces.Table(task_in(tmp_path, root), dev)


def task_in(directory, root):
    (directory / "mountinfo").write_bytes(MOUNTS)
    return namespaces.Task(7, str(directory), True, root, 8)


def ids(mounts):
    return [mount.id for mount in mounts]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/srv/x/diff/file", [44], id="below the store's filesystem"),
        pytest.param("/srv", [44], id="a mount point"),
        pytest.param("/srv/x/merged/file", [45], id="below an overlay"),
        pytest.param("/srv/x/merged/a b/file", [], id="hidden by another filesystem"),
        pytest.param("/srv/x/merged/a bc", [45], id="only a common beginning"),
        pytest.param("/mnt/file", [47], id="one of two on a mount point"),
        pytest.param("/etc", [], id="elsewhere"),
        pytest.param("/", [], id="root"),
        pytest.param("pipe:[1]", [], id="no path"),
    ],
)
def test_wanted_mounts_are_found_by_name(table, path, found):
    assert ids(table().mounts_at(path)) == found


def test_only_wanted_mounts_are_kept(table):
    assert sorted(table().by_id) == [44, 45, 47]
    assert sorted(table(dev="0:20").by_id) == [43, 45]


def test_what_lies_on_a_mount_is_kept_for_all(table):
    assert table().inner == {
        27: ["/"],
        43: ["/srv", "/mnt"],
        44: ["/srv/x/merged"],
        45: ["/srv/x/merged/a b"],
        47: ["/mnt"],
    }


def test_a_root_directory_comes_before_every_name(table):
    jailed = table(root="/jail")
    assert jailed.by_id[44].mount_point == "/jail/srv"
    assert ids(table(root="/jail", dev="0:20").mounts_at("/jail/etc")) == [43]
    assert ids(table(root="/jail", dev="0:20").mounts_at("/etc")) == []


@pytest.mark.parametrize(
    ("mount_id", "path", "found"),
    [
        pytest.param(44, "/srv/x/diff", "/x/diff", id="of the whole filesystem"),
        pytest.param(44, "/srv", "/", id="its root"),
        pytest.param(47, "/mnt/file", "/x/diff/file", id="of a directory"),
        pytest.param(47, "/mnt", "/x/diff", id="that directory"),
    ],
)
def test_inside_names_within_the_filesystem(table, mount_id, path, found):
    assert namespaces.inside(table().by_id[mount_id], path) == found


def test_inside_the_root_mount(table):
    assert namespaces.inside(table(dev="0:20").by_id[43], "/etc/x") == "/etc/x"


def test_a_task_that_is_gone_has_no_table():
    pid = child.in_child(os.getpid)
    task = namespaces.Task(pid, f"/proc/{pid}/task/{pid}", True, "/", 1)
    assert namespaces.table_of(task, "0:1") is None
    assert namespaces.command_of(pid) == "?"


def test_a_zombie_has_neither_table_nor_task():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert namespaces.table_of(namespaces.Task(pid, f"/proc/{pid}", True, "/", 1), "0:1") is None
        assert [task for task in namespaces.tasks() if task.pid == pid] == []
    finally:
        os.waitpid(pid, 0)


def test_every_thread_is_a_task_and_one_of_a_process_is_the_first(run_python):
    pid = run_python("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()")
    found = [task for task in namespaces.tasks() if task.pid == pid]
    assert len(found) == 2
    assert sorted(task.first for task in found) == [False, True]
    assert {task.namespace for task in found} == {os.stat("/proc/self/ns/mnt").st_ino}
    assert {task.root for task in found} == {"/"}


def test_threads_outlive_the_first_one(run_python):
    code = """
def wait_and_say():
    while open(f"/proc/{os.getpid()}/stat").read().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.01)
    os.write(1, b"ready\\n")
    time.sleep(600)
threading.Thread(target=wait_and_say).start()
libc.syscall(ctypes.c_long({"x86_64": 60, "aarch64": 93}[os.uname().machine]), 0)  # exit of this thread alone
"""
    pid = run_python(code)
    found = [task for task in namespaces.tasks() if task.pid == pid]
    assert [task.first for task in found] == [True]
    assert found[0].directory != f"/proc/{pid}/task/{pid}"


def test_our_own_table_is_our_mountinfo():
    mounts = mountinfo.read()
    dev = mounts[0].dev
    table = namespaces.Table(namespaces.task_at(os.getpid(), "/proc/self"), dev)
    assert sorted(table.by_id) == sorted(one.id for one in mounts if one.dev == dev or one.fstype == "overlay")
    assert set(table.points) == {one.mount_point for one in mounts}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        pytest.param(b"program", "program", id="one word"),
        pytest.param(b"two\nlines", "two lines", id="more than one line"),
        pytest.param(b"\xff", "\udcff", id="not UTF-8"),
    ],
)
def test_a_command_is_the_program_and_none_of_its_arguments(run_python, name, command):
    pid = run_python(f"libc.prctl(15, {name!r})", "--password=secret")  # PR_SET_NAME
    assert namespaces.command_of(pid) == command
