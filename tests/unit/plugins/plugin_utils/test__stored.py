# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils._fleet import page_data, summary
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import record_path
from ansible_collections.strata.overlay2.plugins.plugin_utils._stored import restore
from hypothesis import given
from hypothesis import strategies as st

from .test__record import FACTS, PLAN
from .test__records import worst_record
from .test__tree import ANYTHING

DONE = {**PLAN, "pending_bytes": 7}
RECORDS = [
    make_record("web", 5.0, FACTS, PLAN, DONE, max_layers=2, check=True),
    make_record("web", 5.0, {**FACTS, "exists": False}, max_layers=2),
    make_record("web", 5.0, FACTS, PLAN, {"failed": True, "error": "too_many_layers", "msg": "4 of 4"}, max_layers=9),
    make_failure("web", 5.0, {"msg": "no route"}, DONE, unreachable=True),
]


def read_back(record: t.Any) -> t.Any:
    return json.loads(json.dumps(record))


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    assert restore(read_back(record), "web") == record
    assert restore(read_back(record), "web2") is None


def test_the_greatest_numbers_and_longest_texts_are_read():
    record = worst_record()
    assert restore(read_back(record), record["host"]) == record


@given(ANYTHING, ANYTHING, ANYTHING, st.booleans())
def test_whatever_a_host_says_its_record_is_read(facts, plan, done, check):
    for record in (
        make_record("web", 5.0, facts, plan, done, max_layers=2, check=check),
        make_failure("web", 5.0, facts, done),
    ):
        assert restore(read_back(record), "web") == record


@given(st.fixed_dictionaries(dict.fromkeys(FACTS, ANYTHING)), st.fixed_dictionaries(dict.fromkeys(PLAN, ANYTHING)))
def test_whatever_a_host_says_in_the_right_places_its_record_is_read(facts, plan):
    record = make_record("web", 5.0, facts, plan, {**plan, "failed": True}, max_layers=2)
    assert restore(read_back(record), "web") == record


def places(value: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Yield each container within *value* with a key of it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def damaged_records(draw: st.DrawFn) -> t.Any:
    """A record that has any value at any place, or lacks what stands there."""
    record = copy.deepcopy(draw(st.sampled_from(RECORDS)))
    container, key = draw(st.sampled_from(list(places(record))))
    if draw(st.booleans()):
        container[key] = draw(ANYTHING | st.sampled_from([-1, 10**400, 1e999, "\x1b[2J", [], {}, [[]] * 3000]))
    else:
        del container[key]
    return record


@given(damaged_records() | ANYTHING)
def test_a_file_that_others_wrote_is_a_record_or_none_and_never_breaks_a_report(tmp_path_factory, value):
    directory = str(tmp_path_factory.getbasetemp())
    with open(record_path(directory, "web"), "w", encoding="ascii") as file:
        json.dump(value, file)
    warned: list[str] = []
    told = summary(directory, ["web"], 0.0, warned.append)
    page = page_data(directory, ["web"], 0.0, warned.append)
    assert told["states"] == {json.loads(page)[0]["state"]: 1}
    assert all(line.isprintable() for line in told["lines"]) and "\\u001b" not in page
    assert len(warned) in (0, 2) and all(record_path(directory, "web") in text for text in warned)
