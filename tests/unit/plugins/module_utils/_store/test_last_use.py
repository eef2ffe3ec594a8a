# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.last_use import Times, note_use, read_times
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import examine
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record

OWN_FILE = ".strata.json"


@pytest.fixture
def home(tmp_path):
    """The layer app as dockerd makes it, its link made at 100."""
    (tmp_path / "app/diff").mkdir(parents=True)
    put(tmp_path / "app", link=100)
    return tmp_path


def put(layer, **times):
    """Give files of a layer, made if they are not there, their times."""
    for name, seconds in times.items():
        if not (layer / name).exists():
            (layer / name).write_text("")
        os.utime(layer / name, (seconds, seconds))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param({}, (100, 100), id="never used"),
        pytest.param({"committed": 300, "work": 200}, (100, 300), id="sealed"),
        pytest.param({"committed": 200, "work": 300}, (100, 300), id="mounted"),
        pytest.param({"committed": 200, OWN_FILE: 150}, (100, 150), id="a file of our own tells"),
    ],
)
def test_when_a_layer_was_used(home, times, expected):
    put(home / "app", **times)
    assert read_times(str(home), "app") == expected


def test_a_layer_without_link_is_as_old_as_its_directory(home):
    (home / "app/link").unlink()
    os.utime(home / "app", (50, 50))
    assert read_times(str(home), "app") == (50, 50)


def test_a_use_is_one_of_all_below_it(home):
    for name in ("app", "below"):
        (home / name).mkdir(exist_ok=True)
        (home / name / OWN_FILE).write_text('{"format": 1}')
        put(home / name, link=100, **{OWN_FILE: 100})
    note_use(str(home), "app", ["below", "dockers", "gone"])
    assert all(read_times(str(home), name).used > 10**9 for name in ("app", "below"))
    assert (home / "app" / OWN_FILE).read_text() == '{"format": 1}'


def test_a_layer_of_dockers_gets_a_file_for_it(home):
    (home / "below").mkdir()
    note_use(str(home), "app", ["below"])
    assert json.loads((home / "app" / OWN_FILE).read_text()) == {"format": 1}
    assert os.listdir(home / "below") == []  # whose lock we do not hold
    assert examine(str(home), "app")[0].record == Record()
    assert read_times(str(home), "app").used > 10**9


def test_what_cannot_be_noted_is_no_error(home):
    note_use(str(home), "gone", ["gone too"])
    assert os.listdir(home) == ["app"]


def test_a_layer_was_there_when_it_was_used(tmp_path):
    """Its link has been copied, or restored, since."""
    (tmp_path / "app").mkdir()
    for name, when in (("link", 2_000_000_000), (".strata.json", 1_900_000_000)):
        (tmp_path / "app" / name).write_text("")
        os.utime(tmp_path / "app" / name, (when, when))
    times = read_times(str(tmp_path), "app")
    assert times == (2_000_000_000, 1_900_000_000)
    assert times.there == 1_900_000_000


@pytest.mark.parametrize(
    ("made", "used", "possible"),
    [(1.5e9, 1.6e9, True), (0, 1.6e9, False), (1.41e9, 1.6e9, False), (1.5e9, 1.8e9, False), (1.5e9, 1.7e9 + 60, True)],
)
def test_times_before_2015_or_in_the_future_are_not_possible(made, used, possible):
    assert Times(made, used).is_possible(1.7e9) is possible
