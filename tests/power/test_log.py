# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of the log, on logs made by hand."""

from __future__ import annotations

import io
import struct

import pytest
from ansible_collections.strata.overlay2.tests.power import log
from ansible_collections.strata.overlay2.tests.power.log import Entry

ONE, TWO = b"1" * 512, b"2" * 1024


def made(*entries: tuple[int, int, int, bytes], magic: int = 0x6A736677736872, total: int | None = None) -> io.BytesIO:
    """Return a log; of each entry the sector, the number of sectors, the flags, and the data that follows."""
    out = struct.pack("<QQQI", magic, 1, len(entries) if total is None else total, 512).ljust(512, b"\0")
    for sector, sectors, flags, data in entries:
        mark = len(data) if flags & log.MARK else 0
        out += struct.pack("<QQQQ", sector, sectors, flags, mark).ljust(512, b"\0")
        out += data.ljust(-(-len(data) // 512) * 512, b"\0")
    return io.BytesIO(out)


def test_writes_and_flushes_are_read_in_order() -> None:
    file = made((7, 1, 0, ONE), (0, 0, log.FLUSH, b""), (9, 2, 0, TWO))
    assert log.read(file) == [Entry(7, ONE), Entry(0, b"", True), Entry(9, TWO)]
    assert log.count(file) == 3


def test_a_discard_has_no_data_in_the_log_and_writes_zeroes() -> None:
    assert log.read(made((3, 2, log.DISCARD, b""), (7, 1, 0, ONE))) == [Entry(3, bytes(1024)), Entry(7, ONE)]


def test_a_mark_is_no_write() -> None:
    assert log.read(made((0, 0, log.MARK, b"here"), (7, 1, 0, ONE))) == [Entry(7, ONE)]


def test_only_the_entries_that_the_superblock_counts_are_read() -> None:
    assert log.read(made((7, 1, 0, ONE), (9, 2, 0, TWO), total=1)) == [Entry(7, ONE)]


def test_a_write_yields_its_sectors() -> None:
    assert list(Entry(9, b"a" * 512 + b"b" * 512).sectors()) == [(9, b"a" * 512), (10, b"b" * 512)]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (made(magic=5), "no log of this kind"),
        (made((7, 1, 0, ONE), total=2), "too early"),
        (made((7, 2, 0, ONE)), "too early"),
        (made((7, 1, log.FUA, ONE)), "FUA"),
    ],
)
def test_an_invalid_log_is_refused(file: io.BytesIO, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        log.read(file)
