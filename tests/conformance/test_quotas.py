# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's effect of layer limits, on XFS and on ext4, as the filesystems' tools report it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests import modules, quotas
from ansible_collections.strata.overlay2.tests.driver import Driver
from ansible_collections.strata.overlay2.tests.quotas import KIB
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils import conftest

MIB = 1 << 20

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and sets quotas"),
    pytest.mark.skipif(bool(quotas.MISSING), reason=f"needs {', '.join(quotas.MISSING)}"),
]

loop_filesystem = conftest.loop_filesystem  # the fixture


class Limited(Driver):
    """A store on a filesystem of its own that has project quota."""

    def __init__(self, kind: str, mount_point: Path, name: str = "store", **params: t.Any) -> None:
        self.kind, self.mount_point = kind, mount_point
        super().__init__(mount_point / name, **params)

    def make(self, layer_id: str, **params: t.Any) -> dict[str, t.Any]:
        """Have a read-write layer and return it."""
        layer: dict[str, t.Any] = self.ok(overlay2_layer, id=layer_id, read_write=True, **params)["layer"]
        return layer

    def limits(self, layer_id: str) -> tuple[int, int]:
        """Return what the filesystem limits the layer to: KiB and inodes."""
        return quotas.limited(self.mount_point).get(self.project(layer_id), (0, 0))

    def project(self, layer_id: str) -> int:
        return quotas.project(self.home / layer_id)[0]

    def facts(self, *subsets: str) -> dict[str, t.Any]:
        told: dict[str, t.Any] = self.ok(overlay2_facts, gather_subset=list(subsets))["ansible_facts"]["overlay2"]
        return told

    def remount(self) -> None:
        """Mount the filesystem again, so that the kernel reads it from the disk."""
        image = self.mount_point.parent / "image"
        subprocess.run(["umount", self.mount_point], check=True)
        subprocess.run(["mount", "-o", "loop,prjquota", image, self.mount_point], check=True)


@pytest.fixture(params=quotas.MAKING)
def store(request: pytest.FixtureRequest, loop_filesystem: t.Callable[..., Path]) -> t.Iterator[Limited]:
    kind = request.param
    made = Limited(kind, loop_filesystem(kind, *quotas.MAKING[kind], options="prjquota"))
    made.create("base")
    yield made
    made.ok(overlay2_init, state="absent", force=True)
    assert not made.home.exists()


def tar_of(path: Path, **sizes: int) -> str:
    """Write a tar of files of these sizes."""
    with tarfile.open(path, "w") as tar:
        for name, size in sizes.items():
            entry = tarfile.TarInfo(name)
            entry.size = size
            tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return str(path)


def refusal(kind: str) -> str:
    return os.strerror(quotas.REFUSAL[kind])


def test_a_size_is_kept_by_the_kernel_though_ten_times_as_much_is_free(store):
    layer = store.make("job", parent="base", size="2M")
    assert (layer["size_limit"], layer["inodes_limit"]) == (2 * MIB, 0)
    assert quotas.free(store.mount_point)[0] > 10 * 2 * MIB
    written, said = quotas.fill(store.get("job") / "file")
    assert refusal(store.kind) in said
    assert MIB <= written <= 2 * MIB
    used = quotas.report(store.mount_point)[layer["project_id"]]
    told = store.facts("quotas")["quotas"]["layers"]["job"]
    assert told == {
        "project_id": layer["project_id"],
        "size_limit": 2 * MIB,
        "inodes_limit": 0,
        "size_used": used.size_used * KIB,
        "inodes_used": used.inodes_used,
    }
    assert written <= told["size_used"] <= 2 * MIB


def test_a_number_of_inodes_is_kept_by_the_kernel(store):
    layer = store.make("job", parent="base", inodes=40)
    assert (layer["size_limit"], layer["inodes_limit"]) == (0, 40)
    assert quotas.free(store.mount_point)[1] > 10 * 40
    made, said = quotas.make_files(store.get("job"))
    assert refusal(store.kind) in said
    assert 20 <= made < 40  # the layer's own files and directories count, too
    assert quotas.report(store.mount_point)[layer["project_id"]].inodes_used == 40


