# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import zlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.checksum import crc32_of_file, crc32_of_hole

START = zlib.crc32(b"the bytes before the hole")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 * 4096 + 5, 262_144, 10_000_001])
def test_a_hole_counts_as_its_zeros(size):
    assert crc32_of_hole(START, size) == zlib.crc32(bytes(size), START)


def test_a_hole_of_exabytes_counts_as_its_parts():
    half = 1 << 61
    assert crc32_of_hole(START, 2 * half + 7) == crc32_of_hole(crc32_of_hole(START, half), half + 7)


@pytest.mark.parametrize("size", [0, 5, 300_000, 3_000_000])
def test_the_crc_of_a_file_is_that_of_its_bytes(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    with open(tmp_path / "file", "rb") as file:
        assert crc32_of_file(file.fileno(), size) == zlib.crc32(data)


def test_holes_make_no_difference(tmp_path):
    data = bytes(1 << 20) + b"data" + bytes(3 << 20) + b"end" + bytes(1 << 20)
    (tmp_path / "full").write_bytes(data)
    with open(tmp_path / "sparse", "wb") as file:
        for at in (1 << 20, data.index(b"end")):
            file.seek(at)
            file.write(data[at : at + 4].rstrip(b"\0"))
        file.truncate(len(data))
    for name in ("full", "sparse"):
        with open(tmp_path / name, "rb") as file:
            assert crc32_of_file(file.fileno(), len(data)) == zlib.crc32(data)


def test_a_file_that_became_shorter_ends_in_zeros(tmp_path):
    (tmp_path / "file").write_bytes(b"short")
    with open(tmp_path / "file", "rb") as file:
        assert crc32_of_file(file.fileno(), 8) == zlib.crc32(b"short\0\0\0")
