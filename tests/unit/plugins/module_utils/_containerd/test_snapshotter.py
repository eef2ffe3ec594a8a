# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable, newest_meta
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.tree import root_bucket
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import snapshotter
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written


def read(records, **more):
    others = {name.encode(): tree for name, tree in more.items()}
    data = written({b"v1": {b"snapshots": {name.encode(): record for name, record in records.items()}, **others}})
    return snapshotter.read_records(root_bucket(data, newest_meta(data)))


def test_the_snapshots_are_read():
    found = read({"k8s.io/1/base": made.record(7), "k8s.io/2/top": made.record(300, 2, "k8s.io/1/base", None)})
    assert found == {
        "k8s.io/1/base": snapshotter.Record(7, snapshotter.COMMITTED, "", 4096, 3, made.OLD),
        "k8s.io/2/top": snapshotter.Record(300, snapshotter.ACTIVE, "k8s.io/1/base", None, None, made.OLD),
    }


def test_a_new_database_has_no_snapshots():
    data = written({})
    assert snapshotter.read_records(root_bucket(data, newest_meta(data))) == {}


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ({"a/1/b": {b"kind": b"\x03"}}, "lacks its id or its kind"),
        ({"a/1/b": made.record(1, kind=4)}, "unknown kind"),
        ({"a/1/b": {**made.record(1), b"kind": b""}}, "unknown kind"),
        ({"a/1/b": {**made.record(1), b"size": b"\xff"}}, "number in it"),
        ({"a/1/b": made.record(1), "a/2/c": made.record(1)}, "two of its snapshots have the directory 1"),
    ],
)
def test_what_no_snapshotter_writes_is_refused(records, why):
    with pytest.raises(Unreadable, match=why):
        read(records)


def test_the_count_of_snapshots_is_limited(monkeypatch):
    monkeypatch.setattr(snapshotter, "MOST", 3)
    records = {f"a/{number}/b": made.record(number) for number in range(4)}
    with pytest.raises(Unreadable, match="more than 3 snapshots"):
        read(records)
    assert len(read(dict(list(records.items())[:3]))) == 3


def test_records_in_a_place_that_is_not_known_are_refused():
    with pytest.raises(Unreadable, match="it has views, which"):
        read({"a/1/b": made.record(1)}, views={})
    for tree in ({b"v1": {}, b"v2": {}}, {b"v2": {b"snapshots": {}}}):
        data = written(tree)
        with pytest.raises(Unreadable, match="it has v2, which"):
            snapshotter.read_records(root_bucket(data, newest_meta(data)))
    assert len(read({"a/1/b": made.record(1)}, parents={b"x": b""})) == 1
