# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays made in the ways that users and strangers make them: which are taken for a layer's use."""

from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import elsewhere, users

pytestmark = pytest.mark.skipif(
    tuple(int(part) for part in os.uname().release.split(".")[:2]) < (5, 12),
    reason="Linux before 5.12 has no overlays in user namespaces, and does not tell their inode without asking",
)
SLEEP = "; cd /; echo ready; exec sleep 600"
TRUSTED = ("unshare", "--mount")
STRANGER = ("unshare", "--user", "--map-root-user", "--mount")
# A store of his own, in a directory $2: $1 is home, and the links of base and app are theirs, which mountinfo shows.
HIS = """
mount -t tmpfs none $2; cd $2; mkdir -p l base/diff app/diff app/work lower upper work v m
ln -s ../base/diff l/$BASE; ln -s ../app/diff l/$APP
"""


@pytest.fixture
def store(hand_made_store):
    store = hand_made_store()
    for id in ("base", "app", "lower", "upper"):
        store.add(id)
    os.mkdir(f"{store.home}/app/work")
    return store


@pytest.fixture
def uses(store, run, tmp_path, monkeypatch):
    """Give a function that runs a script in namespaces and returns which layers its mounts are told to show."""
    (tmp_path / "his").mkdir()
    for id in ("base", "app"):
        monkeypatch.setenv(id.upper(), store.links[id])

    def look(namespace, script):
        pid = run(
            *namespace,
            "sh",
            "-euc",
            script.strip().replace("\n", "; ") + SLEEP,
            "sh",
            store.home,
            str(tmp_path / "his"),
        )
        found = elsewhere.mounts_elsewhere(store.home)
        return {id: one.shows for id in found for one in found[id] if one.pid == pid}

    return look


@pytest.mark.root
@pytest.mark.parametrize("namespace", [TRUSTED, STRANGER], ids=["root", "user namespace"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param("lowerdir=lower,upperdir=upper,workdir=work", id="bare names of layers"),
        pytest.param("lowerdir=l/$BASE,upperdir=app/diff,workdir=app/work", id="a link of ours, and a relative upper"),
        pytest.param("lowerdir=app/diff:base/diff", id="relative lowers"),
        pytest.param("lowerdir=l/$APP:l/$BASE", id="links of ours"),
        pytest.param("lowerdir=$2/l/$APP:$2/l/$BASE", id="absolute links of ours"),
        pytest.param("lowerdir=$2/app/diff:$2/base/diff", id="absolute names elsewhere"),
    ],
)
def test_names_that_mean_another_store_pin_nothing(uses, namespace, options):
    assert uses(namespace, f"{HIS}mount -t overlay -o {options} none m") == {}


@pytest.mark.root
def test_a_link_below_an_upper_of_his_pins_nothing(uses):
    assert uses(STRANGER, f"{HIS}mount -t overlay -o lowerdir=l/$BASE,upperdir=v,workdir=work none m") == {}


@pytest.mark.root
@pytest.mark.parametrize("namespace", [TRUSTED, STRANGER], ids=["root", "user namespace"])
@pytest.mark.parametrize("lowers", ["$1/base/diff", "$1/l/$BASE", "l/$BASE"])
def test_names_that_lead_to_us_only_now_pin_nothing(uses, namespace, lowers):
    script = f"""
mount -t tmpfs none $1
mkdir -p $1/l $1/base/diff $1/app/diff $1/app/work; ln -s ../base/diff $1/l/$BASE
cd $1; mount -t overlay -o lowerdir={lowers},upperdir=$1/app/diff,workdir=$1/app/work none $2; cd /
umount -l $1
"""
    assert uses(namespace, script) == {}


@pytest.mark.root
@pytest.mark.parametrize("namespace", [TRUSTED, STRANGER], ids=["root", "user namespace"])
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        pytest.param("lowerdir=$1/l/$BASE,upperdir=$1/app/diff,workdir=$1/app/work", {"app": "merged"}, id="upper"),
        pytest.param("lowerdir=l/$BASE,upperdir=app/diff,workdir=app/work", {"app": "merged"}, id="relative upper"),
        pytest.param("lowerdir=base/diff,upperdir=app/diff,workdir=app/work", {"app": "merged"}, id="all relative"),
        pytest.param("lowerdir=app/diff:base/diff", {"app": "lower", "base": "lower"}, id="relative lowers"),
        pytest.param("lowerdir=l/$APP:l/$BASE", {"app": "lower"}, id="relative links"),
        pytest.param("lowerdir=$1/app/diff:$1/base/diff", {"app": "lower", "base": "lower"}, id="absolute lowers"),
        pytest.param("lowerdir=$2:$1/base/diff", {"base": "lower"}, id="a lower below another's"),
        pytest.param("lowerdir=/proc/self/cwd/app/diff:$1/lower/diff", {"app": "lower", "lower": "lower"}, id="magic"),
        pytest.param(
            "lowerdir=$2/link/app/diff:$2/link/lower/diff", {"app": "lower", "lower": "lower"}, id="by a symlink"
        ),
    ],
)
def test_a_real_use_is_told_whose_namespace_ever_it_is(uses, namespace, options, shown):
    script = f"cd $1; ln -s $1 $2/link; mkdir $2/m; mount -t overlay -o index=off,{options} none $2/m"
    assert uses(namespace, script) == shown


@pytest.mark.root
@pytest.mark.parametrize("namespace", [TRUSTED, STRANGER], ids=["root", "user namespace"])
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("lowerdir=$1/l/$BASE,upperdir=$1/app/diff,workdir=$1/app/work", "merged"),
        ("lowerdir=$1/app/diff:$1/base/diff", "lower"),
    ],
)
def test_a_container_that_left_the_hosts_root_is_seen(store, run, tmp_path, namespace, options, shown):
    code = """
import ctypes, os, subprocess, sys, time
home, his, options = sys.argv[1:]
subprocess.run(["mount", "-t", "overlay", "-o", options, "none", his], check=True)
libc = ctypes.CDLL(None)
os.chdir(his)
libc.syscall(ctypes.c_long({"x86_64": 155, "aarch64": 41}[os.uname().machine]), b".", b".")  # pivot_root
libc.umount2(b".", 2)  # MNT_DETACH
os.chdir("/")
print("ready", flush=True)
time.sleep(600)
"""
    options = options.replace("$1", store.home).replace("$BASE", store.links["base"])
    pid = run(*namespace, sys.executable, "-c", code, store.home, str(tmp_path), f"index=off,{options}")
    assert [mount.shows for mount in elsewhere.mounts_elsewhere(store.home)["app"] if mount.pid == pid] == [shown]
    assert pid in {user.pid for user in users.users_of_layers(store.home)["app"]}


@pytest.mark.root
def test_upper_with_index_is_known_by_its_inode(uses):
    options = "index=on,lowerdir=base/diff,upperdir=app/diff,workdir=app/work"
    assert uses(TRUSTED, f"cd $1; mkdir $2/m; mount -t overlay -o {options} none $2/m") == {"app": "merged"}
