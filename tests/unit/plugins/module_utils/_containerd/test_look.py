# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random
import shutil

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.live import Busy
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable
from ansible_collections.strata.overlay2.plugins.module_utils._containerd import look, marking, owners, unneeded
from ansible_collections.strata.overlay2.tests import containerd_records as made
from ansible_collections.strata.overlay2.tests.bolt import written

METADATA = f"{made.OVERLAYFS}/metadata.db"


def look_at(root):
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return look.look_at(fd)
    finally:
        os.close(fd)


@pytest.fixture
def root(tmp_path):
    meta = made.metadata(default=made.namespace(snapshots={"base": made.snapshot("default/1/base")}))
    return made.make_root(tmp_path / "root", meta, {"default/1/base": made.record(1)}, ["1", "new-5"])


def test_a_data_root_is_read(root):
    blobs = root / "io.containerd.content.v1.content/blobs/sha256"
    blobs.mkdir(parents=True)
    (blobs / "abc").write_text("x")
    (root / "io.containerd.snapshotter.v1.native/snapshots").mkdir(parents=True)  # without a database
    found = look_at(root)
    assert found.blobs == {"sha256:abc"}
    assert found.snapshotters.keys() == {"overlayfs"}
    assert found.snapshotters["overlayfs"].directories == {"1", "new-5"}
    assert found.snapshotters["overlayfs"].records["default/1/base"].id == 1
    assert found.metadata.namespaces["default"].snapshots["overlayfs/base"].name == "default/1/base"


@pytest.mark.parametrize("path", [made.META, METADATA])
def test_a_database_that_is_a_symlink_or_a_fifo_or_a_directory_is_not_read(root, path):
    shutil.copy(root / path, root / "elsewhere")
    (root / path).unlink()
    (root / path).symlink_to(root / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        look_at(root)
    (root / path).unlink()
    os.mkfifo(root / path)
    with pytest.raises(Unreadable, match="cannot be read: it is not a regular file"):
        look_at(root)
    (root / path).unlink()
    (root / path).mkdir()
    with pytest.raises(Unreadable, match="not a regular file"):
        look_at(root)


@pytest.mark.parametrize("place", ["io.containerd.metadata.v1.bolt", made.OVERLAYFS])
def test_a_directory_that_is_a_symlink_is_not_read(root, place):
    (root / place).rename(root / "elsewhere")
    (root / place).symlink_to("elsewhere")
    with pytest.raises(OSError, match="Not a directory"):
        look_at(root)


def test_a_database_that_is_replaced_meanwhile_is_busy(root, monkeypatch):
    read = look.read_live

    def replaced(fd, limit):
        database = read(fd, limit)
        os.replace(shutil.copy(root / made.META, root / "new"), root / made.META)
        return database

    monkeypatch.setattr(look, "read_live", replaced)
    with pytest.raises(Busy, match="db cannot be read: another file took its place"):
        look_at(root)


def mutated(generator, root):
    """Return a made-up database: right pages, wrong records."""

    def change(tree):
        return {key: change(value) if isinstance(value, dict) else other(value) for key, value in changed_keys(tree)}

    def changed_keys(tree):
        for key, value in tree.items():
            kind = generator.randrange(40)
            if kind == 0:
                continue
            if kind == 1:
                yield key, generator.choice([b"", b"\xff" * 20, {}, {b"labels": {}}, {b"labels": b""}])
            elif kind == 2:
                yield generator.choice([b"\xff\xfe", b"/", b"a/b/c", b"x" * 300]), value
            else:
                yield key, value

    def other(value):
        return generator.choice([value] * 20 + [b"", b"\x80", b"\xff" * 9, b"name"])

    return change(root)


def test_300_databases_with_wrong_records_are_read_or_refused(tmp_path):
    objects = made.namespace(
        images={"app": made.image("m"), "old": made.image("x")},
        containers={"c": made.container("app", "top")},
        snapshots={"top": made.snapshot("default/2/top", "base"), "base": made.snapshot("default/1/base")},
        blobs={"m": made.blob(5, {"containerd.io/gc.ref.snapshot.overlayfs": "base"})},
        ingests={"i": {b"expected": b"m", b"expireat": made.moment(made.NOW)}},
        leases={"w": made.lease({made.EXPIRE: made.FUTURE}, ["top"], ["m"])},
    )
    meta = made.metadata(default=objects, other=objects)
    records = {b"default/1/base": made.record(1), b"default/2/top": made.record(2, 2, "default/1/base", None)}
    root = made.make_root(tmp_path / "root", meta, {}, ["1", "2", "3"])
    generator = random.Random(18)
    answers = {True: 0, False: 0}
    for _each in range(300):
        (root / made.META).write_bytes(written(mutated(generator, meta)))
        (root / METADATA).write_bytes(written(mutated(generator, {b"v1": {b"snapshots": records}})))
        try:
            found = look_at(root)
        except Unreadable:
            answers[False] += 1
            continue
        answers[True] += 1
        unneeded.find_unneeded(found, made.NOW)
        owners.owners_of(found, "overlayfs", made.NOW)
        for namespace in found.metadata.namespaces.values():
            marking.mark(namespace, made.NOW)
    assert min(answers.values()) > 20


def gone(root, before=lambda: None):
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        seen = look.look_at_snapshotter(fd, "overlayfs")
        before()
        return look.gone_layers(fd, "overlayfs", seen)
    finally:
        os.close(fd)


def test_a_record_without_its_directory_is_a_layer_that_is_gone(root):
    assert gone(root) == {}
    (root / made.OVERLAYFS / "snapshots/1").rmdir()
    (record,) = gone(root).values()
    assert record.id == 1


def test_a_layer_that_was_made_or_removed_meanwhile_is_not_gone(root):
    directory = root / made.OVERLAYFS / "snapshots/1"
    directory.rmdir()
    assert gone(root, directory.mkdir) == {}
    directory.rmdir()

    def remove():
        made.make_root(root, made.metadata(), {})

    assert gone(root, remove) == {}


def test_a_directory_with_more_names_than_records_can_be_is_refused(root, monkeypatch):
    monkeypatch.setattr(look, "MOST", 2)
    assert look_at(root)
    (root / made.OVERLAYFS / "snapshots/more").mkdir()
    with pytest.raises(Unreadable, match="has more than 2 names"):
        look_at(root)
