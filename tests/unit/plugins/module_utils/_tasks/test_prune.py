# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_prune on real stores, some of them made up by hypothesis."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.disk_usage import inode_bytes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.state import WantedMount
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import Amount, PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput, StoreForeign, StoreNotFound
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders, staging
from ansible_collections.strata.overlay2.plugins.module_utils._tasks import prune as prune_module
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.mount import MountTask
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.prune import PruneTask, prune_task
from ansible_collections.strata.overlay2.tests import tasks
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.root

HOUR, DAY = 3600, 86400


def add(home, id, parent="", days=0, made=None, size=0):
    """Make a layer with a file of so many bytes, used so many days ago."""
    lowers = ()
    if parent:
        lowers = ((home / parent / "link").read_text(), *_names(home / parent))
        staging.seal_layer(str(home), parent)
    new = staging.NewLayer(id, staging.new_link(), lowers, False)
    room = staging.Staging(str(home))
    staging.stage_layer(room.path, new)
    staging.publish_layer(str(home), room.path, new)
    room.close()
    (home / id / "diff/content").write_bytes(os.urandom(size))
    age(home, id, days, days if made is None else made)


def _names(layer):
    path = layer / "lower"
    return [name[2:] for name in path.read_text().split(":")] if path.exists() else []


def age(home, id, days, made):
    now = time.time()
    os.utime(home / id / "link", (now - made * DAY,) * 2)
    os.utime(home / id / ".strata.json", (now - days * DAY,) * 2)


def look(home, **wanted):
    """Return what check mode tells."""
    task = PruneTask(str(home), PruneOptions(**wanted))
    outcome = tasks.plan(task, predicting=True)
    return tasks.sentences(outcome), task.difference(outcome.have, outcome.plan.after), task.report(outcome)


def prune(home, **wanted):
    """Do it, and return what the run tells."""
    task = PruneTask(str(home), PruneOptions(**wanted))
    outcome = tasks.do(task)
    after, planned = tasks.plan(task).have, outcome.plan.after
    assert sorted(after.found) == sorted(planned.found)
    swept = [found for found in after.litter if found.code != "staging_leftover"]  # these go when all else is done
    assert swept == [found for found in planned.litter if found.code != "staging_leftover"]
    return tasks.sentences(outcome), task.difference(outcome.have, planned), task.report(outcome)


def without_ages(told):
    """What is told but for what the clock changes, and what only the run can know."""
    report = {key: value for key, value in told[2].items() if key != "pending_bytes"}
    report["layers"] = [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in report["layers"]]
    return told[0], told[1], report


def gone(told):
    return [row["id"] for row in told[2]["layers"] if row["decision"] == "remove"]


def rows(told):
    return {row["id"]: row for row in told[2]["layers"]}


def left(home):
    return sorted(name for name in os.listdir(home) if name not in ("l", ".strata.json"))


def allocated(home):
    """The bytes that the files below take, counted by their inodes."""
    found = {}
    for directory, names, files in os.walk(home):
        for name in (*names, *files):
            info = os.lstat(os.path.join(directory, name))
            found[info.st_ino] = info.st_blocks * 512
    return sum(found.values()) + len(found) * inode_bytes(str(home))


@pytest.fixture
def home(tmp_path):
    """base <- tools <- job, and lone; used 9, 7, 5 and 3 days ago."""
    home = tasks.new_store(tmp_path / "store")
    for id, parent, days in (("base", "", 9), ("tools", "base", 7), ("job", "tools", 5), ("lone", "", 3)):
        add(home, id, parent, days, made=days + 10, size=100_000)
    return home


