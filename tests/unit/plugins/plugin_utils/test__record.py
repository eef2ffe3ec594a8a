# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import problems
from ansible_collections.strata.overlay2.plugins.module_utils._store import codes
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import (
    LEVELS,
    PROBLEMS,
    STATES,
    add_failure,
    make_failure,
    make_record,
)
from ansible_collections.strata.overlay2.plugins.plugin_utils._stored import restore
from hypothesis import given
from hypothesis import strategies as st

from .test__tree import ANYTHING, STORE

FACTS = {
    "home": "/store",
    "exists": True,
    "managed_by": None,
    "supported": True,
    "backing_fs": "xfs",
    "kernel": "6.1",
    "layer_count": 4,
    "mount_count": 1,
    "filesystem": {"mount_point": "/", "size": 1000, "free": 400, "inodes": 10, "inodes_free": 5},
    "problems": [{"code": "no_project_quota", "message": "m", "hint": "h"}],
    "health": [{"code": "link_missing", "message": "lost", "hint": "find it"}, {"code": "nearly_full"}],
    "summary": {"lineages": [{"base": "base", "layers": 3, "depth": 2, "mounted": 1, "held": 0, "bytes": None}]},
}
PLAN = {"layers": STORE, "remove_bytes": 31, "litter": [{}]}


def test_every_finding_and_problem_has_the_level_of_its_kind():
    of_kind = {problems.BLOCKING: 3, codes.DAMAGE: 3, codes.CARE: 2, codes.NOTE: 1, codes.LITTER: 1}
    assert {code: of_kind[kind] for code, kind in {**problems.KINDS, **codes.KINDS}.items()} == LEVELS
    assert not problems.KINDS.keys() & codes.KINDS.keys()


def test_what_is_kept_of_a_host():
    record = make_record("web", 5.0, FACTS, PLAN, max_layers=2)
    assert (record["host"], record["time"], record["state"]) == ("web", 5.0, "ok")
    assert record["store"]["managed_by"] == "" and record["store"]["free"] == 400 and record["store"]["bytes"] == 46
    assert record["plan"] == {
        "layers": 4,
        "remove": 1,
        "remove_bytes": 31,
        "litter": 1,
        "orphans": 0,
        "orphan_bytes": 0,
    }
    assert [(each["code"], each["level"]) for each in record["problems"]] == [
        ("link_missing", 3),
        ("nearly_full", 2),
        ("no_project_quota", 1),
    ]
    assert record["lineages"] == [{"base": "base", "layers": 3, "depth": 2, "mounted": 1, "held": 0}]
    assert len(record["tree"]["nodes"]) == 2 and record["cleanup"] is None


def test_the_repair_of_a_finding_is_kept():
    finding = {"code": "link_empty", "message": "m", "hint": "h", "repair": "write it again", "certain": True}
    doubtful = {**finding, "code": "lower_missing", "certain": "yes"}
    record = make_record("web", 5.0, {**FACTS, "health": [finding, doubtful], "problems": []}, max_layers=2)
    assert [(each["repair"], each["certain"]) for each in record["problems"]] == [
        ("write it again", True),
        ("write it again", False),
    ]
    assert restore(json.loads(json.dumps(record)), "web") == record


@pytest.mark.parametrize(("exists", "state"), [(True, "ok"), (False, "absent"), (None, "ok")])
def test_where_there_is_no_store(exists, state):
    assert make_record("web", 5.0, {**FACTS, "exists": exists}, max_layers=2)["state"] == state


def test_without_a_plan_nothing_is_known_of_sizes():
    record = make_record("web", 5.0, FACTS, max_layers=2)
    assert record["plan"] is record["tree"] is record["store"]["bytes"] is None


@pytest.mark.parametrize(
    ("done", "state"),
    [
        ({"failed": True, "error": "too_many_layers", "msg": "4 of 4", "hint": "read it"}, "stopped"),
        ({"failed": True, "error": "store_busy", "msg": "4 of 4", "hint": "read it"}, "failed"),
        ({"unreachable": True, "msg": "4 of 4", "hint": "read it"}, "unreachable"),
    ],
)
def test_what_a_run_failed_with_is_the_first_problem(done, state):
    record = make_record("web", 5.0, FACTS, PLAN, done, max_layers=2)
    assert (record["state"], record["message"], record["hint"]) == (state, "4 of 4", "read it")
    assert record["problems"][0]["message"] == "4 of 4" and record["problem_count"] == 4
    assert record["cleanup"]["remove"] == 0


