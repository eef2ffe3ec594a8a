# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver import run as run_file
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store

_seen: list[str] | None = None


def _hook(event, arguments):
    if _seen is not None and event == "open" and isinstance(arguments[0], str):
        _seen.append(arguments[0])


sys.addaudithook(_hook)  # there is no way to take one away


@pytest.fixture
def opened():
    """The names of all that is opened during a test."""
    global _seen
    _seen = []
    yield _seen
    _seen = None


def test_only_what_is_new_is_synced(tmp_path, opened):
    home = str(tmp_path)
    run = Run(Store(home))
    run.sync()
    assert opened.count(home) == 0  # nothing was written yet
    run.needs_sync()
    run.sync()
    assert opened.count(home) == 1
    run.sync()
    assert opened.count(home) == 1
    run.staging()
    before = opened.count(home)
    run.sync()
    assert opened.count(home) == before + 1
    run.sync()
    assert opened.count(home) == before + 1
    assert run.close() == []
    assert os.listdir(home) == []


def leave(home, name):
    """Leave what a killed run would, a layer of two files."""
    (home / ".staging" / name / "app").mkdir(parents=True)
    for file in ("a", "b"):
        (home / ".staging" / name / "app" / file).write_text("")


def test_what_killed_runs_left_is_swept_when_asked(tmp_path):
    leave(tmp_path, "one")
    run = Run(Store(str(tmp_path)))
    assert run.close() == []
    assert os.listdir(tmp_path) == [".staging"]
    (tmp_path / "l").mkdir()
    run.sweep()
    assert run.close() == []
    assert os.listdir(tmp_path) == ["l"]


def test_what_there_is_no_time_for_is_left_to_the_next_run(tmp_path):
    (tmp_path / "l").mkdir()
    leave(tmp_path, "one")
    run = Run(Store(str(tmp_path)))
    run.limit_deletion(0)
    mine = run.staging()
    os.mkdir(f"{mine}/layer")
    assert run.close() == []
    assert sorted(os.listdir(tmp_path / ".staging")) == sorted(["one", os.path.basename(mine)])
    later = Run(Store(str(tmp_path)))
    later.staging()
    assert later.close() == []
    assert os.listdir(tmp_path) == ["l"]


def test_a_group_ends_with_its_bytes_or_its_seconds(tmp_path, monkeypatch):
    run = Run(Store(str(tmp_path)))
    assert not run.has_much_prepared
    run.note_prepared((1 << 30) - 1)
    assert not run.has_much_prepared
    run.note_prepared(1)
    assert run.has_much_prepared
    run.begin_group()
    assert (run.group, run.has_much_prepared) == (1, False)
    run.note_prepared(0)
    monkeypatch.setattr(run_file, "_GROUP_SECONDS", 0)
    assert run.has_much_prepared


def test_what_the_run_uses_ends_before_its_staging_directories_go(tmp_path):
    run = Run(Store(str(tmp_path)))
    path = run.staging()
    there = []
    run.stack.callback(lambda: there.append(os.path.isdir(path)))
    run.close()
    assert there == [True]
    assert not os.path.exists(path)
