# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders


@pytest.fixture
def home(tmp_path):
    (tmp_path / "app").mkdir()
    return str(tmp_path)


def record(home):
    return os.path.join(home, "app", holders.HOLDERS)


def put(home, text):
    with open(record(home), "w", encoding="utf-8") as file:
        file.write(text)


def names_in(home):
    return sorted(os.listdir(os.path.join(home, "app")))


def test_holders_come_back_sorted_and_once(home):
    holders.write(home, "app", ["b", "a", "b", "build 7 ü"])
    assert holders.read(home, "app") == ("a", "b", "build 7 ü")
    assert not holders.is_dead(home, "app")
    assert names_in(home) == [holders.HOLDERS]


def test_a_holder_keeps_its_age_when_others_come_and_go(home, monkeypatch):
    monkeypatch.setattr(holders, "_now", lambda: 100.0)
    holders.write(home, "app", ["a"])
    monkeypatch.setattr(holders, "_now", lambda: 400.0)
    holders.write(home, "app", ["a", "b"])
    assert holders.ages(home, "app") == {"a": 300.0, "b": 0.0}
    holders.write(home, "app", ["b"])
    holders.write(home, "app", ["a", "b"])
    assert holders.ages(home, "app") == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize(
    "since", [None, {}, [], {"a": "1"}, {"a": True}, {"a": float("nan")}, {"a": float("inf")}, {"a": 10**400}]
)
def test_the_age_of_a_holder_may_be_unknown_and_stays_so(home, since):
    holders.write(home, "app", ["a"])
    with open(record(home), encoding="ascii") as file:
        found = json.load(file)
    put(home, json.dumps({**found, "since": since}))
    holders.write(home, "app", ["a", "b"])
    assert holders.ages(home, "app")["a"] is None
    assert holders.read(home, "app") == ("a", "b")


def test_a_layer_without_file_has_no_holders(home):
    assert holders.read(home, "app") == ()
    assert not holders.is_dead(home, "app")


def test_none_removes_the_file_twice(home):
    holders.write(home, "app", ["a"])
    for _unused in range(2):
        holders.write(home, "app", [])
        assert names_in(home) == []


def test_what_a_killed_run_left_is_overwritten(home):
    leftover = record(home) + ".new"
    with open(leftover, "w", encoding="ascii") as file:
        file.write("x" * 10000)
    holders.write(home, "app", ["a"])
    assert holders.read(home, "app") == ("a",)
    assert names_in(home) == [holders.HOLDERS]


def test_a_symlink_in_the_way_is_not_followed(home):
    target = os.path.join(home, "target")
    os.symlink(target, record(home) + ".new")
    with pytest.raises(OSError, match="symbolic link"):
        holders.write(home, "app", ["a"])
    assert not os.path.exists(target)


def test_holders_of_another_boot_are_dead(home):
    holders.write(home, "app", ["a"])
    with open(record(home), encoding="ascii") as file:
        found = json.load(file)
    put(home, json.dumps({**found, "boot_id": "another"}))
    assert holders.read(home, "app") == ()
    assert holders.is_dead(home, "app")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"format": 2}, id="another format"),
        pytest.param({"holders": "abc"}, id="no list"),
        pytest.param({"holders": ["a", 1]}, id="a number"),
        pytest.param({"holders": ["a/b"]}, id="a name nobody may have"),
    ],
)
def test_a_record_of_something_else_is_dead(home, change):
    holders.write(home, "app", ["a"])
    with open(record(home), encoding="ascii") as file:
        found = json.load(file)
    put(home, json.dumps({**found, **change}))
    assert holders.read(home, "app") == ()
    assert holders.is_dead(home, "app")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "\udcff", "[" * 100000])
def test_a_damaged_file_is_dead(home, text):
    with open(record(home), "wb") as file:
        file.write(os.fsencode(text))
    assert holders.read(home, "app") == ()
    assert holders.is_dead(home, "app")


def test_reading_leaves_no_trace(home):
    holders.write(home, "app", ["a"])
    os.utime(record(home), (0, 1))  # an access older than the last change is updated at the next one
    before = os.stat(record(home))
    assert holders.read(home, "app") == ("a",)
    assert os.stat(record(home)) == before


def test_a_missing_layer_is_an_error_to_write_for(home):
    with pytest.raises(FileNotFoundError):
        holders.write(home, "none", ["a"])


@pytest.mark.parametrize("name", ["a", "ansible", "build 7", "ä" * 255, "a:b"])
def test_a_holder_may_be_called(name):
    assert holders.check_holder(name) == name


@pytest.mark.parametrize("name", ["", "a" * 256, "a/b", "a\nb", "a\0b", "\x7f", "\udcff", "\u2028"])
def test_a_holder_may_not_be_called(home, name):
    with pytest.raises(InvalidInput, match="not a valid name for a holder"):
        holders.write(home, "app", ["fine", name])
    assert names_in(home) == []