def test_what_is_told_of_a_layer(home):
    told = rows(look(home, unused_for=6 * DAY))
    assert told["job"]["reason"] == "used within unused_for"
    assert [told[id]["parent"] for id in ("base", "tools", "job", "lone")] == ["", "base", "tools", ""]
    for id, depth, days in (("base", 0, 9), ("tools", 1, 7), ("job", 2, 5), ("lone", 0, 3)):
        row = told[id]
        assert (row["depth"], row["unused_seconds"] // HOUR, row["age_seconds"] // HOUR) == (
            depth,
            days * 24,
            days * 24 + 240,
        )
        assert row["inodes"] == len([*(home / id).rglob("*")]) + 1
    assert told["base"]["bytes_exclusive"] == 0 < 100_000 < told["base"]["bytes_shared"]
    assert told["job"]["bytes_shared"] == 0 < 100_000 < told["job"]["bytes_exclusive"]


def test_the_run_is_the_plan_and_happens_once(home, traces):
    before = traces(home, aged=False)
    check = look(home, unused_for=5 * DAY)
    assert traces(home)[0] == before[0]
    assert check[0] == ["remove layer job", "remove layer tools", "remove layer base"]
    assert check[1][0]["layer base"]["committed"] and check[1][1]["layer base"] is None
    taken = allocated(home)
    done = prune(home, unused_for=5 * DAY)
    assert without_ages(done) == without_ages(check)
    assert left(home) == ["lone"] and len(os.listdir(home / "l")) == 1
    assert taken - allocated(home) == pytest.approx(done[2]["remove_bytes"], rel=0.01)
    assert done[2]["pending_bytes"] == check[2]["pending_bytes"] == 0
    assert prune(home, unused_for=5 * DAY)[0] == []


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_what_is_freed_is_what_the_filesystem_gains(loop_filesystem, kind):
    home = tasks.new_store(loop_filesystem(kind) / "store")
    for number in range(4):
        add(home, f"job{number}", days=number, size=3 << 20)
        for small in range(500):
            (home / f"job{number}/diff" / str(small)).write_text("small")
    os.link(home / "job1/diff/content", home / "job1/diff/again")
    os.link(home / "job2/diff/content", home / "job3/diff/again")
    os.link(home / "job0/diff/content", home / "job1/diff/others")

    def free():
        os.sync()
        space = os.statvfs(home)
        return space.f_bfree * space.f_frsize

    before = free()
    told = prune(home, unused_for=DAY)
    assert gone(told) == ["job1", "job2", "job3"]
    assert 3 << 20 <= rows(told)["job1"]["bytes_shared"] <= (3 << 20) + 512
    expected = pytest.approx(told[2]["remove_bytes"], rel=0.01)
    for _unused in range(600):  # XFS frees in the background
        if free() - before == expected:
            break
        time.sleep(0.1)
    assert free() - before == expected


def test_mounted_held_and_busy_layers_stay(hand_made_store, run_python):
    store = hand_made_store()
    home = Path(store.home)
    for id in ("base", "mounted", "held", "busy", "free"):
        store.add(id)
    (home / "mounted/lower").write_text(f"l/{store.links['base']}")
    for id in store.links:
        (home / id / "link").write_text(store.links[id])
    store.mount("mounted", "base")
    holders.write(store.home, "held", ["ci"])
    pid = run_python("os.chdir(sys.argv[1])", str(home / "busy/diff"))
    told = prune(home, unused_for=0)
    assert gone(told) == ["free"]
    reasons = {id: row["reason"] for id, row in rows(told).items()}
    assert reasons["mounted"] == "mounted"
    assert reasons["base"] == "layer mounted, which stays, is built on it"
    assert reasons["held"] == "held by ci"
    assert reasons["busy"].startswith(f"busy: held by pid {pid} (")


def test_a_layer_that_another_run_works_on_is_passed_by(home):
    fd = os.open(home / "job", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        assert gone(look(home, unused_for=0)) == gone(prune(home, unused_for=0)) == ["lone"]
    finally:
        os.close(fd)
    assert gone(prune(home, unused_for=0)) == ["job", "tools", "base"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda layer: (layer / "link").unlink(),
        lambda layer: (layer / "link").write_text(""),
        lambda layer: (layer / ".strata.json").write_text('{"format": 99}'),
    ],
)
def test_a_damaged_layer_stays_with_what_it_is_built_on(home, damage):
    damage(home / "job")
    told = prune(home, unused_for=0)
    assert gone(told) == ["lone"]
    assert rows(told)["job"]["reason"].startswith("damaged: ")


