# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils import _fleet
from ansible_collections.strata.overlay2.plugins.plugin_utils._fleet import human, page_data, summary
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import record_path, write_record

from .test__record import FACTS, PLAN


@pytest.fixture
def directory(tmp_path):
    """a removed a layer, b was stopped, c is Docker's, d has no store, e failed."""
    stopped = {"failed": True, "error": "too_many_layers", "msg": "too many"}
    found = {
        "a": make_record("a", 9.0, FACTS, PLAN, {**PLAN, "pending_bytes": 7}, max_layers=9),
        "b": make_record("b", 9.0, FACTS, PLAN, stopped, max_layers=9),
        "c": make_record("c", 9.0, {**FACTS, "managed_by": "docker"}, PLAN, max_layers=9),
        "d": make_record("d", 9.0, {**FACTS, "exists": False, "layer_count": 0}, max_layers=9),
        "e": make_failure("e", 9.0, {"msg": "no </script><script>alert(1)</script> & more"}),
    }
    for host, record in found.items():
        write_record(str(tmp_path), host, record)
    return str(tmp_path)


DAMAGE = "; damage: lost; remedy: find it; and 2 more problems"
HOSTS = ["a", "b", "c", "d", "e", "f"]


def test_the_sums_and_a_line_for_each_the_worst_first(directory):
    told = summary(directory, HOSTS, 5.0, pytest.fail)
    assert told["hosts"] == 6
    assert told["states"] == {"ok": 2, "stopped": 1, "absent": 1, "failed": 1, "unreachable": 1}
    assert (told["layers"], told["remove"], told["removed"], told["removed_bytes"]) == (12, 3, 1, 31)
    assert (told["pending_bytes"], told["foreign"]) == (7, 1)
    assert told["lines"] == [
        "b: stopped: too many; and 3 more problems",
        "e: failed: no </script><script>alert(1)</script> & more",
        f"f: unreachable: {_fleet.NOT_REACHED['msg']}; remedy: {_fleet.NOT_REACHED['hint']}",
        "a: removed 1 of 4 layers, 31 B" + DAMAGE,
        "c: of docker, 1 of 4 layers may go, 31 B" + DAMAGE,
        f"d: there is no store at {FACTS['home']}",
    ]
    assert told["text"].startswith("6 hosts: 2 ok, 1 stopped, 1 absent, 1 failed, 1 unreachable; 12 layers, 1 removed")
    assert told["text"].endswith("; damage on 2 hosts; problems on 1 host")


def test_what_only_would_be_removed_is_told_so(directory):
    write_record(directory, "a", make_record("a", 9.0, FACTS, PLAN, PLAN, max_layers=9, check=True))
    told = summary(directory, ["a"], 0, pytest.fail)
    assert told["removed"] == 0 and told["lines"] == ["a: would remove 1 of 4 layers, 31 B" + DAMAGE]


def test_litter_alone_is_told_as_litter(directory):
    done = {"layers": [{"id": "a", "decision": "keep"}], "remove_bytes": 31, "litter": [{"code": "staging_leftover"}]}
    write_record(directory, "a", make_record("a", 9.0, FACTS, PLAN, done, max_layers=9))
    assert summary(directory, ["a"], 0, pytest.fail)["lines"] == ["a: removed no layer of 1, but litter, 31 B" + DAMAGE]


@pytest.mark.parametrize(("check", "removed"), [(False, (1, 31)), (True, (0, 0))])
def test_what_was_removed_counts_where_the_host_failed_afterwards(directory, check, removed):
    record = make_failure("a", 9.0, {"msg": "no route"}, {**PLAN, "pending_bytes": 7}, unreachable=True, check=check)
    write_record(directory, "a", record)
    told = summary(directory, ["a"], 0, pytest.fail)
    assert (told["removed"], told["removed_bytes"]) == removed and told["pending_bytes"] == 7
    verb = "would remove" if check else "removed"
    remedy = "check that the host is up, and that Ansible can log in"
    assert told["lines"] == [f"a: unreachable: no route; remedy: {remedy}; before that {verb} 1 of 4 layers, 31 B"]
    assert json.loads(page_data(directory, ["a"], 0, pytest.fail))[0]["cleanup"]["remove_bytes"] == 31