def test_root_is_limited_through_the_mount_on_ext4_too(store):
    """Overlayfs writes with the mounter's credentials, without CAP_SYS_RESOURCE (Linux: fs/overlayfs/super.c)."""
    store.make("job", parent="base", size="2M")
    command = ["dd", "if=/dev/zero", f"of={store.get('job')}/file", "bs=64k", "count=100", "conv=fsync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert refusal(store.kind) in done.stderr


@pytest.mark.parametrize("size", ["1", "511", "513", "4097", "1.5M"])
def test_a_size_is_rounded_up_and_twice_is_once(store, size):
    wanted = int(float(size[:-1]) * MIB) if size.endswith("M") else int(size)
    layer = store.make("job", parent="base", size=size)
    assert wanted <= layer["size_limit"] < wanted + 4096
    assert store.limits("job")[0] > 0
    assert not store.ok(overlay2_layer, id="job", read_write=True, size=size)["changed"]
    store.remount()
    again = store.ok(overlay2_layer, id="job", read_write=True, size=size)
    assert not again["changed"]
    assert wanted <= again["layer"]["size_limit"] < wanted + 4096
    assert store.limits("job")[0] > 0


@pytest.mark.parametrize("params", [{"size": "3M", "inodes": 50}, {"storage_opts": ["overlay2.size=3M"]}])
def test_new_read_write_layers_have_the_limits_of_the_store(store, params):
    store.make("before", parent="base")
    inodes = params.get("inodes", 0)
    assert store.ok(overlay2_init, **params)["changed"]
    assert not store.ok(overlay2_init, **params)["changed"]
    layer = store.make("after", parent="base")
    assert (layer["size_limit"], layer["inodes_limit"]) == (3 * MIB, inodes)
    store.make("other", parent="base", size="4M")
    store.make("free", parent="base", size="0", inodes=0)
    store.create("sealed", "base")
    expected = {"before": (0, 0), "after": (3072, inodes), "other": (4096, inodes), "free": (0, 0), "sealed": (0, 0)}
    assert {layer_id: store.limits(layer_id) for layer_id in expected} == expected
    assert store.ok(overlay2_init, size="5M")["changed"]
    assert {layer_id: store.limits(layer_id) for layer_id in expected} == expected
    assert not store.ok(overlay2_layer, id="after", parent="base", read_write=True)["changed"]


def test_a_limit_is_changed_and_lifted(store):
    store.make("job", parent="base", size="2M", inodes=40)
    root = store.get("job")
    quotas.fill(root / "file")
    for params, limits in (
        ({"size": "4M"}, (4096, 40)),
        ({"inodes": 50}, (4096, 50)),
        ({"inodes": 0}, (4096, 0)),
        ({"size": "1M"}, (1024, 0)),  # below what it holds: no more until there is less
        ({"size": "0"}, (0, 0)),
    ):
        before = quotas.report(store.mount_point)
        call = {"id": "job", "read_write": True, "_ansible_diff": True, **params}
        predicted = store.run(overlay2_layer, _ansible_check_mode=True, **call)
        assert quotas.report(store.mount_point) == before
        changed = store.ok(overlay2_layer, **call)
        assert changed["changed"] and changed["actions"]
        assert [predicted[key] for key in ("changed", "actions", "diff")] == [
            changed[key] for key in ("changed", "actions", "diff")
        ]
        assert store.limits("job") == limits
        assert (changed["layer"]["size_limit"], changed["layer"]["inodes_limit"]) == (limits[0] * KIB, limits[1])
        assert not store.ok(overlay2_layer, **call)["changed"]
    (root / "more").write_bytes(bytes(3 * MIB))
    store.make("job", size="6M", inodes=60)
    used = quotas.report(store.mount_point)[store.project("job")]
    assert used.size_used > 4 * KIB and used.size_limit == 6 * KIB  # what was there before counts


def test_a_layer_that_had_no_limit_gets_one(store):
    store.make("job", parent="base")
    root = store.get("job")
    (root / "dir").mkdir()
    (root / "dir" / "file").write_bytes(bytes(MIB))
    store.make("job", size="2M")
    assert MIB <= quotas.report(store.mount_point)[store.project("job")].size_used * KIB <= 2 * MIB
    written, said = quotas.fill(root / "dir" / "more")
    assert refusal(store.kind) in said
    assert written <= MIB


def test_a_removed_layer_leaves_no_limit_and_one_made_again_has_one(store):
    store.make("job", parent="base", size="2M", inodes=40)
    quotas.fill(store.get("job") / "file")
    store.put("job")
    store.remove("job")
    assert quotas.report(store.mount_point) == {}
    store.make("job", parent="base", size="3M")
    assert list(quotas.limited(store.mount_point).values()) == [(3072, 0)]
    written, said = quotas.fill(store.get("job") / "file")
    assert refusal(store.kind) in said
    assert 2 * MIB < written <= 3 * MIB


def test_ids_that_others_use_are_left_to_them(store):
    first = store.make("first", parent="base", size="2M")["project_id"]
    taken = range(first + 1, first + 40)
    for number in taken:
        if number % 2:
            directory = store.mount_point / f"other-{number}"
            directory.mkdir()
            quotas.set_project(directory, number)
        else:
            quotas.set_limits(store.mount_point, number, 1024 + number, 0)
    limits = quotas.limited(store.mount_point)
    second = Limited(store.kind, store.mount_point, "second")
    made = [first]
    for number in range(4):
        made += [store.make(f"new-{number}", parent="base", size="2M")["project_id"]]
        made += [second.make(f"new-{number}", size="2M")["project_id"]]
    assert len(set(made)) == len(made) and not set(made) & {0, *taken}
    store.remove("new-1")
    second.ok(overlay2_init, state="absent", force=True)
    found = quotas.limited(store.mount_point)
    assert {number: found.get(number) for number in limits} == limits


def test_a_home_that_lies_in_a_project_keeps_it_and_gives_it_to_no_layer(loop_filesystem):
    for kind, arguments in quotas.MAKING.items():
        mount_point = loop_filesystem(kind, *arguments, options="prjquota")
        home = mount_point / "store"
        home.mkdir()
        quotas.set_project(home, 70)
        store = Limited(kind, mount_point)
        store.create("base")
        assert quotas.project(home) == (70, False)
        assert store.make("job", parent="base", size="2M")["project_id"] not in (0, 70)
        tar = tar_of(mount_point / "layer.tar", file=1000)
        store.ok(overlay2_diff, id="job", state="applied", src=tar, remote_src=True)
        store.ok(overlay2_diff, id="job", state="applied", src=tar, remote_src=True, merge=True)
        store.remove("job")
        store.ok(overlay2_init, state="absent", force=True)


def test_content_counts_and_more_than_the_limit_is_refused(store):
    job = store.make("job", parent="base", size="2M")
    small = tar_of(store.mount_point / "small.tar", file=MIB // 2)
    large = tar_of(store.mount_point / "large.tar", file=MIB // 2, more=3 * MIB)
    store.ok(overlay2_diff, id="job", state="applied", src=small, remote_src=True)
    for path in (store.home / "job" / "diff", store.home / "job" / "diff" / "file", store.home / "job" / "work"):
        assert quotas.project(path)[0] == job["project_id"], path
    before = quotas.report(store.mount_point)
    assert before[job["project_id"]].size_used >= 512
    for merge in (False, True):
        refused = modules.run_module(
            overlay2_diff.main,
            {
                "home": str(store.home),
                "id": "job",
                "state": "applied",
                "src": large,
                "remote_src": True,
                "merge": merge,
            },
            quotas.lose_capability,
        )
        assert refused is not None
        assert refused.get("error") == "no_space", refused
        assert "job" in refused["msg"] and str(2 * MIB) in json.dumps(refused), refused
        assert os.listdir(store.home / "job" / "diff") == ["file"]
        assert quotas.report(store.mount_point) == before
        assert store.facts("health")["health"] == []
    store.ok(overlay2_diff, id="job", state="applied", src=small, remote_src=True, merge=True)


def test_a_damaged_layer_and_a_mounted_one_cost_the_others_nothing(store):
    store.make("mounted", parent="base", size="2M")
    store.get("mounted")
    store.make("damaged", parent="base", size="2M")
    (store.home / "damaged" / "link").unlink()
    (store.home / "no-layer").write_text("a file")
    ids = {store.project("mounted"), store.project("damaged")}
    job = store.make("job", parent="base", size="2M")
    assert job["project_id"] not in ids
    assert store.limits("job") == (2048, 0)
    told = store.facts("quotas", "health")
    assert {"mounted", "job"} <= told["quotas"]["layers"].keys()
    assert told["quotas"]["leaked"] == []
    assert not any(finding["code"] == "leaked_project" for finding in told["health"])
    store.ok(overlay2_prune)
    assert len(quotas.limited(store.mount_point)) == 3
    (store.home / "no-layer").unlink()


def test_check_mode_says_what_will_be_and_changes_nothing(store):
    before = quotas.report(store.mount_point)
    call = {"id": "job", "parent": "base", "read_write": True, "size": "2M", "inodes": 40, "_ansible_diff": True}
    predicted = store.ok(overlay2_layer, _ansible_check_mode=True, **call)
    assert quotas.report(store.mount_point) == before
    made = store.ok(overlay2_layer, **call)
    for key in ("changed", "actions", "diff"):
        assert predicted[key] == made[key]
    assert predicted["layer"]["project_id"] is None
    assert predicted["layer"]["size_limit"] == made["layer"]["size_limit"] == 2 * MIB
    assert "project" not in json.dumps(made["diff"])
    call = {"id": "job", "state": "absent", "_ansible_diff": True}
    predicted = store.ok(overlay2_layer, _ansible_check_mode=True, **call)
    assert store.limits("job") == (2048, 40)
    assert predicted["diff"] == store.ok(overlay2_layer, **call)["diff"]


def test_limits_of_a_layer_that_is_gone_are_litter(store):
    leaked = store.make("job", parent="base", size="2M")["project_id"]
    store.make("stays", parent="base", size="2M")
    shutil.rmtree(store.home / "job")
    quotas.set_limits(store.mount_point, 1000, 3000, 0)  # somebody else's, who has no file yet
    told = store.facts("quotas", "health")
    assert len(told["quotas"]["leaked"]) == 1
    assert str(leaked) in json.dumps(told["quotas"]["leaked"])
    found = [finding for finding in told["health"] if finding["code"] == "leaked_project"]
    assert len(found) == 1 and found[0]["subject"] == str(leaked), found
    before = quotas.limited(store.mount_point)
    assert store.ok(overlay2_prune, _ansible_check_mode=True)["changed"]
    assert quotas.limited(store.mount_point) == before
    assert store.ok(overlay2_prune)["litter"]
    before.pop(leaked)
    assert quotas.limited(store.mount_point) == before
    assert store.facts("quotas")["quotas"]["leaked"] == []
    assert not store.ok(overlay2_prune)["changed"]


def test_without_project_quota_a_limit_is_refused_and_nothing_is_made(loop_filesystem):
    mount_point = loop_filesystem("ext4")
    store = Limited("ext4", mount_point)
    refused = store.run(overlay2_layer, id="job", read_write=True, size="2M")
    assert refused["error"] == "quota_not_supported" and "prjquota" in refused["hint"]
    assert not (store.home / "job").exists()
    refused = store.run(overlay2_init, size="2M")
    assert refused["error"] == "quota_not_supported"
    store.ok(overlay2_layer, id="job", read_write=True, size="0", inodes=0)
    store.ok(overlay2_init, state="absent", force=True)


def hint_followed(store: Limited, finding: dict[str, t.Any]) -> None:
    """Run the command in the hint of a finding."""
    subprocess.run(["sh", "-ec", finding["hint"].split("`")[1]], check=True)


def not_leaked(store: Limited) -> list[dict[str, t.Any]]:
    return [finding for finding in store.facts("health")["health"] if finding["code"] != "leaked_project"]


def test_two_layers_in_one_project_are_found_and_the_hint_parts_them(store):
    first = store.make("first", parent="base", size="2M")["project_id"]
    store.make("second", parent="base", size="3M")
    for layer, count in (("first", 1), ("second", 2)):
        store.ok(
            overlay2_diff,
            id=layer,
            state="applied",
            remote_src=True,
            src=tar_of(store.mount_point / f"{layer}.tar", **{f"file{number}": MIB // 2 for number in range(count)}),
        )
    assert store.facts("health")["health"] == []
    subprocess.run(["chattr", "-R", "-p", str(first), str(store.home / "second")], check=True)
    [found] = not_leaked(store)  # the project of its own, now without a file, has leaked
    assert (found["code"], found["subject"], found["certain"]) == ("project_doubled", "second", False)
    assert str(first) in found["message"] and "first" in found["message"]
    hint_followed(store, found)
    store.make("second", parent="base", size="3M")
    assert not_leaked(store) == []
    assert store.project("first") == first != store.project("second")
    told = quotas.report(store.mount_point)
    assert told[first].size_used < MIB // KIB <= told[store.project("second")].size_used
    assert store.limits("second") == (3072, 0)


@pytest.mark.parametrize("part", ["diff", "work"])
def test_a_directory_out_of_its_layers_project_is_found_and_the_hint_puts_it_back(store, part):
    job = store.make("job", parent="base", size="2M")["project_id"]
    subprocess.run(["chattr", "-R", "-p", "0", str(store.home / "job" / part)], check=True)
    (found,) = store.facts("health")["health"]
    assert (found["code"], found["subject"], found["certain"]) == ("project_lost", "job", False)
    assert found["path"] == str(store.home / "job" / part)
    hint_followed(store, found)
    assert quotas.project(store.home / "job" / part) == (job, True)
    assert store.facts("health")["health"] == []
    written, said = quotas.fill(store.get("job") / "file")
    assert refusal(store.kind) in said and written <= 2 * MIB
