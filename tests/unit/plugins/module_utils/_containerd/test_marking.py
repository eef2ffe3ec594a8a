# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import marking
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.marking import Need
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.metadata import (
    Blob,
    Container,
    Image,
    Ingest,
    Lease,
    Namespace,
    Snapshot,
)

GC = "containerd.io/gc."
NOW = 1_800_000_000.0
PAST, FUTURE = "2026-01-02T03:04:05Z", "2030-01-02T03:04:05Z"
EMPTY = Namespace({}, {}, {}, {}, {}, {}, {})


def snapshot(parent="", **labels):
    return Snapshot("default/1/x", parent, gc(labels), 0.0)


def blob(**labels):
    return Blob(1, gc(labels), 0.0)


def gc(labels):
    """Return labels of the collector; "__" stands for a dot."""
    return {GC + key.replace("__", "."): value for key, value in labels.items()}


def lease(snapshots=(), content=(), images=(), ingests=(), **labels):
    return Lease(gc(labels), list(snapshots), list(content), list(ingests), list(images), 0.0)


CHAIN = {"overlayfs/top": snapshot("base"), "overlayfs/base": snapshot()}


def needs(namespace, kind="snapshot"):
    found = marking.mark(namespace, NOW).needs
    return {key: {need.kind for need in who} for (of, key), who in found.items() if of == kind}


def test_an_image_needs_its_blobs_and_their_snapshots_with_all_parents():
    namespace = EMPTY._replace(
        images={"app": Image("m", {}, 0.0)},
        blobs={
            "m": blob(ref__content__config="c", **{"ref__content__l__0": "l"}),
            "c": blob(**{"ref__snapshot__overlayfs": "top"}),
            "l": blob(),
            "left": blob(),
        },
        snapshots={**CHAIN, "overlayfs/left": snapshot("base")},
    )
    marks = marking.mark(namespace, NOW)
    assert needs(namespace) == {"overlayfs/top": {"image"}, "overlayfs/base": {"image"}}
    assert needs(namespace, "content").keys() == {"m", "c", "l"}
    assert marks.needs["snapshot", "overlayfs/base"] == [Need("image", "app")]
    assert not marks.is_needed("snapshot", "overlayfs/left")
    assert marks.unknown == []


def test_a_container_needs_its_snapshot_with_all_parents():
    namespace = EMPTY._replace(containers={"c1": Container("", "overlayfs/top", {})}, snapshots=CHAIN)
    assert needs(namespace) == {"overlayfs/top": {"container"}, "overlayfs/base": {"container"}}


def test_a_lease_needs_what_it_lists_until_its_time_is_over():
    def held(**labels):
        listed = lease(["overlayfs/top"], ["m"], ["app"], ["i"], **labels)
        blobs = {"m": blob(ref__content="deep"), "deep": blob(), "e": blob()}
        return EMPTY._replace(leases={"w": listed}, snapshots=CHAIN, blobs=blobs, ingests={"i": Ingest("e", None)})

    for labels in ({}, {"expire": FUTURE}, {"expire": "soon"}):
        assert needs(held(**labels)).keys() == {"overlayfs/top", "overlayfs/base"}
        assert needs(held(**labels), "content").keys() == {"m", "deep", "e"}
    assert needs(held(expire=PAST)) == {}
    # A flat lease needs the parents, and follows no label.
    assert needs(held(flat="")).keys() == {"overlayfs/top", "overlayfs/base"}
    assert needs(held(flat=""), "content").keys() == {"m", "e"}


def test_a_label_keeps_a_snapshot_and_a_blob():
    namespace = EMPTY._replace(
        snapshots={"overlayfs/a": snapshot("base", root="x"), **CHAIN}, blobs={"b": blob(root="")}
    )
    assert needs(namespace) == {"overlayfs/a": {"label"}, "overlayfs/base": {"label"}}
    assert needs(namespace, "content") == {"b": {"label"}}


def test_a_blob_that_is_received_is_needed_until_its_time_is_over():
    ingests = {"late": Ingest("a", NOW - 1), "never": Ingest("b", None), "now": Ingest("c", NOW + 1)}
    found = marking.mark(EMPTY._replace(ingests=ingests, blobs={"a": blob(), "b": blob(), "c": blob()}), NOW)
    assert found.needs.keys() == {("ingest", "now"), ("content", "c")}


