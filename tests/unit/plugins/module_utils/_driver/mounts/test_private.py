# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers as a mount shows them: what is seen, and that nobody else sees it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.private import merged_view
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes mounts"),
]


def chain(store):
    """Have the hand-made layers app on near on far; return the state of app."""
    lower = f"l/{store.links['near']}:l/{store.links['far']}"
    for id, lowers in (("app", lower), ("near", lower.partition(":")[2])):
        with open(f"{store.home}/{id}/lower", "x", encoding="ascii") as file:
            file.write(lowers)
    for id in ("app", "near", "far"):
        with open(f"{store.home}/{id}/link", "x", encoding="ascii") as file:
            file.write(store.links[id])
    return LayerState("app", store.links["app"], ("near", "far"))


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read()


def test_it_shows_the_layer_and_all_below_and_cannot_be_written(layers):
    before = mounts()
    app = chain(layers)
    os.mknod(f"{layers.home}/app/diff/far", 0o020000, 0)
    with merged_view(layers.home, app, ["index=off"]) as fd:
        assert sorted(os.listdir(fd)) == ["app", "near"]
        assert mounts() == before
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("new", dir_fd=fd)
        path = f"/proc/self/fd/{fd}"
        assert os.listxattr(f"{path}/near") == []
    assert mounts() == before
    assert sorted(os.listdir(f"{layers.home}/app/diff")) == ["app", "far"]


def test_a_layer_without_lowers_is_its_own_directory(layers):
    with merged_view(layers.home, LayerState("far", layers.links["far"], ()), []) as fd:
        assert os.path.samestat(os.fstat(fd), os.stat(f"{layers.home}/far/diff"))


def test_a_mounted_layer_is_read_through_its_mount(layers):
    app = chain(layers)._replace(mounted=True)
    merged = layers.mount("app", "near", "far")
    with merged_view(layers.home, app, []) as fd:
        assert os.fstat(fd).st_dev == os.stat(merged).st_dev


def test_a_damaged_chain_is_not_mounted(layers):
    app = chain(layers)
    os.unlink(f"{layers.home}/l/{layers.links['far']}")
    with pytest.raises(StoreCorrupt, match="lower"), merged_view(layers.home, app, []):
        pass


def test_a_refused_mount_names_the_layer_and_the_kernels_reason(layers):
    app = chain(layers)
    before = mounts()
    with pytest.raises(OSError) as caught, merged_view(layers.home, app, ["nosuch=1"]):
        pass
    assert caught.value.filename == f"{layers.home}/app"
    assert caught.value.strerror in (
        "Invalid argument",  # before Linux 6.5
        "Invalid argument (overlay: Unknown parameter 'nosuch')",
    )
    assert mounts() == before
