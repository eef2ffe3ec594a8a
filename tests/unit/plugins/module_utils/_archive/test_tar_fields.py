# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile
import zlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar_fields import (
    adds_up,
    expected_adler,
    nanoseconds,
    number,
    owner_of,
    text,
)


@pytest.mark.parametrize("value", [0, 1, 0o7777777, 0o77777777777, 1 << 33, (1 << 63) - 1, -1, -(1 << 62)])
def test_numbers_as_python_writes_them(value):
    assert number(bytes(tarfile.itn(value, 12, tarfile.GNU_FORMAT))) == value


@pytest.mark.parametrize(
    ("field", "value"), [(b"   644 \0", 0o644), (b"0000644\0", 0o644), (b"\0" * 8, 0), (b"644\0junk", 0o644)]
)
def test_numbers_as_old_writers_have_them(field, value):
    assert number(field) == value


@pytest.mark.parametrize(
    "field", [b"0o644\0\0\0", b"1_0\0\0\0\0\0", b"+1\0\0\0\0\0\0", b"8\0\0\0\0\0\0\0", b"six\0\0\0\0\0"]
)
def test_what_is_no_number(field):
    with pytest.raises(ValueError, match="is not a number"):
        number(field)


def test_a_checksum_is_met_by_its_block_alone():
    block = tarfile.TarInfo("name").tobuf(tarfile.USTAR_FORMAT)
    other = b"N" + block[1:]
    assert zlib.adler32(block) & 0xFFFF == expected_adler(block[148:156])
    assert zlib.adler32(other) & 0xFFFF != expected_adler(block[148:156])
    assert expected_adler(b"no sum\0 ") == -1


def test_bytes_may_be_summed_as_signed():
    block = tarfile.TarInfo("n\xfcm").tobuf(tarfile.USTAR_FORMAT, encoding="latin-1")
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])
    field = b"%06o\0 " % signed
    assert adds_up(block[:148] + field + block[156:], field)
    assert not adds_up(block, block[148:156])
    assert not adds_up(block, b"no sum\0 ")


def test_owner_and_time():
    assert owner_of(b"0104755\0" + b"0001750\0" + b"0000144\0") == (0o4755, 1000, 100)
    assert nanoseconds(bytes(tarfile.itn(-2, 12, tarfile.GNU_FORMAT))) == -2 * 10**9
    assert text(b"ab\0cd") == b"ab" and text(b"full") == b"full"