@pytest.mark.parametrize("lower", ["", "l/AAAA", "whole:l/nonsense", "cut"])
def test_where_a_layer_has_lost_what_it_is_built_on_any_other_may_be_that(home, lower):
    whole = (home / "job/lower").read_text()
    (home / "job/lower").write_text(whole[:27] if lower == "cut" else lower.replace("whole", whole))
    told = prune(home, unused_for=0)
    assert gone(told) == []
    assert rows(told)["job"]["reason"].startswith("damaged: ")
    assert rows(told)["lone"]["reason"] == "layer job is damaged, and may be built on it"
    (home / "job/lower").write_text(whole)
    assert gone(prune(home, unused_for=0)) == ["job", "tools", "base", "lone"]


def test_litter_is_swept_and_told(home):
    room = home / ".staging/killed/diff"
    room.mkdir(parents=True)
    (room / "content").write_bytes(os.urandom(50_000))
    inner = home / "job/.staging/killed"
    inner.mkdir(parents=True)
    os.link(home / "job/diff/content", inner / "content")
    (home / "l" / ("A" * 26)).symlink_to("../gone/diff")
    (home / "l" / ("B" * 26)).symlink_to("elsewhere")
    (home / "lone/.strata-holders").write_text(json.dumps({"boot_id": "x", "format": 1, "holders": ["ci"]}))
    check = look(home)
    taken = allocated(home)
    done = prune(home)
    assert without_ages(done) == without_ages(check)
    assert done[0] == [
        "sweep 2 dangling names in l/, 2 leftovers of killed runs, or of deleting, 1 file with dead holders"
    ]
    assert done[1][0] == {"litter dangling_link": 2, "litter dead_holder": 1, "litter staging_leftover": 2}
    assert [(found["code"], found["subject"]) for found in done[2]["litter"]] == [
        ("dangling_link", "A" * 26),
        ("dangling_link", "B" * 26),
        ("staging_leftover", "killed"),
        ("staging_leftover", "job"),
        ("dead_holder", "lone"),
    ]
    assert left(home) == ["base", "job", "lone", "tools"] and len(os.listdir(home / "l")) == 4
    assert not (home / "lone/.strata-holders").exists() and not (home / "job/.staging").exists()
    assert done[2]["remove_bytes"] > 50_000
    assert taken - allocated(home) == pytest.approx(done[2]["remove_bytes"], abs=8192)  # two .staging
    assert prune(home)[0] == []


def test_a_removal_that_was_killed_is_gone_on_with(home):
    room = home / ".staging/killed"
    room.mkdir(parents=True)
    (home / "job").rename(room / "job")
    done = prune(home, unused_for=0)
    assert done[0][:-1] == ["remove layer tools", "remove layer base", "remove layer lone"]
    assert done[0][-1] == "sweep 1 dangling name in l/, 1 leftover of killed runs, or of deleting"
    assert left(home) == [] and os.listdir(home / "l") == []


def test_a_name_that_a_damaged_layer_needs_stays(home):
    shutil.rmtree(home / "base")
    told = prune(home, unused_for=0)
    assert gone(told) == ["lone"] and told[2]["litter"] == []
    assert len(os.listdir(home / "l")) == 3