def test_the_lines_are_bounded(directory):
    told = summary(directory, [f"h{number}" for number in range(5000)], 0, pytest.fail)
    assert len(told["lines"]) == 21 and told["lines"][-1] == "and 4980 more hosts"


def test_older_records_are_none(directory):
    assert summary(directory, HOSTS, 9.5, pytest.fail)["states"] == {"unreachable": 6}


def test_the_data_of_a_page_cannot_end_its_element(directory):
    data = page_data(directory, HOSTS, 0, pytest.fail)
    assert not set("<>&") & set(data) and data.isascii()
    told = json.loads(data)
    assert [record["host"] for record in told] == HOSTS
    assert told[4]["message"] == "no </script><script>alert(1)</script> & more"
    assert len(told[0]["tree"]["nodes"]) == 4


def test_trees_are_cut_so_that_all_fit(directory, monkeypatch):
    monkeypatch.setattr(_fleet, "NODES", 12)
    monkeypatch.setattr(_fleet, "LEAST", 2)
    (record,) = (each for each in json.loads(page_data(directory, HOSTS, 0, pytest.fail)) if each["host"] == "a")
    assert len(record["tree"]["nodes"]) == 2
    assert sum(row[6] for row in record["tree"]["nodes"]) + record["tree"]["hidden"][0] == 2


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (150 << 20, "150 MiB"), (2**63, "8192 PiB")]
)
def test_human(size, text):
    assert human(size) == text


def test_files_that_are_not_records_are_told_of_and_not_without_end(directory):
    hosts = [f"h{number}" for number in range(30)]
    for host in hosts:
        with open(record_path(directory, host), "w", encoding="ascii") as file:
            file.write("[]")
    warned = []
    assert summary(directory, hosts, 0, warned.append)["states"] == {"unreachable": 30}
    assert len(warned) == 21 and record_path(directory, "h0") in warned[0] and warned[-1].startswith("10 more files")


def test_orphans_that_stay_in_a_store_of_docker_are_told_with_their_bytes(directory):
    layers = [{"id": id, "decision": "keep", "reason": "orphan: foreign is not set to remove"} for id in ("x", "y")]
    facts = {**FACTS, "managed_by": "docker"}
    plan = {"layers": layers, "remove_bytes": 0, "litter": [], "orphan_bytes": 39_700_000}
    write_record(directory, "c", make_record("c", 9.0, facts, plan, max_layers=9))
    told = summary(directory, ["c"], 0, pytest.fail)
    assert told["orphan_bytes"] == 39_700_000
    assert "; orphans of other engines take 37.9 MiB" in told["text"]
    assert told["lines"] == [
        "c: of docker, 0 of 4 layers may go, 0 B; 2 orphans, 37.9 MiB, may go with docker stopped and foreign: remove"
        + DAMAGE
    ]
    gone = [{**layer, "decision": "remove"} for layer in layers]
    plan = {**plan, "layers": gone, "remove_bytes": 39_700_000}
    write_record(directory, "c", make_record("c", 9.0, facts, plan, max_layers=9))
    assert "orphan" not in summary(directory, ["c"], 0, pytest.fail)["lines"][0]


def test_hosts_that_the_run_did_not_ask_keep_their_last_record(directory):
    told = json.loads(page_data(directory, ["b"], 20.0, pytest.fail, ["e", "a", "b", "nobody"]))
    assert [(row["host"], row["state"], row["earlier"], row["time"]) for row in told] == [
        ("b", "unreachable", False, 20.0),
        ("a", "ok", True, 9.0),
        ("e", "failed", True, 9.0),
    ]
    text = _fleet.prometheus(directory, ["b"], 20.0, pytest.fail, ["a"])
    assert 'strata_overlay2_record_time_seconds{host="a",home="/store"} 9' in text
    assert summary(directory, ["b"], 20.0, pytest.fail, ["a"])["states"] == {"unreachable": 1}
