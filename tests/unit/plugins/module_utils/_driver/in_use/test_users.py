# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import elsewhere, users

SLEEP = "echo ready; exec sleep 600"
MAP = """
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
fd = os.open(sys.argv[1], os.O_RDONLY)
libc.mmap(None, 4096, 1, 2, fd, 0)  # PROT_READ, MAP_PRIVATE
os.close(fd)
"""
THREAD_CWD = """
done = threading.Event()
def work():
    libc.unshare(0x200)  # CLONE_FS
    os.chdir(sys.argv[1])
    done.set()
    time.sleep(600)
threading.Thread(target=work, daemon=True).start()
done.wait()
"""
PRIVATE = """
libc.unshare(0x20000)  # CLONE_NEWNS
libc.mount(b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
"""
PIVOT = f"""
{PRIVATE}
root = os.fsencode(sys.argv[1])
libc.mount(root, root, None, 0x1000, None)  # MS_BIND
os.chdir(root)
libc.syscall(ctypes.c_long({{"x86_64": 155, "aarch64": 41}}[os.uname().machine]), b".", b".")  # pivot_root
libc.umount2(b".", 2)  # MNT_DETACH
"""


CHROOT = "os.chroot(sys.argv[2]); os.chdir('/'); "
THREAD_FILES = """
done = threading.Event()
def work():
    libc.unshare(0x400)  # CLONE_FILES
    global file
    file = os.open(sys.argv[1], os.O_RDONLY)
    done.set()
    time.sleep(600)
threading.Thread(target=work, daemon=True).start()
done.wait()
"""


@pytest.fixture(params=["shared", "private"])
def store(hand_made_store, request):
    """The layer app on base, mounted; app2, other and the store's own directories beside them."""
    store = hand_made_store(request.param)
    for id in ("base", "app", "app2", "other"):
        store.add(id)
    for path in (".staging/x/diff", "app/diff/sub", "app/work/work"):
        os.makedirs(f"{store.home}/{path}")
    store.mount("app", "base")
    return store


def how_by_layer(home, pid, ids=None):
    """How a process uses each layer, and the path, from home on where it lies there."""
    found = {}
    for id, its_users in users.users_of_layers(home, ids).items():
        for user in its_users:
            if user.pid == pid:
                found[id] = user.how, user.path.replace(home + "/", "")
    return found


@pytest.mark.root
@pytest.mark.parametrize(
    ("code", "path", "how", "named"),
    [
        pytest.param("os.chdir(sys.argv[1])", "app/diff", "cwd", "app/diff", id="cwd in diff"),
        pytest.param("os.chdir(sys.argv[1])", "app", "cwd", "app", id="cwd in the layer's directory"),
        pytest.param("os.chdir(sys.argv[1])", "app/merged/sub", "cwd", "app/merged/sub", id="cwd in merged"),
        pytest.param("os.chroot(sys.argv[1])", "app/merged", "root", "app/merged", id="root in merged"),
        pytest.param("file = open(sys.argv[1])", "app/diff/app", "open file", "app/diff/app", id="open in diff"),
        pytest.param(
            "file = open(sys.argv[1])", "app/merged/base", "open file", "app/merged/base", id="open in merged"
        ),
        pytest.param(
            "file = open(sys.argv[1]); os.unlink(sys.argv[1])",
            "app/diff/app",
            "open file",
            "app/diff/app (deleted)",
            id="deleted in diff",
        ),
        pytest.param(
            "file = open(sys.argv[1]); os.unlink(sys.argv[1])",
            "app/merged/base",
            "open file",
            "app/merged/base (deleted)",
            id="deleted in merged",
        ),
        pytest.param(MAP, "app/diff/app", "mapped file", "app/diff/app", id="mapped in diff"),
        pytest.param(MAP, "app/merged/app", "mapped file", "app/merged/app", id="mapped in merged"),
        pytest.param(THREAD_CWD, "app/diff", "cwd", "app/diff", id="cwd of a thread"),
        pytest.param(PRIVATE + "os.chdir(sys.argv[1])", "app/diff", "cwd", "app/diff", id="another namespace, diff"),
        pytest.param(PRIVATE + "os.chdir(sys.argv[1])", "app/merged", "cwd", "app/merged", id="another one, merged"),
        pytest.param(PIVOT, "app/merged", "root", "app/merged", id="a container on merged"),
        pytest.param(PIVOT, "app/merged/sub", "root", "app/merged/sub", id="a container on a directory of merged"),
        pytest.param(PIVOT, "app/diff/sub", "root", "app/diff/sub", id="a container on a directory of diff"),
    ],
)
def test_a_process_is_found_by_what_it_holds(store, run_python, code, path, how, named):
    pid = run_python(code, f"{store.home}/{path}")
    assert how_by_layer(store.home, pid) == {"app": (how, named)}
    assert how_by_layer(store.home, pid, ["app"]) == {"app": (how, named)}
    assert users.users_of_layers(store.home, ["app2", "other"]) == {}