def test_what_there_is_no_time_to_delete_is_pending(home):
    check = look(home, unused_for=5 * DAY, max_seconds=0)
    done = prune(home, unused_for=5 * DAY, max_seconds=0)
    assert without_ages(done) == without_ages(check) and check[2]["pending_bytes"] is None
    assert left(home) == [".staging", "lone"] and len(os.listdir(home / "l")) == 1
    pending = done[2]["pending_bytes"]
    assert pending == pytest.approx(allocated(home / ".staging"), abs=8192)
    assert pending == pytest.approx(done[2]["remove_bytes"], abs=8192)
    add(home, "new")  # meanwhile the store is as any
    again = prune(home, unused_for=5 * DAY, max_seconds=0)
    assert gone(again) == [] and again[2]["pending_bytes"] == again[2]["remove_bytes"] == pending
    last = prune(home, max_seconds=60)
    assert last[0] == ["sweep 1 leftover of killed runs, or of deleting"]
    assert (last[2]["remove_bytes"], last[2]["pending_bytes"]) == (pending, 0)
    assert left(home) == ["lone", "new"]


def test_where_no_store_is(tmp_path):
    home = tmp_path / "none"
    with pytest.raises(StoreNotFound):
        prune(home)
    actions, _sides, report = look(home, unused_for=0)
    assert (actions, report["layers"], report["pending_bytes"]) == ([], [], 0)
    task = PruneTask(str(home), PruneOptions())
    assert "no store exists" in tasks.plan(task, predicting=True).plan.warnings[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="is not an overlay2 store"):
        prune(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"keep_last": -1}, "keep_last -1: it is negative"),
        ({"max_seconds": -1}, "max_seconds -1: it is negative"),
        ({"keep": ("a", "")}, "keep holds an empty name"),
        ({"match": ("",)}, "match holds an empty name"),
    ],
)
def test_what_cannot_be_meant(home, wanted, message):
    with pytest.raises(InvalidInput, match=message):
        PruneTask(str(home), PruneOptions(**wanted))


@pytest.fixture
def dockers(hand_made_store):
    """The layers base, orphan on it, and half, an unfinished one, of Docker, which knows base."""
    store = hand_made_store(home="docker/overlay2")
    for id in ("base", "orphan"):
        (Path(store.home) / (store.add(id) and id) / "link").write_text(store.links[id])
        os.rmdir(f"{store.home}/{id}/merged")
    Path(store.home, "orphan/lower").write_text(f"l/{store.links['base']}")
    Path(store.home, "half/diff").mkdir(parents=True)
    Path(store.home, "tempdirs").mkdir()
    Path(store.home, "l", "A" * 26).symlink_to("../gone/diff")
    record = Path(store.home, "../image/overlay2/layerdb/sha256/abc/cache-id")
    record.parent.mkdir(parents=True)
    record.write_text("base")
    return Path(store.home), record


REMOVE = {"orphans_only": True, "remove_foreign": True}


def test_orphans_are_reported_and_removed_when_told_so(dockers, traces):
    home, _record = dockers
    before = traces(home)
    told = prune(home, orphans_only=True)
    assert traces(home)[0] == before[0] and told[0] == [] and gone(told) == []
    assert sorted(rows(told)) == ["base", "half", "orphan"]
    assert [id for id, row in rows(told).items() if row["reason"].startswith("orphan")] == ["half", "orphan"]
    assert [found["code"] for found in told[2]["litter"]] == ["dangling_link"]
    check = look(home, **REMOVE)
    done = prune(home, **REMOVE)
    assert without_ages(done) == without_ages(check)
    assert gone(done) == ["orphan", "half"]
    assert left(home) == ["base", "tempdirs"] and len(os.listdir(home / "l")) == 1


def test_orphans_stay_while_the_engine_runs(dockers, run_python):
    home, _record = dockers
    run_python("libc.prctl(15, b'dockerd', 0, 0, 0); os.chdir(sys.argv[1])", str(home.parent / "image"))  # PR_SET_NAME
    assert rows(prune(home))["orphan"]["reason"].endswith("docker runs, so it may just be made")
    for how in (look, prune):
        with pytest.raises(StoreForeign, match="which runs: "):
            how(home, **REMOVE)
    assert left(home) == ["base", "half", "orphan", "tempdirs"] and len(os.listdir(home / "l")) == 3


