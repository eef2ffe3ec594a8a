# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import evidence

pytestmark = pytest.mark.root


@pytest.fixture
def run():
    """Give a function that starts a process that waits, and returns it."""
    started = []

    def run(name, *arguments, **more):
        command = [name, "-c", "import time; print(1, flush=True); time.sleep(1000)", *arguments]
        started.append(subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE, **more))
        assert started[-1].stdout.readline()
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("path", "engine"),
    [
        ("io.containerd.metadata.v1.bolt/meta.db", "containerd"),
        ("volumes/metadata.db", "docker"),
        ("buildkitd.lock", "buildkit"),
    ],
)
def test_a_process_that_has_a_database_locked_is_found(tmp_path, path, engine):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    with open(tmp_path / path, "w") as file:
        assert not [one for one in evidence.gather_evidence().holders if one.root == str(tmp_path)]
        fcntl.flock(file, fcntl.LOCK_EX)
        (found,) = (one for one in evidence.gather_evidence().holders if one.root == str(tmp_path))
        status = os.fstat(file.fileno())
    assert (found.pid, found.uid, found.engine) == (os.getpid(), 0, engine)
    assert (found.dev, found.inode) == (status.st_dev, status.st_ino)


def test_an_open_file_that_is_not_locked_and_a_lock_of_another_file_do_not_count(tmp_path):
    (tmp_path / "volumes").mkdir()
    with open(tmp_path / "volumes/metadata.db", "w"), open(tmp_path / "else", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not [one for one in evidence.gather_evidence().holders if one.root == str(tmp_path)]


def test_the_paths_in_the_arguments_of_a_daemon_are_found(run, tmp_path):
    now = time.time()
    process = run(
        "/usr/sbin/dockerd", "--data-root", "/data", "--config-file=etc/x.json", "--feature", "a", cwd=tmp_path
    )
    other = run("k3s-server", "-d", "/k3s", user=12345)
    found = {one.pid: one for one in evidence.gather_evidence().daemons}
    daemon = found[process.pid]
    assert daemon[1:7] == ("dockerd", 0, "/data", f"{tmp_path.resolve()}/etc/x.json", "", True)
    assert abs(daemon.started - now) < 60
    assert found[other.pid][1:4] == ("k3s-server", 12345, "/k3s")


@pytest.mark.parametrize(
    ("command", "words", "root"),
    [
        ("dockerd", ["--data-root", "/x"], "/x"),
        ("dockerd", ["--data-root=/x"], "/x"),
        ("dockerd", ["--data-root=/no", "--data-root", "/x"], "/x"),
        ("dockerd", ["-g", "/x"], "/x"),
        ("dockerd", ["-g/x"], "/x"),
        ("dockerd", ["-g=/x"], "/x"),
        ("dockerd", ["--graph=/x"], "/x"),
        ("containerd", ["--root", "/x", "-c", "/c"], "/x"),
        ("k3s", ["server", "-d/x"], "/x"),
        ("podman", ["--root", "/x", "system", "service"], "/x"),
        ("crio", ["--root=/x"], "/x"),
    ],
)
def test_all_forms_of_an_option_are_read(run, command, words, root):
    process = run(f"/usr/bin/{command}", *words)
    (daemon,) = (one for one in evidence.gather_evidence().daemons if one.pid == process.pid)
    assert (daemon.command, daemon.root) == (command, root)


def test_the_options_of_podman_with_other_meanings_are_no_data_roots(run):
    process = run("podman", "run", "-d", "image", "-c", "/x")
    assert not [one for one in evidence.gather_evidence().daemons if one.pid == process.pid]


def test_a_database_is_found_among_many_locks_and_files(tmp_path):
    (tmp_path / "volumes").mkdir()
    with contextlib.ExitStack() as stack:
        for number in range(500):
            other = stack.enter_context(open(tmp_path / f"file{number}", "w"))
            fcntl.flock(other, fcntl.LOCK_EX)
        file = stack.enter_context(open(tmp_path / "volumes/metadata.db", "w"))
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = subprocess.Popen(["flock", tmp_path / "volumes/metadata.db", "true"])  # "->" in /proc/locks
        try:
            time.sleep(0.2)
            found = [one for one in evidence.gather_evidence().holders if one.root == str(tmp_path)]
        finally:
            waiting.kill()
            waiting.wait()
    assert [one.pid for one in found] == [os.getpid()]


def test_the_environment_of_conmon_names_the_configuration_of_its_storage(run, tmp_path):
    environment = {"CONTAINERS_STORAGE_CONF": "/data/storage.conf", "CONTAINERS_STORAGE_CONF_OVERRIDE": "relative"}
    process = run("conmon", env=environment)
    run("sleeper", env=environment)
    found = [one for one in evidence.gather_evidence().daemons if one.config == "/data/storage.conf"]
    assert [one[:4] for one in found] == [(process.pid, "conmon", 0, "")]


def test_a_mounted_overlay_is_found(tmp_path):
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = ",".join(f"{name}dir={tmp_path}/{name}" for name in ("lower", "upper", "work"))
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(tmp_path / "merged")]
    subprocess.run(command, check=True)
    try:
        (found,) = (one for one in evidence.gather_evidence().overlays if one.upper == f"{tmp_path}/upper")
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)
    assert found == evidence.Overlay(f"{tmp_path}/upper", (f"{tmp_path}/lower",), f"{tmp_path}/merged", None, True)


def test_a_mount_namespace_of_a_user_names_the_user(tmp_path):
    """A user can mount overlays of made-up paths in a user namespace."""
    for name in ("one", "two", "merged"):
        (tmp_path / name).mkdir()
    lowers = f"{tmp_path}/one:{tmp_path}/two"
    script = f"mount -t overlay overlay -o lowerdir={lowers} {tmp_path}/merged && echo 1 && exec sleep 1000"
    command = ["unshare", "--user", "--map-root-user", "--mount", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if not process.stdout.readline():
                pytest.skip("this kernel has no overlays in user namespaces")
            (found,) = (one for one in evidence.gather_evidence().overlays if one.mount_point == f"{tmp_path}/merged")
        finally:
            process.kill()
    assert found.uid == 0
