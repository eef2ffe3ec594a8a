# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import struct
import tracemalloc

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import Unreadable, newest_meta
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.tree import Bucket, root_bucket
from ansible_collections.strata.overlay2.tests.bolt import fnv1a, meta_page, written

LARGE = {
    b"a": {b"few": b"1", b"more": b"2"},
    b"deep": {b"%05d" % n: {b"labels": {b"x": b"y" * (n % 50)}, b"id": b"%d" % n} for n in range(150)},
    b"empty": {},
    b"long": {b"blob": b"z" * 100_000, b"key" * 2000: b""},
    b"value": b"plain",
}
# As the two databases of a containerd: deep buckets with small values, and many records of the same kind.
DEEP = {
    b"v1": {
        b"space": {
            b"images": {b"image%02d" % n: {b"target": {b"digest": b"sha256:%064d" % n}} for n in range(30)},
            b"snapshots": {b"overlayfs": {b"key%02d" % n: {b"name": b"%d" % n, b"labels": {}} for n in range(30)}},
        },
        b"version": b"\x06",
    }
}
FLAT = {b"v1": {b"snapshots": {b"default/%d/key" % n: {b"id": b"%c" % n, b"kind": b"\x02"} for n in range(120)}}}
DATABASES = {"large": LARGE, "deep": DEEP, "flat": FLAT}


def root(data):
    return root_bucket(data, newest_meta(data))


def tree(bucket):
    return {key: tree(value) if isinstance(value, Bucket) else value for key, value in bucket.items()}


def read(data):
    """Return all of a database, or why it is refused."""
    try:
        return tree(root(data))
    except Unreadable as error:
        return str(error)


@pytest.mark.parametrize("page_size", [1024, 4096, 16384, 65536])
def test_what_was_written_is_read(page_size):
    assert read(written(LARGE, page_size)) == LARGE


def test_the_old_pages_of_other_transactions_are_not_read():
    data = written({b"gone": b"1"}) + b"gone" * 100
    assert read(data) == {b"gone": b"1"}
    assert read(written({})) == {}


def test_a_bucket_is_read_many_times_and_found_by_its_path():
    top = root(written(LARGE))
    assert tree(top) == tree(top)
    assert top.bucket(b"deep", b"00077", b"labels").values() == {b"x": b"y" * 27}
    assert top.bucket(b"deep", b"x", b"labels") is None
    assert top.bucket(b"value") is None
    assert top.values() == {b"value": b"plain"}
    assert [key for key, bucket in top.buckets()] == [b"a", b"deep", b"empty", b"long"]


def page(number, flags, *elements, overflow=0, count=None, id=None):
    """Return a page of 4096 bytes, or more. elements: packed; the content is behind the last of them."""
    head = struct.pack(
        "=QHHI", number if id is None else id, flags, len(elements) if count is None else count, overflow
    )
    return (head + b"".join(elements)).ljust(4096 * (1 + overflow), b"\0")


def branch(*numbers):
    """Return the elements of a branch page with keys of two bytes."""
    size = 16 * len(numbers)
    elements = [struct.pack("=IIQ", size - 16 * n + 2 * n, 2, number) for n, number in enumerate(numbers)]
    return [*elements[:-1], elements[-1] + b"".join(b"%02d" % n for n in range(len(numbers)))]


def buckets(*numbers):
    """Return the elements of a leaf page with buckets, as many, at these root pages."""
    size = 16 * len(numbers)
    elements = [struct.pack("=IIII", 1, size - 16 * n + 18 * n, 2, 16) for n in range(len(numbers))]
    values = b"".join(b"%02d" % n + struct.pack("=QQ", number, 0) for n, number in enumerate(numbers))
    return [*elements[:-1], elements[-1] + values]