def test_nothing_goes_while_a_record_cannot_be_read(dockers):
    home, record = dockers
    record.write_text("")
    told = prune(home, **REMOVE)
    assert told[0] == [] and all("cannot be read (" in row["reason"] for row in rows(told).values())


def test_what_is_left_to_delete_in_a_foreign_store_seals_nothing(dockers):
    home, record = dockers
    (home / "top").mkdir()
    Path(record.parent, "../def").mkdir()
    Path(record.parent, "../def/cache-id").write_text("top")
    (home / "top/diff").mkdir()
    (home / "top/lower").write_text((home / "orphan/lower").read_text())
    prune(home, **REMOVE, max_seconds=0)
    assert prune(home, **REMOVE)[2]["pending_bytes"] == 0
    assert left(home) == ["base", "tempdirs", "top"]
    assert not (home / "base/committed").exists()


NUMBER = itertools.count()
IDS = "abcdef"
PLANS = st.lists(  # of a layer: parent, days since use, days since it was made, held
    st.tuples(st.integers(-1, 5), st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=len(IDS)
)
LINKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4)
GLOBS = st.lists(st.sampled_from([*IDS, "[a-c]", "*"]), max_size=2).map(tuple)
WANTED = st.fixed_dictionaries(
    {},
    optional={
        "keep": GLOBS,
        "keep_last": st.integers(0, 3),
        "match": GLOBS,
        "unused_for": st.integers(0, 4).map(lambda days: days * DAY),
        "older_than": st.integers(0, 4).map(lambda days: days * DAY),
        "until_free": st.sampled_from([Amount(0), Amount(100, percent=True)]),
    },
)


@settings(max_examples=60)
@given(PLANS, LINKS, WANTED)
def test_the_laws_on_any_store(tmp_path_factory, plans, links, wanted):
    home = tasks.new_store(tmp_path_factory.getbasetemp() / f"laws-{next(NUMBER)}")
    chains = {}
    held = set()
    for number, (parent, days, made, is_held) in enumerate(plans):
        id = IDS[number]
        on = IDS[parent] if 0 <= parent < number else ""
        chains[id] = (on, *chains[on]) if on else ()
        add(home, id, on, days, made, size=200_000)
        if is_held:
            holders.write(str(home), id, ["x"])
            held.add(id)
        age(home, id, days, made)
    for count, (source, target) in enumerate(links):
        if max(source, target) < len(plans):
            os.link(home / IDS[source] / "diff/content", home / IDS[target] / f"diff/link{count}")
    check = look(home, **wanted)
    assert left(home) == sorted(chains)
    taken = allocated(home)
    done = prune(home, **wanted)
    assert without_ages(done) == without_ages(check)
    going = set(gone(done))
    assert left(home) == sorted(chains.keys() - going)
    assert len(os.listdir(home / "l")) == len(left(home))
    for id in left(home):
        assert not going.intersection(chains[id])
    assert not going & held
    assert not any(fnmatchcase(id, glob) for id in going for glob in wanted.get("keep", ()))
    assert taken - allocated(home) == pytest.approx(done[2]["remove_bytes"], rel=0.01)
    assert prune(home, **wanted)[0] == []
    subprocess.run(["rm", "-r", home], check=True)


def test_the_second_round_of_a_run_keeps_to_max_remove(tmp_path, monkeypatch):
    home = tasks.new_store(tmp_path / "store")
    for id in ("a", "b", "c"):
        add(home, id, size=1_000_000)
    monkeypatch.setattr(prune_module, "settles", lambda _home, _target: False)
    space = os.statvfs(home)
    monkeypatch.setattr(os, "statvfs", lambda _path: space)  # other processes write to this filesystem, too
    enough = Amount(space.f_bavail * space.f_frsize + 500_000)
    first = prune_task(str(home), PruneOptions(until_free=enough, max_remove=Amount(1)))
    outcome = tasks.do(first)
    sides = dict(zip(("before", "after"), first.difference(outcome.have, outcome.after)))
    second = first.next_round(outcome, {**first.report(outcome), "diff": sides})
    have = second.observe(outcome.store, False)._replace(free=0)
    plan = second.plan(have, False)
    assert not plan.actions
    assert "until_free is not reached: max_remove lets no more layers go" in plan.warnings


