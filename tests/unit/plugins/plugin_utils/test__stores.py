# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from ansible_collections.strata.overlay2.plugins.plugin_utils._stores import STORES, restore_stores, stores_of
from hypothesis import given
from hypothesis import strategies as st

from .test__tree import ANYTHING

STORE = {
    "engine": "containerd",
    "kind": "overlayfs",
    "home": "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs",
    "state": "idle",
    "layers": 9,
    "bytes": 5000,
    "unneeded": [
        {"code": "left_lease", "by": "engine", "count": 2, "bytes": 100},
        {"code": "unreferenced", "by": "engine", "count": 1, "bytes": 50},
        {"code": "orphan_directory", "by": "overlay2_prune", "count": 1, "bytes": None},
    ],
    "problems": ["x" * 1000],
}


def test_of_each_store_the_unneeded_is_summed_up_by_who_removes_it():
    kept = stores_of({"stores": [STORE], "stores_left_out": 2})
    assert kept["left_out"] == 2
    (row,) = kept["rows"]
    assert row["unneeded"] == {"engine": [3, 150], "overlay2_prune": [1, None]}
    assert {key: row[key] for key in ("engine", "state", "bytes")} == {
        "engine": "containerd",
        "state": "idle",
        "bytes": 5000,
    }
    assert stores_of({}) is None
    assert stores_of({"stores": [{**STORE, "unneeded": None, "bytes": None}]})["rows"][0]["unneeded"] is None


def test_the_stores_of_a_host_fit_into_a_small_record():
    kept = stores_of({"stores": [STORE] * 50, "stores_left_out": 7})
    assert (len(kept["rows"]), kept["left_out"]) == (STORES, 51)
    assert len(json.dumps(kept)) < 2048


def test_stores_of_users_hide_none_of_root():
    ours = {**STORE, "owner": "root", "home": "/ours"}
    theirs = [{**STORE, "owner": "ann", "home": f"/theirs{number}"} for number in range(9)]
    kept = stores_of({"stores": [*theirs, ours]})
    homes = [row["home"] for row in kept["rows"]]
    assert homes == [f"/theirs{number}" for number in range(STORES - 1)] + ["/ours"]
    assert kept["left_out"] == 10 - STORES


@given(st.fixed_dictionaries({"stores": st.lists(st.fixed_dictionaries(dict.fromkeys(STORE, ANYTHING)))}))
def test_whatever_a_host_says_of_its_stores_is_read_as_it_was_written(facts):
    kept = stores_of(facts)
    assert restore_stores(json.loads(json.dumps(kept))) == kept


@given(ANYTHING)
def test_what_is_kept_is_told_once(value):
    kept = stores_of({"stores": value, "stores_left_out": value})
    again = restore_stores(kept)
    assert restore_stores(again) == again == kept
