# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import random
import struct
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt import live
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable
from ansible_collections.strata.overlay2.tests.bolt import Writer, meta_page, written

COUNT = 400  # leaf pages of a transaction


@pytest.fixture
def database(tmp_path):
    """Give a file, opened for reading, and a function that commits a tree to it."""
    path = tmp_path / "meta.db"
    writer = Writer()

    def commit(tree):
        writer.commit(tree)
        path.write_bytes(writer.data())

    commit({b"at": b"1"})
    fd = os.open(path, os.O_RDONLY)
    yield fd, commit
    os.close(fd)


def test_the_last_transaction_is_read(database):
    fd, commit = database
    commit({b"at": b"2"})
    found = live.read_live(fd)
    assert (found.root.values(), found.txid, found.tries) == ({b"at": b"2"}, 2, 1)


def test_a_copy_made_while_the_engine_wrote_is_made_again(database, monkeypatch):
    fd, commit = database
    copy, waiting = live._copy, [b"3", b"2"]

    def slow(*arguments):
        data = copy(*arguments)
        if waiting:
            commit({b"at": waiting.pop()})
        return data

    monkeypatch.setattr(live, "_copy", slow)
    found = live.read_live(fd)
    assert (found.root.values(), found.tries) == ({b"at": b"3"}, 3)


def test_a_reader_gives_up_when_the_engine_writes_all_the_time(database, monkeypatch):
    fd, commit = database
    copy = live._copy

    def slow(*arguments):
        commit({b"at": b"again"})
        return copy(*arguments)

    monkeypatch.setattr(live, "_copy", slow)
    with pytest.raises(live.Busy, match="each of 50 tries"):
        live.read_live(fd)


def test_a_file_may_lack_a_tail_that_no_bucket_uses(tmp_path):
    path = tmp_path / "meta.db"
    data = written({b"a": b"1"})
    meta = meta_page(0, 8, len(data) // 4096 - 1, 10_000)
    path.write_bytes(meta + data[4096:])
    with open(path, "rb") as file:
        assert live.read_live(file.fileno()).root.values() == {b"a": b"1"}


def test_a_database_that_needs_too_much_memory_is_refused(tmp_path):
    path = tmp_path / "meta.db"
    path.write_bytes(meta_page(0, 8, 2, 1 << 20) + meta_page(1, 7, 2, 4))
    os.truncate(path, 4 << 30)  # sparse
    with open(path, "rb") as file, pytest.raises(Unreadable, match="needs 4294967296 bytes, and at most 268435456"):
        live.read_live(file.fileno())


def test_only_a_regular_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, flags in ((tmp_path / "fifo", os.O_NONBLOCK), (tmp_path, 0)):
        fd = os.open(path, os.O_RDONLY | flags)
        with pytest.raises(Unreadable, match="not a regular file"):
            live.read_live(fd)
        os.close(fd)


def leaf(number, key, stamp):
    element = struct.pack("=IIII", 0, 16, 4, 8) + key + struct.pack("=Q", stamp)
    return (struct.pack("=QHHI", number, 2, 1, 0) + element).ljust(4096, b"\0")


def write_all_the_time(path, started):
    """Commit transactions as bbolt does: n+1 writes over the pages of n-1, then writes its meta page.

    Each value of transaction n is n.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    generator = random.Random(18)
    for txid in range(1, 1 << 40):
        side = txid % 2
        first = 4 + side * COUNT
        numbers = range(first, first + COUNT)
        for number in numbers:
            os.pwrite(fd, leaf(number, b"%04d" % (number - first), txid), number * 4096)
        elements = [struct.pack("=IIQ", 16 * (COUNT - n) + 4 * n, 4, number) for n, number in enumerate(numbers)]
        keys = b"".join(b"%04d" % n for n in range(COUNT))
        size = 16 + len(b"".join(elements)) + len(keys)
        overflow = -(-size // 4096) - 1
        root = 4 + 2 * COUNT + 10 * side
        page = struct.pack("=QHHI", root, 1, COUNT, overflow) + b"".join(elements) + keys
        os.pwrite(fd, page.ljust(4096 * (1 + overflow), b"\0"), root * 4096)
        os.pwrite(fd, meta_page(side, txid, root, 4 + 2 * COUNT + 20), side * 4096)
        started.set()
        time.sleep(generator.choice([0, 0, 0.01]))  # a reader has its turn, as while an engine waits for the disk


def test_300_reads_of_a_database_that_is_written_all_the_time_are_whole(tmp_path):
    path = tmp_path / "meta.db"
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=write_all_the_time, args=(path, started), daemon=True)
    process.start()
    try:
        assert started.wait(60)
        fd = os.open(path, os.O_RDONLY)
        seen = set()
        for _each in range(300):
            found = live.read_live(fd)
            values = found.root.values()
            assert len(values) == COUNT
            assert set(values.values()) == {struct.pack("=Q", found.txid)}
            seen.add(found.txid)
        os.close(fd)
        assert len(seen) > 10
    finally:
        process.terminate()
        process.join()
