# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import write_record
from ansible_collections.strata.overlay2.tests.unit.plugins.plugin_utils.test__record import FACTS, PLAN


@pytest.fixture
def fleet():
    return lookup_loader.get("strata.overlay2.fleet")


@pytest.fixture
def directory(tmp_path):
    write_record(str(tmp_path), "a", make_record("a", 9.0, FACTS, PLAN, max_layers=9))
    write_record(str(tmp_path), "b", make_failure("b", 9.0, {"msg": "</script>"}))
    write_record(str(tmp_path), "other", make_failure("other", 9.0, {"msg": "of another run"}))
    return str(tmp_path)


def test_a_summary_of_the_hosts_that_are_named(fleet, directory):
    (told,) = fleet.run([directory], {}, hosts=["a", "b", "gone"])
    assert told["hosts"] == 3
    assert told["states"] == {"ok": 1, "failed": 1, "unreachable": 1}
    assert len(told["lines"]) == 3
    assert not any("of another run" in line for line in told["lines"])


def test_each_directory_is_told_of(fleet, directory, tmp_path):
    (tmp_path / "empty").mkdir()
    full, empty = fleet.run([directory, str(tmp_path / "empty")], {}, hosts=["a"])
    assert (full["states"], empty["states"]) == ({"ok": 1}, {"unreachable": 1})


def test_what_is_older_counts_as_none(fleet, directory):
    (told,) = fleet.run([directory], {}, hosts=["a"], since=9.5)
    assert told["states"] == {"unreachable": 1}


def test_json_that_may_stand_in_a_page(fleet, directory):
    (text,) = fleet.run([directory], {}, hosts=["a", "b"], form="json")
    assert "</script>" not in text
    assert [record["host"] for record in json.loads(text)] == ["a", "b"]


def test_numbers_for_prometheus(fleet, directory):
    (text,) = fleet.run([directory], {}, hosts=["a", "b"], form="prometheus")
    assert 'strata_overlay2_up{host="b",home=""} 0\n' in text


@pytest.mark.parametrize(("options", "said"), [({}, "hosts"), ({"hosts": ["a"], "form": "xml"}, "form")])
def test_a_wrong_option_is_named(fleet, directory, options, said):
    with pytest.raises(AnsibleError, match=said):
        fleet.run([directory], {}, **options)
