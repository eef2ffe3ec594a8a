# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_repair on real stores with planted damage."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts import check
from ansible_collections.strata.overlay2.plugins.module_utils._driver.repair.state import Asked
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    InvalidInput,
    LayerInUse,
    ParentMismatch,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.repair import RepairTask
from ansible_collections.strata.overlay2.tests import tasks
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._store import planting

STORES = 40
NAME = "Z" * 26


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(check, "_PAUSE", 0)


def repair(home: Path, **asked) -> RepairTask:
    return RepairTask(str(home), Asked(**asked))


def keys(findings) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in findings]


def converge(home: Path, **asked):
    """Repair a store, and check the laws; return what came of it."""
    planned = tasks.plan(repair(home, **asked), predicting=True)
    before = check.examine_store(str(home))
    done = tasks.do(repair(home, **asked))
    assert tasks.sentences(planned) == tasks.sentences(done)
    assert keys(planned.after.found) == keys(done.after.found)
    assert planned.after.found == done.after.found
    assert tasks.plan(repair(home, **asked)).plan.actions == ()
    left = keys(done.after.found)
    health = check.examine_store(str(home))
    assert keys(health) == left
    assert not any(finding.certain for finding in health)
    if not asked:
        assert [key for key in keys(before) if key not in left] == keys(one for one in before if one.certain)
    return done


@pytest.mark.parametrize("recorded", [False, True], ids=["without records", "with records"])
@pytest.mark.parametrize("number", range(STORES))
def test_what_is_planted_is_restored_byte_for_byte_or_told(tmp_path, recorded, number):
    chance = random.Random(f"disk-{number}")
    planter = planting.Planter(planting.sound_store(chance, recorded=recorded), chance)
    for _damage in range(chance.randint(1, 4)):
        planter.plant(chance.choice((*planting.BY_CRASH, *planting.BY_HAND)))
    planting.write_store(tmp_path / "store", planter.store, planter.link_files)
    planting.write_store(tmp_path / "truth", planter.truth)
    done = converge(tmp_path / "store")
    restored = planting.content_of(tmp_path / "store") == planting.content_of(tmp_path / "truth")
    new_name = any("a new name" in sentence for sentence in tasks.sentences(done))
    looks_sound = {"lower_of_another", "lower_cut_at_a_colon", "lower_lost", "mark_lost", "work_lost", "links_swapped"}
    if not restored and not done.after.found and not new_name:
        assert not recorded or "record_lost" in planter.kinds
        assert looks_sound & set(planter.kinds)


@pytest.fixture
def home(tmp_path, make_chain):
    """The chain base <- mid <- top with records."""
    (tmp_path / "l").mkdir(mode=0o700)
    tmp_path.chmod(0o710)
    (tmp_path / ".strata.json").write_text('{"format": 1}')
    make_chain(tmp_path, "base", "mid", "top")
    parents = {"base": "", "mid": "base", "top": "mid"}
    for id, parent in parents.items():
        sealed = {"committed": True} if id != "top" else {}
        record = {"format": 1, "read_write": id == "top", "parent": parent, "link": link(tmp_path, id), **sealed}
        (tmp_path / id / ".strata.json").write_text(json.dumps(record))
        if sealed:
            (tmp_path / id / "committed").touch()
    return tmp_path


def link(home: Path, id: str) -> str:
    return (home / id / "link").read_text()


def test_a_sound_store_is_left_alone(home, traces):
    before = traces(home)
    done = converge(home)
    assert tasks.sentences(done) == [] and done.after.found == ()
    assert traces(home) == before


def test_lost_names_in_l_are_made_again_with_l(home):
    was = planting.content_of(home)
    shutil.rmtree(home / "l")
    (home / "mid/link").unlink()
    (home / "top/lower").write_text("")
    done = converge(home)
    assert tasks.sentences(done)[0] == "make the directory l of the store again"
    assert planting.content_of(home) == was
    assert stat.S_IMODE((home / "l").stat().st_mode) == 0o700


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def symlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("../base/link")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("part", ["link", "lower"])
@pytest.mark.parametrize(("harm", "restored"), [(fifo, True), (symlink, False), (directory, False)])
def test_what_lies_in_the_place_of_a_file_is_replaced_only_if_it_holds_nothing(home, part, harm, restored):
    was = planting.content_of(home)
    harm(home / "mid" / part)
    done = converge(home)
    assert (planting.content_of(home) == was) is restored
    assert bool(done.after.found) is not restored


def test_a_file_in_the_place_of_work_or_l_is_told(home):
    (home / "top/work").rmdir()
    (home / "top/work").touch()
    assert [finding.code for finding in converge(home).after.found] == ["work_missing"]
    shutil.rmtree(home / "l")
    (home / "l").touch()
    assert [finding.subject for finding in converge(home).after.found] == ["l"]
    (home / "l").unlink()
    (home / "l").mkdir()
    (home / "l/notes").touch()
    assert [finding.code for finding in converge(home).after.found] == ["stranger"]


@pytest.mark.parametrize("where", ["../../../etc/diff", "/{home}/mid/diff", "../mid/diff/", "../mid", "mid"])
def test_a_name_that_is_no_name_of_a_layer_leads_to_it_again(home, where):
    was = planting.content_of(home)
    name = home / "l" / link(home, "mid")
    name.unlink()
    name.symlink_to(where.format(home=home))
    converge(home)
    assert planting.content_of(home) == was


def test_a_seal_and_a_work_directory_are_made_again(home):
    was = planting.content_of(home)
    (home / "base/committed").unlink()
    (home / "top/work").rmdir()
    record = json.loads((home / "top/.strata.json").read_text())
    (home / "top/.strata.json").write_text(json.dumps({**record, "committed": True}))
    done = converge(home)
    assert (
        tasks.sentences(done)
        == [
            "seal layer base again",
            "seal layer top again",
            "make the work directory of layer top again",
        ]
        or len(tasks.sentences(done)) == 3
    )
    (home / "top/committed").unlink()
    assert planting.content_of(home) == was


