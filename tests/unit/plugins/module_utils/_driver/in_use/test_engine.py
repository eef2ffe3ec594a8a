# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use.engine import (
    engine_users,
    read_users,
    removal_errors,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles

BEFORE_5_12 = tuple(int(part) for part in os.uname().release.split(".")[:2]) < (5, 12)
NO_OVERLAYS = pytest.mark.skipif(BEFORE_5_12, reason="Linux before 5.12 has no overlays in user namespaces")
NAMESPACES = [
    pytest.param([], id="root"),
    pytest.param(["--user", "--map-root-user"], marks=NO_OVERLAYS, id="user namespace"),
]
CACHE_ID = "image/overlay2/layerdb/sha256/abc/cache-id"


@pytest.fixture
def store(hand_made_store):
    """The layers base and lone of Docker, which knows base, in a filesystem of its own below its data root."""
    store = hand_made_store(home="docker/overlay2")
    store.add("base")
    store.add("lone")
    os.makedirs(f"{store.home}/../image/overlay2/layerdb/sha256/abc")
    Path(store.home, "..", CACHE_ID).write_text("base")
    return store


@pytest.mark.root
def test_what_a_record_names_stays_and_the_rest_may_go(store):
    refusals = removal_errors(LayerFiles(store.home), "docker", ["base", "lone"])
    assert list(refusals) == ["base"]
    assert str(refusals["base"]) == (
        f"cannot remove layer base: the store at {store.home} belongs to docker, and its record {CACHE_ID} names it"
    )
    assert refusals["base"].details == {"home": store.home, "managed_by": "docker"}


@pytest.mark.root
def test_nothing_may_go_while_a_record_cannot_be_read(store):
    Path(store.home, "..", CACHE_ID).write_text("")
    refusals = removal_errors(LayerFiles(store.home), "docker", ["base", "lone"])
    assert sorted(refusals) == ["base", "lone"]
    assert "abc/cache-id cannot be read (it is empty)" in str(refusals["lone"])


@pytest.mark.root
def test_a_needed_layer_is_told_with_the_names_of_its_images_and_containers(store):
    root = Path(store.home, "..")
    images = root / "image/overlay2/imagedb/content/sha256"
    images.mkdir(parents=True)
    image, unnamed = "1" * 64, "2" * 64
    for id in (image, unnamed):
        (images / id).write_text(json.dumps({"rootfs": {"diff_ids": ["sha256:abc"]}}))
    names = {"Repositories": {"app": {"app:latest": f"sha256:{image}"}}}
    (root / "image/overlay2/repositories.json").write_text(json.dumps(names))
    store.add("own")
    mount = root / "image/overlay2/layerdb/mounts/c0ffee"
    mount.mkdir(parents=True)
    (mount / "mount-id").write_text("own")
    (root / "containers/c0ffee").mkdir(parents=True)
    (root / "containers/c0ffee/config.v2.json").write_text('{"Name": "/web"}')
    known = read_users(LayerFiles(store.home), "docker")
    assert known.needed == {"base": f"image app:latest, image {unnamed[:12]}", "own": "container web"}
    assert known.orphans == {"lone"}
    (images / image).unlink()
    (images / unnamed).unlink()
    assert read_users(LayerFiles(store.home), "docker").needed["base"] == f"its record {CACHE_ID} names it"


@pytest.mark.root
def test_what_is_no_layer_stays(store):
    os.mkdir(f"{store.home}/tempdirs")
    assert "it is not a layer" in str(removal_errors(LayerFiles(store.home), "docker", ["tempdirs"])["tempdirs"])


def why(store, engine="docker"):
    users = engine_users(store.home, engine)
    return users.why if users else ""


@pytest.mark.root
@pytest.mark.parametrize(
    ("code", "where"),
    [
        pytest.param("file = open(sys.argv[1] + '/../image/overlay2/layerdb/x', 'w')", "layerdb/x", id="open file"),
        pytest.param("os.chdir(sys.argv[1] + '/../image')", "docker/image", id="cwd"),
        pytest.param("os.chdir(sys.argv[1] + '/base/diff')", "base/diff", id="cwd in a layer"),
        pytest.param("os.chroot(sys.argv[1] + '/base/diff'); os.chdir('/')", "base/diff", id="behind a chroot"),
    ],
)
def test_nothing_may_go_while_the_data_root_is_in_use(store, run_python, code, where):
    assert why(store) == ""
    pid = run_python(code, store.home)
    refusal = removal_errors(LayerFiles(store.home), "docker", ["lone"])["lone"]
    assert f"belongs to docker, and its data root is held by pid {pid} (" in str(refusal)
    assert where in str(refusal)
    assert refusal.hint == f"docker does not seem to run; end the uses of its data root: kill {pid}"


