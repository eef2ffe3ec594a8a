# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overlay2_prune on the directory of containerd's snapshotter, whose databases are written by hand."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import Amount, PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._driver.snapshots import observe
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreForeign, TooManyLayers
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.prune import prune_task
from ansible_collections.strata.overlay2.tests import containerd_records as records
from ansible_collections.strata.overlay2.tests import tasks

pytestmark = pytest.mark.root

REMOVE = PruneOptions(orphans_only=True, remove_foreign=True)
REPORT = PruneOptions(orphans_only=True)
IMAGE = "docker.io/test/app:latest"
KEPT = {"1", "2", "mine"}


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path)


def make_home(tmp_path, version=3, more=()):
    """Make a store with an image of the snapshots 1 and 2, the orphans 7 and new-123, and a stranger."""
    config = {"containerd.io/gc.ref.snapshot.overlayfs": "top"}
    space = records.namespace(
        images={IMAGE: records.image("sha256:config")},
        blobs={"sha256:config": records.blob(10, config)},
        snapshots={
            "base": records.snapshot("default/1/base"),
            "top": records.snapshot("default/2/top", "base"),
            **{key: records.snapshot(f"default/9/{key}") for key in more},
        },
    )
    found = {"default/1/base": records.record(1), "default/2/top": records.record(2, parent="default/1/base")}
    root = tmp_path / "root"
    records.make_root(root, records.metadata(version, default=space), found, ["1", "2", "7", "new-123", "mine"])
    home = root / records.OVERLAYFS
    (home / "snapshots/7/fs").mkdir()
    (home / "snapshots/7/fs/content").write_bytes(b"x" * 100_000)
    return home


@contextlib.contextmanager
def running(home, database):
    """Hold the lock of a database as containerd does, in another process."""
    path = home / "metadata.db" if database == "metadata.db" else home.parent / records.META
    code = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, 2); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline()
        yield process
        process.stdin.close()


def names(home):
    return {path.name for path in (home / "snapshots").iterdir()}


def result(home, wanted, **more):
    task = prune_task(str(home), wanted)
    return task.report(tasks.plan(task, predicting=True))


def decided(home, wanted):
    return {one["id"]: (one["decision"], one["reason"]) for one in result(home, wanted)["layers"]}


def run(home, wanted=REMOVE, predicting=False):
    """Return what a run reports, with its actions and its diff."""
    task = prune_task(str(home), wanted)
    outcome = tasks.plan(task, predicting=True) if predicting else tasks.do(task)
    actions, diff = tasks.sentences(outcome), task.difference(outcome.have, outcome.plan.after)
    return {"changed": bool(actions), "actions": actions, "diff": diff, **task.report(outcome)}


def test_what_no_record_names_goes_and_the_rest_stays(home):
    found = run(home)
    assert (found["changed"], found["pending_bytes"]) == (True, 0)
    assert found["actions"] == [
        "remove snapshots/7, which no record of containerd names",
        "remove snapshots/new-123, which no record of containerd names",
    ]
    assert found["remove_bytes"] == found["orphan_bytes"] > 100_000
    assert names(home) == KEPT
    assert {path.name for path in home.iterdir()} == {"metadata.db", "snapshots"}
    again = run(home)
    assert (again["changed"], again["orphan_bytes"], again["litter"]) == (False, 0, [])


@pytest.mark.parametrize("name", ["io.containerd.snapshotter.v1.native", "moved"])
def test_another_snapshotter_beside_is_not_taken_for_the_overlayfs_whose_records_are_read(home, name):
    """A snapshotter's root_path may lie in the data root, too. There, 7 may be a layer."""
    other = home.parent / name
    shutil.copytree(home, other)
    with pytest.raises(StoreForeign, match="not the directory of its overlayfs snapshotter"):
        run(other)
    assert names(other) == names(home) == {*KEPT, "7", "new-123"}