@pytest.mark.root
@pytest.mark.parametrize("place", ["app/diff", "app/diff/sub", "app/merged", "app/merged/sub"])
@pytest.mark.parametrize("before", ["", PRIVATE], ids=["our namespace", "another one"])
@pytest.mark.parametrize(
    ("code", "how"),
    [
        pytest.param("os.chroot(sys.argv[1]); os.chdir('/')", "root", id="root"),
        pytest.param("os.chdir(sys.argv[1]); os.chroot(sys.argv[2])", "cwd", id="cwd"),
        pytest.param("file = os.open(sys.argv[1], os.O_RDONLY); " + CHROOT, "open file", id="open directory"),
        pytest.param("file = os.open(sys.argv[1] + '/file', os.O_CREAT); " + CHROOT, "open file", id="open file"),
        pytest.param(
            "os.close(os.open(sys.argv[1] + '/file', os.O_CREAT)); sys.argv[1] += '/file'\n" + MAP + CHROOT,
            "mapped file",
            id="mapping",
        ),
    ],
)
def test_a_process_behind_a_chroot_is_found(store, run_python, place, before, code, how):
    os.makedirs(f"{store.home}/../jail")
    os.makedirs(f"{store.home}/app/merged/sub", exist_ok=True)
    pid = run_python(f"{before}{code}", f"{store.home}/{place}", f"{store.home}/../jail")
    name = f"{place}/file" if how != "cwd" and "file'" in code else place
    assert how_by_layer(store.home, pid) == {"app": (how, name)}


@pytest.mark.root
@pytest.mark.parametrize("place", ["app/diff/app", "app/merged/app"])
def test_a_file_opened_in_our_namespace_is_found_in_another(store, run_python, tmp_path, place):
    code = "file = open(sys.argv[2])\n" + PIVOT
    pid = run_python(code, str(tmp_path), f"{store.home}/{place}")
    assert how_by_layer(store.home, pid) == {"app": ("open file", place)}


@pytest.mark.root
@pytest.mark.parametrize("before", ["", PRIVATE], ids=["our namespace", "another one"])
def test_a_file_in_a_store_of_the_same_name_is_none_of_ours(store, run_python, before):
    code = f"""{before}
libc.mount(b"none", os.fsencode(sys.argv[1]), b"tmpfs", 0, None)
os.makedirs(sys.argv[1] + "/app/diff")
os.chdir(sys.argv[1] + "/app/diff")
"""
    pid = run_python(code + ("" if before else "libc.umount2(os.fsencode(sys.argv[1]), 2)"), store.home)
    assert how_by_layer(store.home, pid) == ({"app": ("mount", "app/merged")} if before else {})


@pytest.mark.root
def test_what_lies_below_a_later_mount_is_found(store, run_python):
    pid = run_python("os.chdir(sys.argv[1])", f"{store.home}/app/diff/sub")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{store.home}/app/diff"], check=True)
    try:
        assert how_by_layer(store.home, pid) == {"app": ("cwd", "app/diff/sub")}
    finally:
        subprocess.run(["umount", f"{store.home}/app/diff"], check=True)


@pytest.mark.root
def test_a_file_of_a_thread_with_a_table_of_its_own_is_found(store, run_python):
    pid = run_python(THREAD_FILES, f"{store.home}/app/diff/app")
    assert how_by_layer(store.home, pid) == {"app": ("open file", "app/diff/app")}


@pytest.mark.root
def test_a_module_behind_a_chroot_sees_those_outside(store, run_python, python_output):
    code = """
import os, pickle, sys
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import claims, kernel_uses
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import propagation, users
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child, mount, namespace
os.chroot(sys.argv[1])
print({id: [user[2:] for user in found] for id, found in users.users_of_layers("/store").items()})
"""
    top = os.path.dirname(store.home)
    os.makedirs(f"{top}/proc")
    subprocess.run(["mount", "--rbind", "/proc", f"{top}/proc"], check=True)
    for place in ("app/diff", "app/merged"):
        pid = run_python("os.chdir(sys.argv[1])", f"{store.home}/{place}")
        found = python_output(code, top)
        assert f"('cwd', '/store/{place}')" in found
        os.kill(pid, 9)