def test_modes_and_owners_become_as_a_new_store_has_them(home):
    home.chmod(0o755)
    for path in ("l", "top", "mid/work"):
        (home / path).chmod(0o755)
    os.chown(home / "base", 1000, 1000)
    os.chown(home / "top/work", 1000, 1000)
    content = (home / "top/diff").stat()
    converge(home)
    found = {path: (home / path).stat() for path in ("", "l", "top", "mid/work", "base", "top/work")}
    assert {path: stat.S_IMODE(one.st_mode) for path, one in found.items()} == {
        **dict.fromkeys(("", "top", "base"), 0o710),
        **dict.fromkeys(("l", "mid/work", "top/work"), 0o700),
    }
    assert {(one.st_uid, one.st_gid) for one in found.values()} == {(0, 0)}
    assert (home / "top/diff").stat() == content


def test_only_the_layers_asked_for_and_those_below_them_are_repaired(home):
    for id in ("base", "mid", "top"):
        (home / id / "link").write_text("")
    done = tasks.do(repair(home, ids=("mid",)))
    assert done.after.found == () and tasks.plan(repair(home, ids=("mid",))).plan.actions == ()
    assert {finding.subject for finding in done.have.found} == {"base", "mid"}
    assert (home / "top/link").read_text() == "" and link(home, "base") and link(home, "mid")


def test_the_users_word_restores_a_lower_that_nothing_tells(home):
    was = (home / "top/lower").read_bytes()
    (home / "top/lower").unlink()
    (home / "top/.strata.json").unlink()
    (finding,) = converge(home).after.found
    assert not finding.certain and "overlay2_repair repairs it with parents: {top: PARENT}" in finding.hint
    assert converge(home, parents={"top": "mid"}).after.found == ()
    assert (home / "top/lower").read_bytes() == was


def test_the_users_word_against_a_sound_layer_is_refused(home):
    with pytest.raises(ParentMismatch, match="layer top is built on mid, not on base"):
        tasks.plan(repair(home, parents={"top": "base"}))
    with pytest.raises(InvalidInput, match="invalid parent of layer top"):
        repair(home, parents={"top": "../x"})
    with pytest.raises(InvalidInput, match="invalid layer id"):
        repair(home, ids=("l",))


def test_what_loses_something_is_done_only_if_it_is_accepted(home):
    (home / "l" / NAME).symlink_to("../top/diff")
    (home / "mid/.strata.json").write_text("{")
    (home / "top/work/work/incompat/volatile").mkdir(parents=True)
    codes = {"link_astray", "stale_volatile", "store_file_unreadable"}
    done = converge(home)
    assert {finding.code for finding in done.after.found} == codes and tasks.sentences(done) == []
    for code in sorted(codes):
        done = converge(home, accept=frozenset((code,)))
        assert code not in {finding.code for finding in done.after.found}
    assert not os.path.lexists(home / "l" / NAME)
    assert (home / "mid/.strata.json.damaged-1").read_text() == "{"
    record = json.loads((home / "mid/.strata.json").read_text())
    assert record == {"format": 1, "parent": "base", "link": link(home, "mid"), "committed": True}


def test_a_record_of_a_newer_version_is_never_moved(home):
    (home / "mid/.strata.json").write_text('{"format": 99}')
    done = converge(home, accept=frozenset(("store_file_unreadable",)))
    assert [finding.code for finding in done.after.found] == ["store_file_unreadable"]


def test_a_lower_that_no_layer_without_parent_has_is_moved_aside(home):
    was = (home / "top/lower").read_bytes()
    (home / "base/lower").write_bytes(was)
    converge(home)
    assert not (home / "base/lower").exists()
    assert (home / "base/lower.damaged-1").read_bytes() == was


def test_another_engines_store_is_told_and_not_changed(home, traces):
    (home / "mid/link").write_text("")
    (home.parent / "image/overlay2/layerdb").mkdir(parents=True)
    before = traces(home)
    try:
        done = tasks.do(repair(home))
        assert tasks.sentences(done) == []
        assert {(one.repair, one.certain) for one in done.after.found} == {(None, False)}
        with pytest.raises(StoreForeign, match="belongs to docker"):
            tasks.plan(repair(home, foreign=True))
        assert traces(home) == before
    finally:
        shutil.rmtree(home.parent / "image")


def test_no_store_is_no_damage_in_check_mode_only(tmp_path):
    planned = tasks.plan(repair(tmp_path / "none"), predicting=True)
    assert planned.plan.actions == () and "no store exists" in planned.plan.warnings[0]


@pytest.mark.root
def test_a_layer_that_is_written_to_is_refused_and_a_mounted_one_above_is_told(layers):
    layers.add("job", work=True)
    layers.mount("job", "near", "far")
    home = Path(layers.home)
    try:
        for id in ("app", "near", "far", "job"):
            (home / id / "link").write_text(layers.links[id] if id != "far" else "")
            (home / id).chmod(0o710)
        for path in ("", "l", "job/work"):
            (home / path).chmod(0o700)
        done = tasks.do(repair(home))
        assert tasks.sentences(done)[:2] == [
            "write the link file of layer far again",
            "write the lower file of layer near again, which is built on far",
        ]
        assert any("still mounted as before the repair: job" in warning for warning in done.plan.warnings)
        with pytest.raises(LayerInUse, match="cannot repair layer job: it is mounted read-write"):
            (home / "job").chmod(0o755)
            tasks.plan(repair(home))
    finally:
        os.system(f"umount {home}/job/merged")