def database(*pages, root=2, page_count=None):
    count = 2 + sum(len(one) // 4096 for one in pages) if page_count is None else page_count
    return meta_page(0, 8, root, count) + meta_page(1, 7, 0, 0) + b"".join(pages)


PLAIN = struct.pack("=IIII", 0, 16, 1, 1) + b"kv"


def test_made_up_pages_are_read_if_they_are_right():
    assert read(database(page(2, 2, PLAIN))) == {b"k": b"v"}
    assert read(database(page(2, 2, *buckets(3, 4)), page(3, 2, PLAIN), page(4, 2))) == {b"00": {b"k": b"v"}, b"01": {}}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(database(page(2, 2, PLAIN), root=0), "cut off", id="no root"),
        pytest.param(database(page(2, 2, PLAIN), root=1), "not one of its pages", id="root is a meta page"),
        pytest.param(database(page(2, 2, PLAIN), root=9), "not one of its pages", id="behind the pages in use"),
        pytest.param(database(page(2, 2, PLAIN), root=2**60, page_count=2**61), "not one", id="behind the end"),
        pytest.param(database(page(2, 2, PLAIN, id=3)), "not a page of a bucket", id="another page's number"),
        pytest.param(database(page(2, 0x10)), "not a page of a bucket", id="a free list"),
        pytest.param(database(bytes(4096)), "not a page of a bucket", id="zeros"),
        pytest.param(database(page(2, 2, PLAIN, overflow=1)[:4096], page_count=4), "is cut off", id="cut off"),
        pytest.param(database(page(2, 2, PLAIN, overflow=1), page_count=3), "is cut off", id="more than is in use"),
        pytest.param(database(page(2, 2, count=256)), "more elements than fit", id="too many elements"),
        pytest.param(database(page(2, 2, struct.pack("=IIII", 0, 4070, 9, 9))), "not lie in", id="behind the page"),
        pytest.param(database(page(2, 2, struct.pack("=IIII", 0, 0, 1, 1))), "not lie in", id="in the elements"),
        pytest.param(database(page(2, 2, struct.pack("=IIII", 0, 16, 1, 2**32 - 1))), "not lie in", id="long value"),
        pytest.param(
            database(page(2, 2, *[struct.pack("=IIII", 0, 160 - 16 * n, n, 400) for n in range(10)])),
            "not lie in",
            id="the same bytes many times",
        ),
        pytest.param(
            database(page(2, 2, struct.pack("=IIII", 0, 32, 1, 0), struct.pack("=IIII", 0, 16, 1, 0) + b"kk")),
            "not in their order",
            id="a key twice",
        ),
        pytest.param(
            database(page(2, 1, *branch(3, 4)), page(3, 2, PLAIN), page(4, 2, PLAIN)),
            "not in their order",
            id="keys of two pages",
        ),
        pytest.param(database(page(2, 1, *branch(3, 3)), page(3, 2)), "two places lead to page 3", id="a page twice"),
        pytest.param(database(page(2, 1, *branch(2))), "two places lead to page 2", id="a circle of pages"),
        pytest.param(database(page(2, 2, *buckets(2))), "two places lead to page 2", id="a circle of buckets"),
        pytest.param(
            database(page(2, 1, *branch(3, 4)), page(3, 2, overflow=1)[:4096], page(4, 2)),
            "part of two pages",
            id="a page in another's continuation",
        ),
        pytest.param(database(page(2, 1)), "leads nowhere", id="an empty branch"),
        pytest.param(
            database(*(page(n, 1, *branch(n + 1)) for n in range(2, 40)), page(40, 2)), "leads nowhere", id="too deep"
        ),
        pytest.param(database(page(2, 2, struct.pack("=IIII", 2, 16, 1, 1) + b"kv")), "neither a", id="unknown flag"),
        pytest.param(database(page(2, 2, struct.pack("=IIII", 1, 16, 1, 9) + b"k" * 10)), "neither", id="short bucket"),
        pytest.param(
            database(page(2, 2, struct.pack("=IIII", 1, 16, 1, 20) + b"k" + bytes(20))), "is cut off", id="short page"
        ),
        pytest.param(
            database(page(2, 2, struct.pack("=IIII", 1, 16, 1, 32) + b"k" + bytes(32))), "not a leaf", id="no leaf"
        ),
        pytest.param(
            database(
                page(
                    2,
                    2,
                    struct.pack("=IIII", 1, 16, 1, 65)
                    + b"k"
                    + bytes(16)
                    + struct.pack("=QHHI", 0, 2, 1, 0)
                    + struct.pack("=IIII", 1, 16, 1, 16)
                    + b"k"
                    + struct.pack("=QQ", 2, 0),
                )
            ),
            "neither a",
            id="a bucket in a value's bucket",
        ),
    ],
)
def test_what_bbolt_does_not_write_is_refused(data, why):
    assert why in read(data)


def test_pages_that_lead_to_the_same_pages_again_and_again_are_refused():
    pages = [page(n, 2, *buckets(*[n + 1] * 100)) for n in range(2, 42)]
    assert "two places lead" in read(database(*pages, page(42, 2)))  # otherwise 100 ** 40 buckets


def rechecked(data, number=0):
    """Return *data* with the right checksum in a meta page."""
    at = number * 4096 + 16
    return data[: at + 56] + struct.pack("=Q", fnv1a(data[at : at + 56])) + data[at + 64 :]


def mutated(random, data):
    """Return *data*, changed as a disk, a crash or an enemy could change it."""
    kind = random.randrange(6)
    at = random.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
    if kind == 2:
        other = random.randrange(len(data) // 4096) * 4096
        at -= at % 4096
        return data[:at] + data[other : other + 4096] + data[at + 4096 :]
    if kind == 3:
        return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]
    if kind == 4:
        field = 16 + 8 * random.randrange(7)
        changed = data[:field] + struct.pack("=Q", random.choice([0, 1, 2**31, 2**63, random.randrange(64)]))
        return rechecked(changed + data[field + 8 :])
    at -= at % 4096 - random.choice([8, 10, 12, 16, 20, 24, 28])
    return (
        data[:at] + struct.pack("=I", random.choice([0, 1, 16, 4096, 2**32 - 1, random.randrange(99)])) + data[at + 4 :]
    )


@pytest.mark.parametrize("name", DATABASES)
def test_of_500_changed_databases_each_is_read_or_refused_in_little_memory(name):
    whole = written(DATABASES[name])
    generator = random.Random(f"{name} 18")
    answers = {"read": 0, "refused": 0}
    tracemalloc.start()
    try:
        for _each in range(500):
            changed = mutated(generator, whole)
            answers["refused" if isinstance(read(changed), str) else "read"] += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert min(answers.values()) > 50
    assert peak < 16 * len(whole) + (4 << 20)