def test_check_mode_foretells_the_run_and_changes_nothing(home):
    before = sorted((str(path), path.stat().st_mtime_ns) for path in home.rglob("*"))
    told = run(home, predicting=True)
    assert sorted((str(path), path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    done = run(home)
    assert [told[key] for key in ("changed", "actions", "diff")] == [
        done[key] for key in ("changed", "actions", "diff")
    ]


def test_a_report_tells_what_a_removal_would_free_and_who_needs_the_rest(home):
    found = result(home, REPORT)
    assert (found["remove_bytes"], found["pending_bytes"]) == (0, 0)
    assert found["orphan_bytes"] == result(home, REMOVE)["remove_bytes"]
    told = {one["id"]: one for one in found["layers"]}
    assert told["7"]["reason"].startswith("orphan: ")
    assert told["2"]["reason"] == f"containerd needs it: image {IMAGE} in default"
    assert (told["2"]["parent"], told["2"]["depth"], told["2"]["bytes_shared"]) == ("1", 1, 4096)
    assert names(home) == {*KEPT, "7", "new-123"}


@pytest.mark.parametrize("database", ["meta.db", "metadata.db"])
def test_while_another_process_has_a_database_locked_nothing_goes(home, database, monkeypatch):
    monkeypatch.setattr(observe.unneeded, "GRACE", -10)  # otherwise orphans that are new are not told
    with running(home, database) as process:
        with pytest.raises(StoreForeign) as caught:
            result(home, REMOVE)
        assert "locked" in str(caught.value)
        assert (str(process.pid) in str(caught.value)) == (database == "meta.db")
        assert "stop containerd" in caught.value.hint
        assert result(home, REPORT)["orphan_bytes"] > 100_000
    assert names(home) == {*KEPT, "7", "new-123"}
    assert result(home, REMOVE)["orphan_bytes"] > 100_000


def test_while_containerd_runs_a_new_directory_is_not_an_orphan(home):
    with running(home, "meta.db"):
        found = result(home, REPORT)
    assert (found["orphan_bytes"], {one["id"] for one in found["layers"]}) == (0, {"1", "2"})


@pytest.mark.parametrize("database", ["meta.db", "metadata.db"])
def test_a_removal_holds_the_locks_of_both_databases_and_check_mode_holds_none(home, database):
    task = prune_task(str(home), REMOVE)
    with contextlib.ExitStack() as stack:
        task.lock_more(stack, predicting=True)
        assert is_free(home, database)
        task.lock_more(stack, predicting=False)
        assert not is_free(home, database)
        assert task.report(tasks.plan(task))["orphan_bytes"] > 100_000
    assert is_free(home, database)
    with running(home, database), contextlib.ExitStack() as stack:
        task.lock_more(stack, predicting=False)
        assert is_free(home, {"meta.db": "metadata.db", "metadata.db": "meta.db"}[database])


def is_free(home, database):
    """Tell whether a containerd that starts could lock a database now."""
    with open(home / "metadata.db" if database == "metadata.db" else home.parent / records.META) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.parametrize(
    "more",
    [
        {"keep": ("7",)},
        {"match": ("7",)},
        {"keep_last": 1},
        {"unused_for": 5},
        {"older_than": 5},
        {"until_free": Amount(5)},
        {"until_used": Amount(5)},
    ],
)
def test_only_orphans_can_be_selected(home, more):
    with pytest.raises(StoreForeign, match=next(iter(more))):
        prune_task(str(home), REMOVE._replace(**more))
    with pytest.raises(StoreForeign, match="anything but orphans"):
        prune_task(str(home), REMOVE._replace(orphans_only=False))


def test_the_directory_of_the_snapshots_stands_for_the_snapshotter(home):
    assert prune_task(str(home / "snapshots"), REMOVE).home == str(home)


def test_more_orphans_than_max_remove_allows_stay(home):
    with pytest.raises(TooManyLayers):
        result(home, REMOVE._replace(max_remove=Amount(1)))
    assert result(home, REMOVE._replace(max_remove=Amount(2)))["orphan_bytes"]


@pytest.mark.parametrize("cause", ["no meta.db", "damaged", "cut off", "newer schema", "records lost"])
def test_what_cannot_be_read_or_understood_makes_no_orphan(tmp_path, cause):
    home = make_home(
        tmp_path, version=5 if cause == "newer schema" else 3, more=["lost"] if cause == "records lost" else []
    )
    if cause == "no meta.db":
        (home.parent / records.META).unlink()
    elif cause == "damaged":
        (home / "metadata.db").write_bytes(b"\0" * 20_000)
    elif cause == "cut off":
        os.truncate(home.parent / records.META, 8192)
    task = prune_task(str(home), REMOVE)
    outcome = tasks.plan(task)
    assert outcome.plan.actions == ()
    assert "no directory counts as an orphan" in outcome.plan.warnings[0]
    assert task.report(outcome)["orphan_bytes"] is None


def test_an_orphan_that_a_process_or_an_overlay_uses_stays(home):
    with subprocess.Popen(["sleep", "100"], cwd=home / "snapshots/7/fs") as process:
        assert decided(home, REMOVE)["7"][0] == "keep"
        assert f"pid {process.pid} (sleep)" in decided(home, REMOVE)["7"][1]
        process.kill()
    for name in ("lower", "merged"):
        (home.parent / name).mkdir()
    subprocess.run(
        [
            *("mount", "-t", "overlay", "overlay", "-o"),
            f"lowerdir={home.parent}/lower:{home}/snapshots/7/fs",
            str(home.parent / "merged"),
        ],
        check=True,
    )
    try:
        decision, reason = decided(home, REMOVE)["7"]
        assert decision == "keep"
        assert f"{home.parent}/merged" in reason
        assert decided(home, REMOVE)["new-123"][0] == "remove"
    finally:
        subprocess.run(["umount", str(home.parent / "merged")], check=True)
    assert decided(home, REMOVE)["7"][0] == "remove"


def test_deletion_that_runs_out_of_time_goes_on_in_the_next_run_even_with_containerd_running(home):
    found = run(home, REMOVE._replace(max_seconds=0))
    assert found["pending_bytes"] > 100_000
    assert names(home) == KEPT
    with running(home, "meta.db"):
        assert run(home, REPORT)["litter"][0]["code"] == "staging_leftover"
        rest = run(home)
    assert (rest["changed"], rest["pending_bytes"]) == (True, 0)
    assert {path.name for path in home.iterdir()} == {"metadata.db", "snapshots"}


def test_a_store_of_a_user_is_not_touched(home):
    os.chown(home.parent, 12345, 12345)
    with pytest.raises(StoreForeign, match="belongs to a user"):
        result(home, REMOVE)


def test_a_symlink_in_place_of_an_orphan_stays(home, tmp_path):
    shutil.rmtree(home / "snapshots/7")
    (tmp_path / "data").mkdir()
    (home / "snapshots/7").symlink_to(tmp_path / "data")
    found = run(home)
    assert (tmp_path / "data").is_dir()
    assert (home / "snapshots/7").is_symlink()
    assert found["actions"] == ["remove snapshots/new-123, which no record of containerd names"]


def test_ages_are_those_of_the_records(home):
    told = {one["id"]: one["age_seconds"] for one in result(home, REPORT)["layers"]}
    assert abs(told["1"] - (time.time() - records.OLD)) < 100
    assert 0 <= told["7"] < 100