@pytest.mark.root
def test_the_engine_and_its_pid_are_named_first(store, run_python):
    other = run_python("os.chdir(sys.argv[1] + '/base/diff')", store.home)
    engine = run_python(
        "libc.prctl(15, b'dockerd', 0, 0, 0); os.chdir(sys.argv[1])", os.path.dirname(store.home) + "/image"
    )
    with_mount = os.path.join(store.home, "lone", "merged")
    subprocess.run(["mount", "-t", "tmpfs", "none", with_mount], check=True)
    try:
        users = engine_users(store.home, "docker")
        assert users.runs
        assert users.why.startswith(f"which runs: its data root is held by pid {engine} (dockerd) with its cwd in ")
        assert f"pid {other} (" in users.why
        assert users.why.endswith(f"; mounts are left in its data root: tmpfs on {with_mount}")
        assert users.hint == "stop docker: systemctl stop docker.socket docker; then end what it left"
    finally:
        subprocess.run(["umount", with_mount], check=True)


@pytest.mark.root
@pytest.mark.parametrize("options", [["--bind"], ["-t", "tmpfs"]])
def test_a_mount_that_the_engine_left_is_told_as_such(store, options):
    containers = os.path.join(os.path.dirname(store.home), "containers")
    os.mkdir(containers)
    subprocess.run(["mount", *options, containers, containers], check=True)
    try:
        users = engine_users(store.home, "docker")
        assert users.why == f"and mounts are left in its data root: tmpfs on {containers}"
        assert users.hint == f"docker does not seem to run; end the uses of its data root: umount {containers}"
        assert not users.runs
        subprocess.run(users.hint.partition("root: ")[2].split(), check=True)
        assert engine_users(store.home, "docker") is None
    finally:
        subprocess.run(["umount", "--quiet", containers], check=False)


@pytest.mark.root
def test_home_mounted_on_itself_is_no_user(store, run_python):
    subprocess.run(["mount", "--bind", store.home, store.home], check=True)
    try:
        assert why(store) == ""
        code = "libc.unshare(0x20000); libc.mount(b'none', b'/', None, 0x44000, None)"  # a private mount namespace
        run_python(code)
        assert why(store) == ""
        inner = (
            "; libc.mount(os.fsencode(sys.argv[1] + '/lone'), os.fsencode(sys.argv[1] + '/base'), None, 0x1000, None)"
        )
        pid = run_python(code + inner, store.home)
        assert f"held by pid {pid} (" in why(store)
        assert f"with a mount of it on {store.home}/base" in why(store)
        command = f"nsenter --target {pid} --mount umount {store.home}/base"
        assert command in engine_users(store.home, "docker").hint
        subprocess.run(command.split(), check=True)
        assert why(store) == ""
    finally:
        subprocess.run(["umount", store.home], check=True)


@pytest.mark.root
def test_a_relative_overlay_on_merged_is_a_user(store):
    where, names = f"{store.home}/lone", store.links
    os.mkdir(f"{where}/work")
    data = f"lowerdir=l/{names['base']},upperdir=lone/diff,workdir=lone/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", f"{where}/merged"], check=True, cwd=store.home)
    try:
        assert why(store) == f"and mounts are left in its data root: overlay on {where}/merged"
    finally:
        subprocess.run(["umount", f"{where}/merged"], check=True)


@pytest.mark.root
@pytest.mark.parametrize("user", NAMESPACES)
def test_a_layer_in_an_overlay_of_another_namespace_is_a_use(store, run, tmp_path, user):
    os.mkdir(f"{store.home}/lone/work")
    data = f"index=off,lowerdir=l/{store.links['base']},upperdir=lone/diff,workdir=lone/work"
    script = f"cd {store.home}; mount -t overlay -o {data} none {tmp_path}; cd /; echo ready; exec sleep 600"
    pid = run("unshare", *user, "--mount", "--propagation", "private", "sh", "-euc", script)
    assert f"held by pid {pid} (sleep) with a mount of it on {tmp_path}" in why(store)


@pytest.mark.root
@pytest.mark.parametrize("user", NAMESPACES)
def test_names_in_any_overlays_options_are_no_users(store, run, tmp_path, user):
    script = f"""
        mount -t tmpfs none {tmp_path}; cd {tmp_path}; mkdir -p lower upper work merged image overlay2
        mkdir -p base/diff lone/diff
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
        mount -t overlay -o lowerdir=lone/diff:base/diff none overlay2
        mount -t overlay -o lowerdir=overlay2:image none image
        cd /; echo ready; exec sleep 600"""
    run("unshare", *user, "--mount", "sh", "-euc", script)
    assert why(store) == ""


@pytest.mark.root
def test_a_store_on_a_filesystem_of_its_own_may_be_one(store, run_python):
    home = os.path.join(os.path.dirname(os.path.dirname(store.home)), "root", "overlay2")
    os.makedirs(home)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", home], check=True)
    try:
        os.makedirs(f"{home}/lone/diff")
        assert engine_users(home, "docker") is None
        pid = run_python("os.chdir(sys.argv[1] + '/lone/diff')", home)
        assert f"pid {pid} (" in engine_users(home, "docker").why
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
