# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import unneeded
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.look import look_at
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.unneeded import Unneeded
from ansible_collections.strata.overlay2.tests import containerd_records as made

BASE, TOP = made.snapshot("default/1/base"), made.snapshot("default/2/top", "base")
RECORDS = {"default/1/base": made.record(1, size=100), "default/2/top": made.record(2, size=20)}
TO_TOP = {"containerd.io/gc.ref.snapshot.overlayfs": "top"}
IMAGE = {"images": {"app": made.image("m")}, "blobs": {"m": made.blob(7, TO_TOP)}}
ENDS = {made.EXPIRE: made.FUTURE}


@pytest.fixture
def find(tmp_path):
    """Give a function that makes a data root, and returns what nothing needs in it."""

    def find(records=None, directories=("1", "2"), version=3, **parts):
        records = RECORDS if records is None else records
        parts.setdefault("snapshots", {"base": BASE, "top": TOP})
        meta = made.metadata(version, default=made.namespace(**parts))
        made.make_root(tmp_path, meta, records, directories)
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            look = look_at(fd)
        finally:
            os.close(fd)
        assert unneeded.why_untold(look.metadata) == ""
        return unneeded.find_unneeded(look, made.NOW)

    return find


def test_all_that_an_image_with_a_container_needs_is_needed(find):
    assert find(**IMAGE, containers={"c": made.container("app", "top")}) == []


def test_a_directory_without_a_record_is_an_orphan(find):
    found = find(**IMAGE, containers={"c": made.container("app", "top")}, directories=["1", "2", "3", "new-12", "mine"])
    assert found == [Unneeded("orphan_directory", "", "overlayfs", {"3": None, "new-12": None})]


def test_a_record_that_containerd_does_not_list_is_unlisted(find):
    records = {**RECORDS, "default/9/x": made.record(9, size=5), "default/8/y": made.record(8, created=made.NOW - 60)}
    found = find(records, **IMAGE, containers={"c": made.container("app", "top")})
    assert found == [Unneeded("unlisted_record", "", "overlayfs", {"default/9/x": 5})]


def test_the_records_of_a_directory_that_containerd_uses_no_more_are_not_judged(find):
    used = {**IMAGE, "containers": {"c": made.container("app", "top")}}
    assert find({"default/9/x": made.record(9)}, ["9"], **used) == []


def test_what_nothing_reaches_is_unreferenced(find):
    found = find(blobs={"b": made.blob(7), "young": made.blob(7, created=made.NOW - 60)})
    assert found == [
        Unneeded("unreferenced", "default", "", {"b": 7}),
        Unneeded("unreferenced", "default", "overlayfs", {"overlayfs/base": 100, "overlayfs/top": 20}),
    ]


def test_a_lease_of_a_client_that_is_gone_is_left(find):
    found = find(leases={"w": made.lease(ENDS, ["top"])})
    assert found == [Unneeded("left_lease", "default", "", {"w": 120})]
    young = made.lease(ENDS, ["top"], created=made.NOW - 1800)
    assert find(leases={"w": young}) == []
    receiving = {"i": {b"expireat": made.moment(made.NOW + 60)}}
    assert find(leases={"w": made.lease(ENDS, ["top"])}, ingests=receiving) == []


def test_the_bytes_of_a_lease_are_those_that_it_alone_holds(find):
    kept = {"base": made.snapshot("default/1/base", labels={made.ROOT: ""}), "top": TOP}
    found = find(snapshots=kept, leases={"w": made.lease(ENDS, ["top"])})
    assert found == [Unneeded("left_lease", "default", "", {"w": 20})]


@pytest.mark.parametrize("labels", [{}, {made.FLAT: "", **ENDS}])
def test_a_lease_of_a_container_or_a_build_cache_is_not_left(find, labels):
    assert find(leases={"w": made.lease(labels, ["top"])}) == []


def test_a_lease_whose_time_is_over_is_expired(find):
    found = find(leases={"w": made.lease({made.EXPIRE: made.PAST}, ["top"])})
    assert [one.code for one in found] == ["unreferenced", "expired_lease"]
    assert found[1].subjects == {"w": None}