def test_a_plan_that_failed_leaves_what_else_is_known():
    record = make_record("web", 5.0, FACTS, max_layers=2)
    add_failure(record, {"failed": True, "error": "store_busy", "msg": "another run"})
    assert (record["state"], record["message"], record["store"]["layers"]) == ("failed", "another run", 4)
    assert [problem["code"] for problem in record["problems"]][:2] == ["store_busy", "link_missing"]


def test_what_a_run_did():
    record = make_record("web", 5.0, FACTS, PLAN, {**PLAN, "pending_bytes": 7}, max_layers=2, check=True)
    assert record["cleanup"] == {
        "layers": 4,
        "remove": 1,
        "remove_bytes": 31,
        "litter": 1,
        "pending_bytes": 7,
        "orphans": 0,
        "orphan_bytes": 0,
        "check": True,
    }


def test_a_host_without_an_answer():
    record = make_failure("web", 5.0, {"msg": "no route", "unreachable": True})
    assert (record["state"], record["message"]) == ("unreachable", "no route")
    assert record["problems"][0]["code"] == "host_unreachable" and record["problems"][0]["hint"]
    assert make_failure("web", 5.0, None)["message"] == "the task failed without a message"
    assert make_failure("web", 5.0, {"error": "store_busy"})["problems"][0]["code"] == "store_busy"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("state", ["failed", "unreachable"])
def test_what_a_run_did_is_kept_where_the_host_fails_afterwards(state, check):
    answer = {"msg": "gone", "hint": "look"}
    done = {**PLAN, "pending_bytes": 7}
    record = make_failure("web", 5.0, answer, done, unreachable=state == "unreachable", check=check)
    assert (record["state"], record["message"], record["problem_count"], record["store"]) == (state, "gone", 1, None)
    assert record["cleanup"] == make_record("web", 5.0, FACTS, PLAN, done, max_layers=2, check=check)["cleanup"]


def test_of_two_failures_the_later_is_the_state():
    stopped = {"failed": True, "error": "too_many_layers", "msg": "4 of 4"}
    record = make_failure("web", 5.0, {"msg": "no route"}, stopped, unreachable=True)
    assert (record["state"], record["message"], record["cleanup"]["remove"]) == ("unreachable", "no route", 0)
    assert [problem["code"] for problem in record["problems"]] == ["host_unreachable", "too_many_layers"]


def test_ten_thousand_layers_and_findings_are_some_kilobytes():
    layers = [{**STORE[0], "id": f"{n:064x}", "parent": f"{n - 1:064x}", "reason": "x" * 999} for n in range(10_000)]
    findings = [{"code": "dangling_link", "message": "x" * 999, "hint": "y" * 999}] * 10_000
    record = make_record("web", 5.0, {**FACTS, "health": findings}, {"layers": layers}, max_layers=60)
    assert len(json.dumps(record)) < 32_000
    assert (len(record["problems"]), record["problem_count"]) == (PROBLEMS, 10_001)
    assert len(record["tree"]["nodes"]) == 60


@given(ANYTHING, ANYTHING, ANYTHING)
def test_a_host_may_say_anything(facts, plan, done):
    assert make_record("web", 5.0, facts, plan, done, max_layers=2)["state"] in STATES
    assert make_failure("web", 5.0, facts, done)["state"] in STATES


@given(st.fixed_dictionaries(dict.fromkeys(FACTS, ANYTHING)), st.fixed_dictionaries(dict.fromkeys(PLAN, ANYTHING)))
def test_a_host_may_say_anything_in_the_right_places(facts, plan):
    record = make_record("web", 5.0, facts, plan, {**plan, "failed": True}, max_layers=2)
    assert len(json.dumps(record, allow_nan=False)) < 40_000
