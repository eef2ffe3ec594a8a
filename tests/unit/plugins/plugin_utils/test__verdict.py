# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._verdict import describe_worst, grade

from .test__record import FACTS, PLAN


def record_with(*problems, **more):
    return make_record("a", 9.0, {**FACTS, "problems": [], "health": list(problems), **more}, PLAN, max_layers=9)


DAMAGED = {"code": "lower_missing", "message": "layer web has no lower", "hint": "restore it"}
ORPHAN = {"code": "orphan", "message": "layer x is an orphan", "hint": "prune it"}
LITTER = {"code": "dangling_link", "message": "l/A leads nowhere", "hint": "prune"}


@pytest.mark.parametrize(
    ("problems", "worst", "said"),
    [
        ([], "nothing", ""),
        ([LITTER], "nothing", ""),
        ([LITTER, ORPHAN], "problems", "problem: layer x is an orphan; remedy: prune it; and 1 more problem"),
        (
            [LITTER, ORPHAN, DAMAGED],
            "damage",
            "damage: layer web has no lower; remedy: restore it; and 2 more problems",
        ),
        (
            [{**DAMAGED, "repair": "write lower", "certain": True}],
            "damage",
            "damage: layer web has no lower; remedy: run the playbook strata.overlay2.repair",
        ),
        ([{**DAMAGED, "hint": ""}], "damage", "damage: layer web has no lower"),
    ],
)
def test_the_worst_problem_is_told_with_its_remedy(problems, worst, said):
    record = record_with(*problems)
    assert (grade(record), describe_worst(record)) == (worst, said)


def test_a_path_without_a_store_is_named_and_is_a_problem_but_no_damage():
    record = record_with(DAMAGED, exists=False, home="/somewhere")
    assert (grade(record), describe_worst(record)) == ("problems", "there is no store at /somewhere")


def test_a_host_without_an_answer_is_told_with_its_remedy():
    record = make_failure("a", 9.0, {"msg": "no route"}, unreachable=True)
    said = "unreachable: no route; remedy: check that the host is up, and that Ansible can log in"
    assert (grade(record), describe_worst(record)) == ("damage", said)