def test_a_snapshot_that_only_a_label_keeps_is_told(find):
    found = find(snapshots={"base": BASE, "top": made.snapshot("default/2/top", "base", {made.ROOT: ""})})
    assert found == [Unneeded("kept_by_label", "default", "overlayfs", {"overlayfs/top": 20})]


def test_what_has_to_be_removed_first_comes_first(find):
    label = {made.ROOT: ""}
    base, top = (made.snapshot(f"default/{n}", parent, label, made.OLD + n) for n, parent in ((1, ""), (2, "a")))
    (found,) = find({}, (), snapshots={"a": base, "b": top})
    assert list(found.subjects) == ["overlayfs/b", "overlayfs/a"]


def test_a_blob_without_a_record_is_stray(find, tmp_path):
    blobs = tmp_path / "io.containerd.content.v1.content/blobs/sha256"
    blobs.mkdir(parents=True)
    for name in ("aa", "bb"):
        (blobs / name).write_text("x")
    held = {"leases": {"w": made.lease(content=["sha256:aa"])}, "blobs": {"sha256:aa": made.blob(1)}}
    found = find({}, (), snapshots={}, **held)
    assert found == [Unneeded("stray_blob", "", "", {"sha256:bb": None})]


def test_a_blob_that_was_not_received_in_time_is_told(find):
    found = find(**IMAGE, containers={"c": made.container("app", "top")}, ingests={"i": {b"expected": b"x"}})
    assert found == [Unneeded("ingest", "default", "", {"i": None})]


def test_an_image_that_no_container_uses_is_told_once_for_all_its_names(find):
    images = {"app": made.image("m"), "app@sha256:1": made.image("m")}
    assert find(**{**IMAGE, "images": images}) == [Unneeded("unused_image", "default", "", {"app": 120})]
    assert find(**{**IMAGE, "images": images}, containers={"c": made.container("app@sha256:1", "top")}) == []


def test_a_pinned_image_is_used(find):
    images = {"pause": made.image("m", **{"io.cri-containerd.pinned": "pinned"}), "sha256:1": made.image("m")}
    assert find(**{**IMAGE, "images": images}) == []


def test_where_dockerd_keeps_the_containers_no_image_is_unused(find):
    assert find(**IMAGE, leases={"c0ffee": made.lease({}, ["top"])}) == []
    assert find(**IMAGE, containers={"c": made.container("", "")}) == []


def test_only_what_two_looks_find_counts():
    first = [Unneeded("unreferenced", "a", "s", {"x": 1, "y": 2}), Unneeded("ingest", "a", "", {"i": None})]
    second = [Unneeded("unreferenced", "a", "s", {"y": 2, "z": 3}), Unneeded("unreferenced", "b", "s", {"x": 1})]
    assert unneeded.in_both(first, second) == [Unneeded("unreferenced", "a", "s", {"y": 2})]


def test_of_a_schema_or_a_label_that_was_not_tested_nothing_is_told(tmp_path):
    def why(version, **labels):
        blobs = {"b": made.blob(1, labels)}
        made.make_root(tmp_path, made.metadata(version, default=made.namespace(blobs=blobs)), {})
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            return unneeded.why_untold(look_at(fd).metadata)
        finally:
            os.close(fd)

    assert why(3) == why(4) == ""
    assert "version 5, and only versions 3 and 4 were tested" in why(5)
    assert "version 2, and only" in why(2)
    assert r"the label containerd.io/gc.\x1b[" in why(3, **{"containerd.io/gc.\x1b[": "x"})
    assert "the label containerd.io/gc.cond.snapshot" in why(3, **{"containerd.io/gc.cond.snapshot": "x"})


def test_of_a_place_that_is_not_known_nothing_is_told_and_no_directory_is_an_orphan(tmp_path):
    space = {**made.namespace(snapshots={"base": BASE}), b"mounts\x1b": {b"m": {}}}
    made.make_root(tmp_path, made.metadata(moby=space), {"default/1/base": made.record(1)}, ["1", "7"])
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        look = look_at(fd)
    finally:
        os.close(fd)
    told = r"meta.db has v1/moby/mounts\x1b, which may stand for any use"
    assert unneeded.why_untold(look.metadata) == unneeded.why_no_orphans(look.metadata, set()) == told
