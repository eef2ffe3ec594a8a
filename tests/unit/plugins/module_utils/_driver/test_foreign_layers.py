# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.foreign_layers import (
    engine_users,
    removal_refusals,
)

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
    refusals = removal_refusals(store.home, "docker", ["base", "lone"])
    assert list(refusals) == ["base"]
    assert str(refusals["base"]) == (
        f"cannot remove layer base: the store at {store.home} belongs to docker, and its record {CACHE_ID} names it"
    )
    assert refusals["base"].details == {"home": store.home, "managed_by": "docker"}


@pytest.mark.root
def test_nothing_may_go_while_a_record_cannot_be_read(store):
    Path(store.home, "..", CACHE_ID).write_text("")
    refusals = removal_refusals(store.home, "docker", ["base", "lone"])
    assert sorted(refusals) == ["base", "lone"]
    assert "abc/cache-id: it is missing or empty" in str(refusals["lone"])


@pytest.mark.root
def test_what_is_no_layer_stays(store):
    os.mkdir(f"{store.home}/tempdirs")
    assert "it is no layer" in str(removal_refusals(store.home, "docker", ["tempdirs"])["tempdirs"])


@pytest.mark.root
@pytest.mark.parametrize(
    ("code", "where"),
    [
        pytest.param("file = open(sys.argv[1] + '/../image/overlay2/layerdb/x', 'w')", "layerdb/x", id="open file"),
        pytest.param("os.chdir(sys.argv[1] + '/../image')", "docker/image", id="cwd"),
        pytest.param("os.chdir(sys.argv[1] + '/base/diff')", "base/diff", id="cwd in a layer"),
    ],
)
def test_nothing_may_go_while_the_engine_runs(store, run_python, code, where):
    assert engine_users(store.home) == ""
    pid = run_python(code, store.home)
    refusal = removal_refusals(store.home, "docker", ["lone"])["lone"]
    assert f"which runs: its data root is held by pid {pid} (" in str(refusal)
    assert where in str(refusal)
    assert refusal.hint.startswith("stop docker")


@pytest.mark.root
@pytest.mark.parametrize("options", [["--bind"], ["-t", "tmpfs"]])
def test_a_mount_below_the_data_root_is_a_user(store, options):
    containers = os.path.join(os.path.dirname(store.home), "containers")
    os.mkdir(containers)
    subprocess.run(["mount", *options, containers, containers], check=True)
    try:
        assert f"is mounted on {containers}" in engine_users(store.home)
    finally:
        subprocess.run(["umount", containers], check=True)


@pytest.mark.root
def test_home_mounted_on_itself_is_no_user(store, run_python):
    subprocess.run(["mount", "--bind", store.home, store.home], check=True)
    try:
        assert engine_users(store.home) == ""
        code = "libc.unshare(0x20000); libc.mount(b'none', b'/', None, 0x44000, None)"  # a private mount namespace
        run_python(code)
        assert engine_users(store.home) == ""
        inner = (
            "; libc.mount(os.fsencode(sys.argv[1] + '/lone'), os.fsencode(sys.argv[1] + '/base'), None, 0x1000, None)"
        )
        pid = run_python(code + inner, store.home)
        assert f"held by pid {pid} (" in engine_users(store.home)
        assert f"with a mount of it on {store.home}/base" in engine_users(store.home)
    finally:
        subprocess.run(["umount", store.home], check=True)


@pytest.mark.root
def test_a_relative_overlay_on_merged_is_a_user(store):
    where, names = f"{store.home}/lone", store.links
    os.mkdir(f"{where}/work")
    data = f"lowerdir=l/{names['base']},upperdir=lone/diff,workdir=lone/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", f"{where}/merged"], check=True, cwd=store.home)
    try:
        assert engine_users(store.home) == f"overlay is mounted on {where}/merged"
    finally:
        subprocess.run(["umount", f"{where}/merged"], check=True)


@pytest.mark.root
def test_a_store_on_a_filesystem_of_its_own_may_be_one(store, run_python):
    home = os.path.join(os.path.dirname(os.path.dirname(store.home)), "root", "overlay2")
    os.makedirs(home)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", home], check=True)
    try:
        os.makedirs(f"{home}/lone/diff")
        assert engine_users(home) == ""
        pid = run_python("os.chdir(sys.argv[1] + '/lone/diff')", home)
        assert f"pid {pid} (" in engine_users(home)
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
