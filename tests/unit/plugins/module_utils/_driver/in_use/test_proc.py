# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import proc
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
def table():
    return lambda root="/", dev="0:21": proc.MountTable(7, 8, MOUNTS, dev, root=root)


def task_in(pid, directory):
    return proc.Thread(pid, directory, True, True, "/", 1, "/bin/sh")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/srv/x/diff/file", 44, id="below the store's filesystem"),
        pytest.param("/srv", 44, id="a mount point"),
        pytest.param("/srv/x/merged/file", 45, id="below an overlay"),
        pytest.param("/srv/x/merged/a b/file", 46, id="on another filesystem"),
        pytest.param("/srv/x/merged/a bc", 45, id="only a common beginning"),
        pytest.param("/mnt/file", 48, id="the upper of two on a mount point"),
        pytest.param("/etc", 43, id="elsewhere"),
        pytest.param("/", 43, id="root"),
    ],
)
def test_mounts_are_found_by_name(table, path, found):
    assert table().mount_at(path) == found


def test_what_a_mount_lies_on_is_told_through_others_on_its_point(table):
    assert [table().below(id) for id in (43, 45, 47, 48)] == [27, 44, 43, 43]
    assert table().has(46)
    assert not table().has(27)
    assert table().has_dev("0:22")
    assert not table().has_dev("0:23")


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
    assert table(root="/jail", dev="0:20").mount_at("/jail/etc") == 43
    assert table(root="/jail", dev="0:20").mount_at("/etc") == 0


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
    assert proc.inside(table().by_id[mount_id], path) == found


def test_inside_the_root_mount(table):
    assert proc.inside(table(dev="0:20").by_id[43], "/etc/x") == "/etc/x"


def test_a_task_that_is_gone_has_no_table():
    pid = child.in_child(os.getpid)
    assert proc.table_of(task_in(pid, f"/proc/{pid}/task/{pid}"), "0:1") is None
    assert proc.command_of(pid) == "?"


def test_a_zombie_has_neither_table_nor_task():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert proc.table_of(task_in(pid, f"/proc/{pid}"), "0:1") is None
        assert [thread for thread in proc.threads() if thread.pid == pid] == []
    finally:
        os.waitpid(pid, 0)


THREAD = """
done = threading.Event()
def work():
    if int(sys.argv[1]):
        libc.unshare(int(sys.argv[1]))
    done.set()
    time.sleep(600)
threading.Thread(target=work, daemon=True).start()
done.wait()
"""


@pytest.mark.parametrize(
    ("flags", "files"),
    [
        pytest.param(0, [True], id="nothing"),
        pytest.param(0x200, [True, False], id="its directories"),
        pytest.param(0x400, [True, True], id="its open files"),
    ],
)
def test_every_thread_with_something_of_its_own_is_a_task(run_python, flags, files):
    pid = run_python(THREAD, str(flags))
    found = [thread for thread in proc.threads() if thread.pid == pid]
    assert [thread.files for thread in found] == files
    assert [thread.first for thread in found] == [True, False][: len(files)]
    assert {thread.namespace for thread in found} == {os.stat("/proc/self/ns/mnt").st_ino}
    assert {thread.root for thread in found} == {"/"}


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
    found = [thread for thread in proc.threads() if thread.pid == pid]
    assert [thread.first for thread in found] == [True]
    assert found[0].directory != f"/proc/{pid}/task/{pid}"


def test_our_own_table_is_our_mountinfo():
    mounts = mountinfo.read()
    dev = mounts[0].dev
    ours = next(thread for thread in proc.threads() if thread.pid == os.getpid())
    table = proc.table_of(ours, dev)
    assert sorted(table.by_id) == sorted(one.id for one in mounts if one.dev == dev or one.fstype == "overlay")
    assert table.trusted
    assert all(table.has(one.id) for one in mounts)


@pytest.mark.root
@pytest.mark.parametrize(
    ("command", "trusted"),
    [
        pytest.param(["unshare", "--mount"], True, id="root's"),
        pytest.param(["unshare", "--mount", "--user", "--map-root-user"], False, id="a user namespace's"),
    ],
)
def test_the_table_of_a_namespace_is_whole_behind_a_chroot(run, tmp_path, command, trusted):
    code = "import os, sys, time; os.chroot(sys.argv[1]); print('ready', flush=True); time.sleep(600)"
    pid = run(*command, sys.executable, "-c", code, str(tmp_path))
    (thread,) = [thread for thread in proc.threads() if thread.pid == pid]
    assert thread.root == str(tmp_path)
    mounts = mountinfo.read()
    table = proc.table_of(thread, mounts[0].dev)
    assert (table.whole, table.trusted) == (True, trusted)
    assert {one.mount_point for one in table.by_id.values()} >= {"/"}
    assert len(table.by_id) >= len([one for one in mounts if one.dev == mounts[0].dev])


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
    assert proc.command_of(pid) == command
