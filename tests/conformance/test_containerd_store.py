# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of the real containerd: what is read of it while it runs, and what its collector removes."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import marking
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import unneeded as unneeded_of
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.look import Look, look_at
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.metadata import TESTED_VERSIONS
from ansible_collections.strata.overlay2.plugins.module_utils._containerd.remedies import remedy
from ansible_collections.strata.overlay2.tests.containerd import Containerd, Refused, image_tar, layer_tar, missing
from ansible_collections.strata.overlay2.tests.engines import environment

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(missing(), reason="needs the engines, which ./dev conformance unpacks"),
]

SPACES = ("default", "k8s.io")


@pytest.fixture
def containerd(tmp_path: Path) -> t.Iterator[Containerd]:
    made = Containerd(tmp_path / "root")
    with made.running():
        yield made


def image(directory: Path, number: int) -> tuple[str, Path]:
    """Return the name and the archive of an image; all images share the base layer."""
    name = f"docker.io/test/image{number}:latest"
    layers = [
        layer_tar({"bin/sh": b"base" * 1000}),
        layer_tar({f"app{number}": random.Random(number).randbytes(60_000)}),
        layer_tar({f"etc/conf{number}": b"x" * number * 100}),
    ]
    return name, image_tar(directory / f"image{number}.tar", name, layers)


