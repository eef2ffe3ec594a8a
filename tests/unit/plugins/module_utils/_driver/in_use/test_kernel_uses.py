# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real loop devices and swap files in layers."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import users

pytestmark = pytest.mark.root


@pytest.fixture
def store(hand_made_store, loop_filesystem):
    """The layer app on base, mounted, on ext4."""
    store = hand_made_store()
    store.home = f"{loop_filesystem('ext4')}/store"
    os.mkdir(store.home), os.mkdir(f"{store.home}/l")
    for id in ("base", "app"):
        store.add(id)
    store.mount("app", "base")
    return store


@pytest.fixture
def loop():
    """Give a function that makes a loop device of a file, with a command in front; detached after the test."""
    devices = []

    def make(path, *before):
        if not os.path.lexists(path):
            with open(path, "wb") as file:
                file.truncate(1 << 20)
        command = [*before, "losetup", "--find", "--show", path]
        devices.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        return devices[-1]

    yield make
    for device in devices:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.parametrize("place", ["app/diff", "app/merged"])
@pytest.mark.parametrize("name", ["image", "an image", "ü\\n\n", "\udcff"])
def test_a_loop_device_uses_its_backing_file(store, loop, place, name):
    path = f"{store.home}/{place}/{name}"
    device = loop(path)
    assert users.users_of_layers(store.home) == {"app": [users.User(0, device, "loop device", path)]}
    assert users.users_of_layers(store.home, ["base"]) == {}
    text = users.describe_users(users.users_of_layers(store.home)["app"])
    assert text.startswith(f"held by {device}, which has {store.home}/{place}/")


@pytest.mark.parametrize("place", ["app/diff", "app/merged"])
def test_a_deleted_backing_file_is_used_all_the_same(store, loop, place):
    path = f"{store.home}/{place}/image"
    device = loop(path)
    os.unlink(path)
    assert users.users_of_layers(store.home) == {"app": [users.User(0, device, "loop device", f"{path} (deleted)")]}


@pytest.mark.parametrize("place", ["app/diff", "app/merged"])
def test_a_backing_file_named_in_another_namespace_is_found(store, loop, run, tmp_path, place):
    sleep = "echo ready; exec sleep 600"
    script = f"mount --bind {store.home}/{place} {tmp_path}; mount -t tmpfs none {store.home}; {sleep}"
    pid = run("unshare", "--mount", "sh", "-euc", script)
    device = loop(
        f"{tmp_path}/image", "nsenter", f"--mount=/proc/{pid}/ns/mnt", "sh", "-c", 'truncate -s 1M "$4"; "$@"', "sh"
    )
    assert (0, device) in [user[:2] for user in users.users_of_layers(store.home)["app"]]


def test_a_name_that_is_another_file_is_no_use(store, loop):
    path = f"{store.home}/app/diff/image"
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{store.home}/app/diff"], check=True)
    try:
        loop(path)
    finally:
        subprocess.run(["umount", "--lazy", f"{store.home}/app/diff"], check=True)
    assert users.users_of_layers(store.home) == {}
    with open(path, "wb"):  # the kernel shows no path of it any more, or this one
        assert users.users_of_layers(store.home) == {}


@pytest.mark.parametrize("name", ["swap", "a b\tc\\\n"])
def test_the_kernel_uses_a_swap_file(store, name):
    path = f"{store.home}/base/diff/{name}"
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4 << 20)
    os.chmod(path, 0o600)
    subprocess.run(["mkswap", path], check=True, capture_output=True)
    swapon = subprocess.run(["swapon", path], check=False, capture_output=True, text=True)
    if swapon.returncode:
        pytest.skip(swapon.stderr.strip())
    try:
        found = users.users_of_layers(store.home)
        assert found == {"base": [users.User(0, "", "swap file", path)]}
        assert users.describe_users(found["base"]).startswith("held by the kernel, which swaps to ")
    finally:
        subprocess.run(["swapoff", path], check=True)
    assert users.users_of_layers(store.home) == {}
