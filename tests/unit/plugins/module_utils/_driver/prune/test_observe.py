# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.observe import (
    observe_to_prune,
    pending_bytes,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.plan import plan_prune
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.sizes import Sizes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.sweep import Sweep
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store

pytestmark = pytest.mark.root

_on_scan = None


def _hook(event, arguments):
    if _on_scan is not None and event == "os.scandir" and isinstance(arguments[0], int):
        _on_scan(Path(os.readlink(f"/proc/self/fd/{arguments[0]}")))


sys.addaudithook(_hook)  # there is no way to take one away


@pytest.fixture
def scanned():
    """Give a function that has another called with each directory that is about to be listed during a test."""

    def call(function):
        global _on_scan
        _on_scan = function

    yield call
    call(None)


@pytest.fixture
def home(layers, tmp_path):
    """far <- near <- app, each with a name, and a time when it was made."""
    home = tmp_path / "store"
    lower = ""
    for days, id in enumerate(("far", "near", "app")):
        (home / id / "link").write_text(layers.links[id])
        os.utime(home / id / "link", (time.time() - days * 86400,) * 2)
        if lower:
            (home / id / "work").mkdir()
            os.utime(home / id / "work", (time.time() - days * 86400,) * 2)
            (home / id / "lower").write_text(lower)
        lower = ":".join(filter(None, (f"l/{layers.links[id]}", lower)))
    return home


def move(path):
    """Move a directory "moving" from here there, and back."""
    if path.name == "moving":
        to = "there" if path.parent.name == "here" else "here"
        path.rename(path.parent.parent / to / "moving")


def look(home):
    return observe_to_prune(Store(str(home)), Sizes(str(home)), shared=True)


def test_a_store_is_told(home):
    have = look(home)
    assert {id: found.layer.lowers for id, found in have.found.items()} == {
        "far": (),
        "near": ("far",),
        "app": ("near", "far"),
    }
    assert [round((have.now - have.found[id].times.used) / 86400) for id in ("far", "near", "app")] == [0, 1, 2]
    assert have.found["app"].tree.inodes == len([*(home / "app").rglob("*")]) + 1
    assert have.exists and 0 < have.free < have.size and have.litter == ()


def test_what_was_held_when_the_host_went_down_was_used_until_it_came_up(home):
    text = {"boot_id": "another", "format": 1, "holders": ["service"]}
    (home / "app" / ".strata-holders").write_text(json.dumps(text))
    (home / "app" / ".strata.json").write_text('{"format": 1}')
    up = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    for days in (0, 3000):
        os.utime(home / "app" / ".strata.json", (time.time() - days * 86400,) * 2)
        assert abs(look(home).found["app"].times.used - (up if days else time.time())) < 10
    (litter,) = look(home).litter
    with contextlib.closing(Run(Store(str(home)))) as run:
        Sweep([litter], None).commit(run)
    assert look(home).litter == ()
    assert time.time() - look(home).found["app"].times.used < 10


def test_no_store_is_told(tmp_path):
    assert look(tmp_path / "none").exists is False


def test_what_was_measured_is_measured_again_only_where_it_may_have_changed(home, scanned):
    measured = []
    scanned(lambda path: measured.append(path.parent.name) if path.name == "diff" else None)
    sizes = Sizes(str(home))
    sizes.measure()
    assert sorted(measured) == ["app", "far", "near"]
    measured.clear()
    (home / "near/diff").rename(home / "near/old")  # as if its content had been replaced
    (home / "near/diff").mkdir()
    (home / "far/.strata.json").write_text('{"format": 1}')  # as if it had been used
    observe_to_prune(Store(str(home)), sizes, shared=True)
    assert sorted(measured) == ["far", "near"]
    measured.clear()
    observe_to_prune(Store(str(home)), sizes, shared=True)
    assert measured == []


@pytest.mark.parametrize("moves", [2, 5])
def test_what_moves_while_it_is_measured_is_measured_again(home, scanned, moves):
    for name in ("here/moving", "there"):
        (home / "app/diff" / name).mkdir(parents=True)
    left = [*range(moves)]

    def move_some_times(path):
        if path.name == "moving" and left:
            left.pop()
            move(path)

    scanned(move_some_times)
    if moves == 5:
        with pytest.raises(OSError, match="moved while it was read"):
            Sizes(str(home)).of(str(home / "app"))
    else:
        assert Sizes(str(home)).of(str(home / "app")).inodes == len([*(home / "app").rglob("*")]) + 1
    assert left == []


def test_a_layer_that_does_not_stand_still_stays(home, scanned):
    (home / "app/diff/here/moving").mkdir(parents=True)
    (home / "app/diff/there").mkdir()
    scanned(move)
    have = look(home)
    assert "being changed" in have.found["app"].users and have.found["far"].users == ""
    goes = {
        decision.id: decision.goes for decision in plan_prune(PruneOptions(match=("*",)), have).after.pruning.decisions
    }
    assert goes == {"app": False, "near": False, "far": False}


@pytest.mark.parametrize("engine", [True, False])
def test_a_layer_that_another_engine_removes_meanwhile_is_left_out(home, scanned, engine):
    if engine:
        (home.parent / "image/overlay2/layerdb").mkdir(parents=True)

    def remove(path):
        if path == home / "app" and (home / "near").exists():
            (home / "near").rename(home.parent / "removed")

    scanned(remove)
    if engine:
        assert sorted(look(home).found) == ["app", "far"]
    else:  # nobody may: we hold the store's lock
        with pytest.raises(FileNotFoundError):
            look(home)


def test_of_a_damaged_layer_is_told_what_its_lower_file_still_says(home, layers):
    (home / "app/lower").write_text(f"nonsense l/{layers.links['far']}:l/{'Z' * 26}:")
    (home / "near/.strata.json").write_text('{"format": 99}')
    have = look(home)
    assert have.found["app"].layer.lowers == ("far",) and "malformed" in have.found["app"].damage
    assert have.found["near"].layer.lowers == ("far",) and "format 99" in have.found["near"].damage
    assert have.found["far"].damage == ""
    assert [lost.id for lost in have.lost] == ["app"]


def test_a_leftover_that_another_run_is_sweeping_does_no_harm(home, scanned):
    for path in ("here/moving", "there"):
        (home / ".staging/one" / path).mkdir(parents=True)
    scanned(move)
    assert [(found.code, found.bytes) for found in look(home).litter] == [("staging_leftover", 0)]
    assert pending_bytes(str(home)) == 0


def test_what_is_still_to_be_deleted(home):
    assert pending_bytes(str(home)) == pending_bytes(str(home / "none")) == 0
    for path in (".staging/one", "app/.staging/two"):
        (home / path).mkdir(parents=True)
        (home / path / "file").write_bytes(os.urandom(100_000))
    assert 200_000 <= pending_bytes(str(home)) < 250_000