def look(containerd: Containerd) -> Look:
    fd = os.open(containerd.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return look_at(fd)
    finally:
        os.close(fd)


def objects(found: Look) -> set[tuple[str, str, str]]:
    """Return what a collector can remove."""
    return {
        (space, kind, key)
        for space, namespace in found.metadata.namespaces.items()
        for kind, keys in (
            (marking.SNAPSHOT, namespace.snapshots),
            (marking.CONTENT, namespace.blobs),
            (marking.INGEST, namespace.ingests),
            (marking.LEASE, namespace.leases),
        )
        for key in keys
    }


def unneeded(found: Look, now: float) -> set[tuple[str, str, str]]:
    gone = set()
    for space, namespace in found.metadata.namespaces.items():
        marks = marking.mark(namespace, now)
        assert marks.unknown == []
        for one in objects(found):
            if one[0] != space:
                continue
            lease = namespace.leases.get(one[2]) if one[1] == marking.LEASE else None
            if marking.is_expired(lease.labels, now) if lease else not marks.is_needed(*one[1:]):
                gone.add(one)
    return gone


def collect(containerd: Containerd) -> None:
    """Have the collector run."""
    for space in SPACES:
        containerd("leases", "create", "--id", "trigger", "--expires", "1h", namespace=space)
        containerd("leases", "delete", "--sync", "trigger", namespace=space)


@pytest.fixture
def still(tmp_path: Path) -> t.Iterator[Containerd]:
    """Give a containerd in which nothing goes between two looks."""
    made = Containerd(tmp_path / "root", collects=False)
    with made.running():
        yield made


def test_what_is_read_is_what_ctr_lists(still: Containerd, tmp_path: Path) -> None:
    containerd = still
    for number, space in ((1, "default"), (2, "default"), (1, "k8s.io")):
        containerd("images", "import", str(image(tmp_path, number)[1]), namespace=space)
    containerd("containers", "create", image(tmp_path, 2)[0], "one")
    containerd("snapshots", "prepare", "by-hand", "")
    containerd("leases", "create", "--id", "work", "--expires", "1h")
    found = look(containerd)
    assert found.metadata.version in TESTED_VERSIONS and found.metadata.unknown == ()
    for space in SPACES:
        namespace = found.metadata.namespaces[space]
        assert sorted(namespace.images) == sorted(row[0] for row in containerd.rows("images", "ls", namespace=space))
        assert sorted(namespace.containers) == containerd("containers", "ls", "-q", namespace=space).split()
        assert sorted(namespace.leases) == sorted(row[0] for row in containerd.rows("leases", "ls", namespace=space))
        blobs = {row[0] for row in containerd.rows("content", "ls", namespace=space)}
        assert namespace.blobs.keys() == blobs
        assert blobs <= found.blobs
        listed = {}
        for row in containerd.rows("snapshots", "ls", namespace=space):
            listed[f"overlayfs/{row[0]}"] = (row[1] if len(row) == 3 else "", row[-1])
        kinds = {1: "View", 2: "Active", 3: "Committed"}
        records = found.snapshotters["overlayfs"].records
        read = {key: (one.parent, kinds[records[one.name].kind]) for key, one in namespace.snapshots.items()}
        assert read == listed
        for key, one in namespace.snapshots.items():
            size, inodes = re.split(
                r"\s+", containerd("snapshots", "usage", "-b", key.partition("/")[2], namespace=space)
            )[-2:]
            record = records[one.name]
            if record.size is not None:
                assert (record.size, record.inodes) == (int(size), int(inodes))
    snapshotter = found.snapshotters["overlayfs"]
    assert {str(record.id) for record in snapshotter.records.values()} == snapshotter.directories


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_collector_removes_exactly_what_nothing_needs(tmp_path: Path, seed: int) -> None:
    containerd = Containerd(tmp_path / "root", collects=False)
    generator = random.Random(seed)
    images = [image(tmp_path, number) for number in range(5)]
    removed = set()
    with containerd.running():
        for _round in range(3):
            for _step in range(25):
                with contextlib.suppress(Refused):  # what is there already, or not there
                    step(containerd, generator, images)
            time.sleep(1.1)  # for the leases that end after a second
            before = look(containerd)
            foretold = unneeded(before, time.time())
            collect(containerd)
            after = objects(look(containerd))
            assert after <= objects(before)
            assert objects(before) - after == foretold
            removed |= foretold
    assert {kind for _space, kind, _key in removed} >= {marking.SNAPSHOT, marking.CONTENT}


def step(containerd: Containerd, generator: random.Random, images: list[tuple[str, Path]]) -> None:
    """Do something that a client could do."""
    space = generator.choice(SPACES)
    name, path = generator.choice(images)
    key = f"thing{generator.randrange(4)}"

    def ctr(*words: str) -> str:
        return containerd(*words, namespace=space)

    kind = generator.randrange(12)
    if kind < 3:
        ctr("images", "import", str(path))
    elif kind < 5:
        ctr("images", "rm", generator.choice(ctr("images", "ls", "-q").split() or ["none"]))
    elif kind == 9:  # a killed client leaves its lease, and what the lease holds
        client = containerd.popen("images", "import", str(path), namespace=space, stdout=-3)
        time.sleep(generator.random() / 5)
        client.kill()
        client.wait()
    elif kind == 10:
        ctr("leases", "delete", generator.choice(ctr("leases", "ls", "-q").split() or ["none"]))
    elif kind == 5:
        ctr("containers", "create", name, key)
    elif kind == 6:
        ctr("containers", "rm", generator.choice(ctr("containers", "ls", "-q").split() or ["none"]))
    elif kind == 7:
        ctr("leases", "create", "--id", key, "--expires", generator.choice(["1s", "1h"]))
    elif kind == 8:
        ctr("images", "tag", name, f"{name}-{key}")
    else:
        ctr("snapshots", "label", *_some_snapshot(ctr, generator), generator.choice(LABELS) + "=")


LABELS = ("containerd.io/gc.root", "containerd.io/gc.ref.snapshot.overlayfs")


def _some_snapshot(ctr: t.Callable[..., str], generator: random.Random) -> list[str]:
    rows = ctr("snapshots", "ls").splitlines()[1:] or ["none"]
    return [generator.choice(rows).split()[0]]


def test_300_looks_during_imports_are_whole(containerd: Containerd, tmp_path: Path) -> None:
    images = [image(tmp_path, number) for number in range(4)]
    ends = threading.Event()

    def work() -> None:
        for number in range(10_000):
            if ends.is_set():
                return
            name, path = images[number % 4]
            containerd("images", "import", str(path))
            if number % 2:
                containerd("images", "rm", "--sync", name)

    containerd("images", "import", str(images[0][1]))
    worker = threading.Thread(target=work)
    worker.start()
    try:
        seen = set()
        for _each in range(300):
            found = look(containerd)
            namespace = found.metadata.namespaces["default"]
            for key, one in namespace.snapshots.items():
                assert not one.parent or f"{key.partition('/')[0]}/{one.parent}" in namespace.snapshots
            records = found.snapshotters["overlayfs"].records
            assert all(not record.parent or record.parent in records for record in records.values())
            seen.add(frozenset(objects(found)))
            time.sleep(0.01)
        assert len(seen) > 5
    finally:
        ends.set()
        worker.join()


def sh(containerd: Containerd, found: unneeded_of.Unneeded) -> None:
    """Type the command that is told for *found*."""
    command = shlex.join(containerd.command()[:-2])
    told = remedy(found, command, "default")
    subprocess.run(["sh", "-euc", told.run], check=True, env=environment(), capture_output=True)


def told(containerd: Containerd, later: float = 2 * 3600) -> dict[str, unneeded_of.Unneeded]:
    """Return by code what nothing needs, as it would be told some seconds later."""
    found = look(containerd)
    assert unneeded_of.why_untold(found.metadata) == ""
    return {one.code: one for one in unneeded_of.find_unneeded(found, time.time() + later)}


def test_what_is_told_to_be_unneeded_goes_by_the_command_that_is_told(tmp_path: Path) -> None:
    containerd = Containerd(tmp_path / "root", collects=False)
    blobs = containerd.root / "io.containerd.content.v1.content/blobs/sha256"

    def end_a_lease() -> None:
        containerd("leases", "create", "--id", "ended", "--expires", "1s")
        time.sleep(1.1)

    def leave_an_image_without_its_name() -> None:
        containerd("images", "import", str(image(tmp_path, 3)[1]))
        collect(containerd)
        containerd("images", "rm", image(tmp_path, 3)[0])

    plants: list[tuple[str, t.Callable[[], t.Any]]] = [
        (unneeded_of.ORPHAN_DIRECTORY, lambda: (containerd.snapshotter / "snapshots/4711/fs").mkdir(parents=True)),
        (unneeded_of.STRAY_BLOB, lambda: (blobs / ("0" * 64)).write_text("x")),
        (unneeded_of.KEPT_BY_LABEL, lambda: containerd("snapshots", "prepare", "by-hand", "")),
        (unneeded_of.LEFT_LEASE, lambda: containerd("leases", "create", "--id", "client", "--expires", "24h")),
        (unneeded_of.EXPIRED_LEASE, end_a_lease),
        (unneeded_of.UNREFERENCED, leave_an_image_without_its_name),
        (unneeded_of.UNUSED_IMAGE, lambda: containerd("images", "import", str(image(tmp_path, 2)[1]))),
    ]
    with containerd.running():
        containerd("images", "import", str(image(tmp_path, 1)[1]))
        containerd("containers", "create", image(tmp_path, 1)[0], "one")
        collect(containerd)
        assert told(containerd) == {}
        for code, plant in plants:
            plant()
            found = told(containerd)
            assert code in found
            assert found.keys() <= {code, unneeded_of.UNREFERENCED}  # an import leaves a blob
            sh(containerd, found[code])
            assert told(containerd) == {}
        assert containerd("containers", "ls", "-q") == "one"
