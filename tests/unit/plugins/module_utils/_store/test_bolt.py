# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.bolt import wrong_with


def page(size, pages):
    meta = struct.pack("<IIIIQQQQ", 0xED0CDAED, 2, size, 0, 3, 0, 2, pages)
    return (bytes(16) + meta).ljust(size, b"\0")


@pytest.mark.parametrize("size", [4096, 8192, 16384, 65536])
def test_a_database_has_one_whole_meta_page_at_least(size):
    whole = page(size, 4) + page(size, 4) + bytes(2 * size)
    assert wrong_with(whole, len(whole)) == ""
    assert wrong_with(bytes(size) + whole[size:], len(whole)) == ""
    assert "overwritten" in wrong_with(bytes(len(whole)), len(whole))


def test_of_two_meta_pages_the_one_that_needs_less_is_believed():
    newer = page(4096, 9) + page(4096, 4) + bytes(2 * 4096)
    assert wrong_with(newer, len(newer)) == ""
    assert wrong_with(newer, len(newer) - 1) == "it is cut off: 16383 of 16384 bytes are left"


@pytest.mark.parametrize("data", [b"", b"\xed", page(4096, 4)[:50]])
def test_what_is_too_short_is_no_database(data):
    assert "cut off" in wrong_with(data, len(data))
