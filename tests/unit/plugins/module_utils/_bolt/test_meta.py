# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._bolt.meta import (
    Unreadable,
    newest_meta,
    wrong_with,
)
from ansible_collections.strata.overlay2.tests.bolt import Writer, meta_page

SIZES = [1024, 4096, 8192, 16384, 65536]


def database(size, *txids, pages=(4, 4)):
    return b"".join(meta_page(number, txid, 3, pages[number], size) for number, txid in enumerate(txids)) + bytes(
        2 * size
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_newest_meta_page_counts(size):
    assert newest_meta(database(size, 8, 9))[0::3] == (size, 9)
    assert newest_meta(database(size, 10, 9))[0::3] == (size, 10)


@pytest.mark.parametrize("size", SIZES)
def test_a_damaged_meta_page_does_not_count(size):
    whole = database(size, 8, 9)
    for number, left in ((0, 9), (1, 8)):
        for place in (16, 40, 64, 79):  # magic, root, transaction, checksum
            damaged = bytearray(whole)
            damaged[number * size + place] ^= 1
            assert newest_meta(bytes(damaged)).txid == left
    assert newest_meta(bytes(size) + whole[size:]).txid == 9


def test_a_page_size_that_no_host_has_is_refused():
    with pytest.raises(Unreadable, match="not a bbolt database"):
        newest_meta(database(512, 8, 9))
    assert newest_meta(meta_page(0, 8, 3, 4, 4096)[:80].ljust(3000, b"\0") + bytes(9999)).txid == 8


@pytest.mark.parametrize("head", [b"", b"\xed", database(4096, 1, 2)[:50], bytes(9000)])
def test_what_is_empty_or_cut_off_or_overwritten_is_refused(head):
    with pytest.raises(Unreadable, match="empty, cut off or overwritten"):
        newest_meta(head)
    assert "empty, cut off or overwritten" in wrong_with(head, len(head))


@pytest.mark.parametrize("size", SIZES)
def test_a_database_has_one_whole_meta_page_at_least(size):
    whole = database(size, 1, 2)
    assert wrong_with(whole, len(whole)) == ""
    assert wrong_with(bytes(size) + whole[size:], len(whole)) == ""
    assert "overwritten" in wrong_with(bytes(len(whole)), len(whole))


def test_of_two_meta_pages_the_one_that_needs_less_is_believed():
    newer = database(4096, 1, 2, pages=(9, 4))
    assert wrong_with(newer, len(newer)) == ""
    assert wrong_with(newer, len(newer) - 1) == "it is cut off: 16383 of 16384 bytes are left"


def test_an_empty_database_has_a_root():
    writer = Writer()
    writer.commit({})
    assert newest_meta(writer.data())[1:] == (2, 3, 1)