DEEP = """
os.chdir(sys.argv[1])
for _ in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param("app/diff/sub", "app/diff/sub", id="a layer's directory"),
        pytest.param("app/merged/sub", "app/merged", id="its mount"),
        pytest.param("..", "", id="beside the store"),
        pytest.param("/dev/shm", "", id="another filesystem"),
    ],
)
@pytest.mark.parametrize(
    ("code", "how"),
    [
        pytest.param("", "cwd", id="cwd"),
        pytest.param("fd = os.open('.', os.O_RDONLY); os.chdir('/')", "open file", id="an open directory"),
        pytest.param("fd = os.open('file', os.O_CREAT); os.chdir('/')", "open file", id="an open file"),
        pytest.param("os.chroot('.'); os.chdir('/')", "root", id="root"),
    ],
)
def test_a_path_too_long_to_be_told_keeps_nobody_from_looking(store, run_python, place, expected, code, how):
    top = os.path.join(store.home, place)
    try:
        pid = run_python(f"{DEEP}\n{code}", top)
        found = how_by_layer(store.home, pid)
        if expected == "app/diff/sub" and "file" in code:
            assert found == {}  # that it is a file of this layer cannot be told
            return
        assert list(found) == (["app"] if expected else [])
        for held_how, path in found.values():
            assert held_how == how and path.startswith(expected)
    finally:
        subprocess.run(["rm", "-rf", os.path.join(top, "d" * 250)], check=True)


@pytest.mark.root
@pytest.mark.parametrize(("place", "used"), [("app/diff/sub", True), ("app/merged/sub", True), ("..", False)])
def test_a_program_whose_path_is_too_long_keeps_nobody_from_looking(store, run, place, used):
    code = f"import os, shutil, sys{DEEP}shutil.copy(shutil.which('sleep'), 'program')\n"
    code += "print('ready', flush=True)\nos.execl('program', 'sleep', '600')"
    top = os.path.join(store.home, place)
    try:
        pid = run(sys.executable, "-c", code, top)
        subprocess.run(["sh", "-c", f"until grep -q program /proc/{pid}/comm; do :; done"], check=True)
        assert list(how_by_layer(store.home, pid)) == (["app"] if used else [])
    finally:
        subprocess.run(["rm", "-rf", os.path.join(top, "d" * 250)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("path", ["", "l", ".staging", ".staging/x/diff", ".."])
def test_what_is_no_layer_has_no_users(store, run_python, path):
    pid = run_python("os.chdir(sys.argv[1])", f"{store.home}/{path}")
    assert how_by_layer(store.home, pid) == {}


@pytest.mark.root
def test_a_running_program_is_found(store, run):
    program = f"{store.home}/app/merged/sub/program"
    shutil.copy(shutil.which("sleep"), program)
    pid = run("sh", "-c", f"echo ready; exec {program} 600")
    subprocess.run(["sh", "-c", f"until readlink /proc/{pid}/exe | grep -q program; do :; done"], check=True)
    assert how_by_layer(store.home, pid) == {"app": ("mapped file", "app/merged/sub/program")}


@pytest.mark.root
@pytest.mark.parametrize("source", ["app/diff/sub", "app/merged/sub"])
def test_a_bind_mount_elsewhere_is_seen_through(store, run, tmp_path, source):
    target = tmp_path / "target"
    target.mkdir()
    subprocess.run(["mount", "--bind", f"{store.home}/{source}", target], check=True)
    try:
        pid = run("sh", "-c", f"cd {target}; {SLEEP}")
        by_pid = {user.pid: user for user in users.users_of_layers(store.home, ["app"])["app"]}
        assert by_pid.pop(pid)[2:] == ("cwd", f"{store.home}/{source}")
        ((how, path),) = [user[2:] for user in by_pid.values()]
        assert (how, path) == ("mount", str(target))
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


@pytest.mark.root
def test_a_copy_left_in_another_namespace_is_told_by_its_upper(store, run_python):
    pid = run_python(PIVOT, f"{store.home}/app/merged")
    subprocess.run(["umount", f"{store.home}/app/merged"], check=True)
    assert how_by_layer(store.home, pid) == {"app": ("root", "/")}
    assert [mount.pid for mount in elsewhere.independent_mounts(store.home, "app")] == [pid]


@pytest.mark.root
def test_a_copy_is_a_use_if_it_does_not_go_with_ours(store, run):
    parents = {"private": run("unshare", "--mount", "--propagation", "private", "sh", "-c", SLEEP)}
    parents["slave"] = run("unshare", "--mount", "--propagation", "slave", "sh", "-c", SLEEP)
    found = {user.pid: user.how for user in users.users_of_layers(store.home, ["app"]).get("app", [])}
    assert found[parents["private"]] == "mount"
    (slave,) = [one for one in elsewhere.mounts_elsewhere(store.home)["app"] if one.pid == parents["slave"]]
    assert (parents["slave"] in found) is not slave.goes_with_ours


@pytest.mark.root
def test_we_are_no_user_ourselves(store):
    with open(f"{store.home}/app/diff/app", encoding="ascii"):
        assert users.users_of_layers(store.home) == {}


@pytest.mark.root
@pytest.mark.parametrize("path", ["app", "app/link"])
def test_who_locks_a_layer_or_reads_about_it_is_no_user(store, run_python, path):
    (Path(store.home) / "app/link").write_text("")
    run_python("fd = os.open(sys.argv[1], os.O_RDONLY)", f"{store.home}/{path}")
    assert users.users_of_layers(store.home) == {}


@pytest.mark.root
def test_one_process_uses_many_layers_and_each_once(store, run_python):
    code = "files = [open(path) for path in sys.argv[1:] for _ in range(3)]"
    paths = [f"{store.home}/{id}/diff/{id}" for id in ("base", "app", "other")]
    pid = run_python(code, *paths)
    found = users.users_of_layers(store.home)
    assert sorted(found) == ["app", "base", "other"]
    assert [[user.pid for user in one] for one in found.values()] == [[pid]] * 3


@pytest.mark.root
def test_a_lower_is_not_used_through_the_layer_on_it(store, run_python):
    pid = run_python("file = open(sys.argv[1])", f"{store.home}/app/merged/base")
    assert list(how_by_layer(store.home, pid)) == ["app"]


@pytest.mark.root
@pytest.mark.parametrize("name", ["a b", "a\nb", "a\\b", "\udcff", "a (deleted)"])
@pytest.mark.parametrize("code", ["os.chdir(sys.argv[1])", MAP], ids=["cwd", "mapped"])
def test_names_that_proc_escapes(hand_made_store, run_python, name, code):
    store = hand_made_store(home=name)
    store.add("app")
    path = f"{store.home}/app/diff" + ("/app" if code is MAP else "")
    pid = run_python(code, path)
    assert [user[0:1] + user[3:] for user in users.users_of_layers(store.home)["app"]] == [(pid, path)]


@pytest.mark.root
def test_a_loop_filesystem_and_home_on_its_root(loop_filesystem, run_python):
    home = str(loop_filesystem("ext4"))
    os.makedirs(f"{home}/app/diff")
    pid = run_python("os.chdir(sys.argv[1])", f"{home}/app/diff")
    assert how_by_layer(home, pid) == {"app": ("cwd", "app/diff")}


def test_a_layer_on_the_filesystem_of_all_is_found(layers, run_python):
    pid = run_python("os.chdir(sys.argv[1])", f"{layers.home}/near/diff")
    assert how_by_layer(layers.home, pid) == {"near": ("cwd", "near/diff")}


def user(pid, how="cwd", path="/store/app/diff", command="sleep"):
    return users.User(pid, command, how, path)


@pytest.mark.parametrize(
    ("described", "text"),
    [
        pytest.param([user(123)], "held by pid 123 (sleep) with its cwd in /store/app/diff", id="one"),
        pytest.param(
            [user(1, "root", "/m"), user(2, "mount", "/x"), user(3, "open file", "/f"), user(4, "mapped file", "/g")],
            "held by pid 1 (sleep) with its root in /m, pid 2 (sleep) with a mount of it on /x, "
            "pid 3 (sleep) with an open file, /f, pid 4 (sleep) with a mapped file, /g",
            id="each way",
        ),
        pytest.param(
            [user(1, command="\udcff", path="/a\\b")],
            "held by pid 1 (\\xff) with its cwd in /a\\\\b",
            id="not UTF-8",
        ),
    ],
)
def test_users_are_described(described, text):
    assert users.describe_users(described) == text


def test_many_users_are_counted():
    text = users.describe_users([user(pid) for pid in range(1, 10)])
    assert text.count("pid") == 5
    assert text.endswith(" and 4 more")