def test_a_sandbox_needs_what_its_labels_name():
    namespace = EMPTY._replace(sandboxes={"s": gc({"ref__snapshot__overlayfs/a": "top"})}, snapshots=CHAIN)
    assert needs(namespace) == {"overlayfs/top": {"sandbox"}, "overlayfs/base": {"sandbox"}}


@pytest.mark.parametrize(
    ("label", "value", "found"),
    [
        ("ref.content", "b", "content"),
        ("ref.content.name", "b", "content"),
        ("ref.content/name", "b", "content"),
        ("ref.snapshot.overlayfs", "base", "snapshot"),
        ("ref.snapshot.overlayfs/name", "base", "snapshot"),
        ("ref.image", "app", "image"),
    ],
)
def test_references_are_followed(label, value, found):
    namespace = EMPTY._replace(
        containers={"c1": Container("", "", {GC + label: value})}, blobs={"b": blob()}, snapshots=CHAIN
    )
    assert len(needs(namespace, found)) == 1
    assert marking.mark(namespace, NOW).unknown == []


@pytest.mark.parametrize(
    ("label", "value"),
    [("bref.container", "c1"), ("bref.content.a", "m"), ("bref.image/a", "app"), ("bref.snapshot.overlayfs", "base")],
)
def test_back_references_are_followed(label, value):
    namespace = EMPTY._replace(
        images={"app": Image("m", {}, 0.0)},
        containers={"c1": Container("", "overlayfs/top", {})},
        snapshots={**CHAIN, "overlayfs/tied": Snapshot("n", "", {GC + label: value}, 0.0)},
    )
    assert "overlayfs/tied" in needs(namespace)
    assert "overlayfs/tied" not in needs(namespace._replace(images={}, containers={}))


def test_a_label_with_a_time_keeps_a_snapshot_and_a_blob_until_then():
    def kept(value):
        labelled = {"overlayfs/a": snapshot("base", expire=value), **CHAIN}
        return EMPTY._replace(snapshots=labelled, blobs={"b": blob(expire=value)})

    for value in (FUTURE, "soon"):
        assert needs(kept(value)) == {"overlayfs/a": {"label"}, "overlayfs/base": {"label"}}
        assert needs(kept(value), "content") == {"b": {"label"}}
    assert needs(kept(PAST)) == needs(kept(PAST), "content") == {}


@pytest.mark.parametrize(
    "label",
    ["cond.snapshot", "ref.contents", "ref.mount", "new", "bref.stream.a", "expires", "flat.content", "ref.snapshot"],
)
def test_a_label_that_this_walk_does_not_know_is_told(label):
    for namespace in (
        EMPTY._replace(snapshots={"overlayfs/a": Snapshot("n", "", {GC + label: "x"}, 0.0)}),
        EMPTY._replace(leases={"w": Lease({GC + label: "x"}, [], [], [], [], 0.0)}),
        EMPTY._replace(sandboxes={"s": {GC + label: "x"}}),
        EMPTY._replace(images={"app": Image("m", {GC + label: "x"}, 0.0)}),
    ):
        assert marking.mark(namespace, NOW).unknown == [GC + label]


def test_objects_that_refer_to_each_other_or_to_nothing_end_the_walk():
    namespace = EMPTY._replace(
        images={"app": Image("a", {}, 0.0)},
        blobs={"a": blob(ref__content="b"), "b": blob(ref__content="a", **{"ref__content__gone": "gone"})},
        snapshots={"overlayfs/a": snapshot("b", root=""), "overlayfs/b": snapshot("a")},
    )
    assert needs(namespace, "content").keys() == {"a", "b", "gone"}
    assert needs(namespace).keys() == {"overlayfs/a", "overlayfs/b"}


def test_of_many_that_need_a_layer_three_of_each_kind_are_named_in_little_time():
    count = 3000
    namespace = EMPTY._replace(
        images={f"app{n}": Image("m", {}, 0.0) for n in range(count)},
        containers={f"c{n}": Container("", f"overlayfs/s{count - 1}", {}) for n in range(count)},
        blobs={"m": blob(**{"ref__snapshot__overlayfs": f"s{count - 1}"})},
        snapshots={f"overlayfs/s{n}": snapshot(f"s{n - 1}" if n else "") for n in range(count)},
    )
    found = marking.mark(namespace, NOW).needs["snapshot", "overlayfs/s0"]
    assert [need.kind for need in found] == ["image"] * 3 + ["container"] * 3