def test_a_report_tells_the_bytes_of_the_orphans_that_a_removal_would_free(tmp_path):
    home = tasks.new_store(tmp_path / "docker/overlay2")
    (tmp_path / "docker/image/overlay2/layerdb/sha256").mkdir(parents=True)
    add(home, "orphan", size=1_000_000)
    add(home, "young", size=1_000)
    wanted = PruneOptions(orphans_only=True, match=("orphan",))
    told = prune_task(str(home), wanted)
    outcome = tasks.plan(told)
    report = told.report(outcome)
    assert (outcome.plan.actions, report["remove_bytes"]) == ((), 0)
    removal = prune_task(str(home), wanted._replace(remove_foreign=True))
    assert report["orphan_bytes"] == removal.report(tasks.do(removal))["orphan_bytes"] > 1_000_000
    assert prune_task(str(home), wanted).report(tasks.plan(told))["orphan_bytes"] == 0


def test_a_store_of_ours_has_no_orphans(tmp_path):
    home = tasks.new_store(tmp_path / "store")
    add(home, "a", days=9)
    task = prune_task(str(home), PruneOptions(unused_for=DAY, remove_foreign=True))
    assert task.report(tasks.do(task))["orphan_bytes"] == 0


def test_a_dead_job_is_let_go_and_goes_in_one_run(tmp_path, monkeypatch):
    home = tasks.new_store(tmp_path / "home")
    add(home, "base", days=9)
    add(home, "job", "base", days=9)
    for volatile in (False, True):
        tasks.do(MountTask(str(home), WantedMount("job", "ci", volatile=volatile), "mounted"))
        age(home, "job", 9, 9)
        assert prune(home, drop_holders=HOUR)[0] == []
        monkeypatch.setattr(holders, "_now", lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + HOUR + 1)
        said = prune(home, drop_holders=HOUR)[0]
        assert (said[0], said[-1]) == ("unmount layer job", "let go of layer job for ci")
        assert (len(said) == 3) is volatile
        monkeypatch.undo()
        assert not (home / "job/merged").exists()
        assert not (home / "job/work/work/incompat/volatile").exists()
    assert prune(home, unused_for=DAY)[0] == ["remove layer job"]


def test_a_process_in_the_mount_keeps_its_holder(tmp_path):
    home = tasks.new_store(tmp_path / "home")
    add(home, "base")
    add(home, "job", "base")
    tasks.do(MountTask(str(home), WantedMount("job", "ci"), "mounted"))
    with subprocess.Popen(["sleep", "60"], cwd=home / "job/merged") as sleeper:
        try:
            assert prune(home, drop_holders=0)[0] == []
        finally:
            sleeper.kill()
    assert prune(home, drop_holders=0)[0] == ["unmount layer job", "let go of layer job for ci"]


def test_a_mount_on_the_mount_keeps_its_holder(tmp_path):
    home = tasks.new_store(tmp_path / "home")
    add(home, "base")
    (home / "base/diff/dev").mkdir()
    add(home, "job", "base")
    tasks.do(MountTask(str(home), WantedMount("job", "ci"), "mounted"))
    subprocess.run(["mount", "-t", "tmpfs", "none", home / "job/merged/dev"], check=True)
    assert prune(home, drop_holders=0)[0] == []
    subprocess.run(["umount", home / "job/merged/dev"], check=True)
    assert prune(home, drop_holders=0)[0] == ["unmount layer job", "let go of layer job for ci"]
