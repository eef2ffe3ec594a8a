# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job made do with the root disk, and then the disk for the store was mounted over it."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts import status
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.check import examine_store
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.finding import Reporter
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.hidden_mounts import hidden_mounts
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use import elsewhere, users
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store

pytestmark = pytest.mark.root


@pytest.fixture(params=["absolute", "relative"])
def store(hand_made_store, request):
    """A store on a filesystem that was mounted over one with the same layers and links, app there being mounted."""
    store = hand_made_store()
    for id in ("base", "app"):
        store.add(id)
    if request.param == "absolute":
        store.mount("app", "base")
    else:
        data = f"lowerdir=l/{store.links['base']},upperdir=app/diff,workdir=app/work"
        os.mkdir(f"{store.home}/app/work")
        subprocess.run(["mount", "-t", "overlay", "-o", data, "none", "app/merged"], check=True, cwd=store.home)
    over = hand_made_store(home="other")
    if request.param == "relative":
        store.links.clear()  # a store of its own has its own links
    for id in ("base", "app"):
        link = over.add(id)
        if request.param == "relative":
            os.rename(f"{over.home}/l/{link}", f"{over.home}/l/{link[::-1]}")
    subprocess.run(["mount", "--bind", over.home, store.home], check=True)
    yield store
    subprocess.run(["umount", store.home], check=True)


def reported(store, found):
    return Reporter(Store(store.home).files, [found]).report(found)


def test_a_hidden_mount_is_none_of_this_store(store):
    assert Store(store.home).mount("app") is None
    assert status.features(Store(store.home))["mount_count"] == 0
    assert elsewhere.mounts_elsewhere(store.home).get("app", []) == []
    assert users.users_of_layers(store.home) == {}
    assert elsewhere.mounted_in(store.home, ["app", "base"]) == {}


def test_a_hidden_mount_is_told_with_what_hides_it(store):
    (found,) = hidden_mounts(Store(store.home))
    point = f"{store.home}/app/merged"
    assert (found.subject, found.path) == ("app", point)
    told = reported(store, found)
    assert told.message == (
        f"overlay is mounted on {point}, and what was mounted on {store.home} later hides it: it is not this store's"
    )
    assert f"unmount it; then run umount {point}" in told.hint
    (finding,) = [finding for finding in examine_store(store.home) if finding.code == "hidden_mount"]
    assert (finding.subject, finding.path) == ("app", point)


def test_a_layer_is_mounted_over_a_hidden_mount_all_the_same(store):
    subprocess.run(
        ["mount", "-t", "overlay", "-o", "lowerdir=/usr:/etc", "none", f"{store.home}/app/merged"], check=True
    )
    try:
        assert Store(store.home).mount("app") is not None
        assert status.features(Store(store.home))["mount_count"] == 1
        assert elsewhere.independent_mounts(store.home, "app") == []
        (found,) = hidden_mounts(Store(store.home))
        assert f"what was mounted on {store.home} later hides it" in reported(store, found).message
    finally:
        subprocess.run(["umount", f"{store.home}/app/merged"], check=True)


def test_a_mount_hidden_by_one_in_the_store_names_that(store):
    inner = f"{store.home}/base"
    os.makedirs(f"{inner}/diff/deep")
    for path in (f"{inner}/diff/deep", inner):
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
    try:
        found = {one.path: reported(store, one).message for one in hidden_mounts(Store(store.home))}
        assert sorted(found) == [f"{store.home}/app/merged", f"{inner}/diff/deep"]
        assert f"mounted on {inner} later" in found[f"{inner}/diff/deep"]
    finally:
        subprocess.run(["umount", inner], check=True)
        subprocess.run(["umount", f"{inner}/diff/deep"], check=True)


def test_who_is_in_the_store_below_is_in_none_here(store, run_python):
    subprocess.run(["umount", store.home], check=True)
    pids = [run_python("os.chdir(sys.argv[1])", f"{store.home}/app/{name}") for name in ("diff", "merged")]
    pids.append(run_python("file = open(sys.argv[1])", f"{store.home}/base/diff/base"))
    subprocess.run(["mount", "--bind", f"{os.path.dirname(store.home)}/../filesystem1/other", store.home], check=True)
    assert users.users_of_layers(store.home) == {}
    here = run_python("os.chdir(sys.argv[1])", f"{store.home}/app/diff")
    assert {user.pid for user in users.users_of_layers(store.home)["app"]} == {here}
    assert here not in pids


def test_without_anything_hidden_nothing_is_told(hand_made_store):
    store = hand_made_store()
    for id in ("base", "app"):
        store.add(id)
    store.mount("app", "base")
    subprocess.run(["mount", "--bind", f"{store.home}/app/merged", f"{store.home}/app/merged"], check=True)
    assert hidden_mounts(Store(store.home)) == []
