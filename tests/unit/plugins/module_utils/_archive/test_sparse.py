# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes: what GNU tar writes of them in each of its forms, and maps that no tool writes."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.sparse import MAX_MAP
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import REGULAR, SPARSE
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar_reader import TarReader
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    BLOCK,
    archive,
    directory,
    member,
    padded,
    patched,
    pax,
    reader,
    record,
    sparse,
)
from hypothesis import given
from hypothesis import strategies as st

VERSIONS = ["old GNU", "0.0", "0.1", "1.0"]
GNU_TARS = {
    "old GNU": ["--format=gnu"],
    "0.0": ["--format=posix", "--sparse-version=0.0"],
    "0.1": ["--format=posix", "--sparse-version=0.1"],
    "1.0": ["--format=posix", "--sparse-version=1.0"],
}


def read_all(tar, most=None):
    """Return (entry, content) of all entries, holes filled with zeros."""
    found = []
    tar_reader = TarReader(reader(tar, most))
    for entry in tar_reader:
        body = b"".join(iter(tar_reader.piece, b""))
        if entry.type == SPARSE:
            filled, at = bytearray(entry.size), 0
            for offset, length in tar_reader.sparse.pieces():
                filled[offset : offset + length] = body[at : at + length]
                at += length
            assert at == len(body)
            body = bytes(filled)
        found.append((entry, body))
    return found


def one(*members):
    ((entry, body),) = read_all(archive(*members))
    return entry, body


@pytest.mark.parametrize("version", VERSIONS)
class TestEachForm:
    def test_the_data_lies_where_the_map_says(self, version):
        entry, body = one(sparse(version, [(2, 3), (10, 1), (20, 0)], b"abcd"))
        assert (entry.name, entry.type, entry.size) == (b"f", SPARSE, 20)
        assert body == b"\0\0abc\0\0\0\0\0d" + bytes(9)

    def test_a_file_that_is_one_hole(self, version):
        entry, body = one(sparse(version, [(1000, 0)], b""))
        assert (entry.size, body) == (1000, bytes(1000))

    @given(pieces=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 700)), min_size=1, max_size=60))
    def test_any_map(self, version, pieces):
        at, placed, content = 0, [], b""
        for hole, length in pieces:
            placed.append((at + hole, length))
            data = os.urandom(length)
            content += bytes(hole) + data
            at += hole + length
        stored = b"".join(content[offset : offset + length] for offset, length in placed)
        found = read_all(archive(sparse(version, placed, stored), member("next", body=b"n")), 700)
        assert [(entry.name, body) for entry, body in found] == [(b"f", content), (b"next", b"n")]

    @pytest.mark.parametrize(
        ("pieces", "body", "size", "message"),
        [
            pytest.param([(5, 5), (0, 5)], b"x" * 10, None, "out of order", id="out of order"),
            pytest.param([(0, 5), (4, 5)], b"x" * 10, None, "out of order", id="overlapping"),
            pytest.param([(0, 5)] * 30, b"x" * 150, None, "out of order", id="again and again"),
            pytest.param([(0, 5)], b"x" * 5, 4, "ends at byte 5, but the file has 4 bytes", id="beyond the size"),
            pytest.param([(2**33 - 1, 2**33 - 1)], b"x" * 5, 2**33 - 1, "ends at byte", id="far beyond it"),
            pytest.param([(0, 5)], b"x" * 4, None, "lists 5 bytes of data, but the archive has 4", id="less data"),
            pytest.param([(0, 5)], b"x" * 6, 9, "lists 5 bytes of data, but the archive has 6", id="more data"),
            pytest.param([], b"x" * 6, 9, "lists 0 bytes|form that this", id="no map"),
        ],
    )
    def test_a_map_that_is_not_true_is_refused(self, version, pieces, body, size, message):
        with pytest.raises(ArchiveRejected, match=f"archive entry f: .*({message})"):
            read_all(archive(sparse(version, pieces, body, size)))

    def test_every_cut_is_noticed(self, version):
        tar = sparse(version, [(number * 10, 5) for number in range(50)], b"abcde" * 50)
        for cut in range(1, len(tar) + 1, 97):
            with pytest.raises(ArchiveRejected, match=r"ends|cut off"):
                read_all(tar[:cut])

    def test_a_map_without_end_is_refused(self, version):
        pieces = [(number * 2, 1) for number in range(200_000)]
        with pytest.raises(ArchiveRejected, match="1048576"):
            read_all(archive(sparse(version, pieces, b"x" * 200_000)))

    @pytest.mark.root
    @pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
    def test_gnu_tars_own(self, version, tmp_path):
        contents = {
            "few": [(1 << 20, b"a" * 5000), (3 << 20, b"b" * 100)],
            "many": [(number << 14, b"%d" % number) for number in range(60)],
            "ends in data": [(0, b"x"), (1 << 20, b"tail")],
            "n" * 120: [(1 << 16, b"long name")],
            "nothing": [],
        }
        for name, pieces in contents.items():
            with open(tmp_path / name, "wb") as file:
                for at, data in pieces:
                    file.seek(at)
                    file.write(data)
                file.truncate(max(file.tell(), 5 << 20))
        command = ["tar", "-C", tmp_path, *GNU_TARS[version], "--sparse", "-cf", "-", *contents]
        tar = subprocess.run(command, check=True, capture_output=True).stdout
        assert len(tar) < 3 << 20
        for (entry, body), name in zip(read_all(tar), contents):
            assert (entry.name, entry.type) == (name.encode(), SPARSE)
            assert body == (tmp_path / name).read_bytes(), name


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param(
            [sparse("0.0", [(0, 1)], b"x", numblocks=2)], "stated number of pieces", id="fewer pieces than it says"
        ),
        pytest.param([sparse("0.1", [(0, 1)], b"x", numblocks=None)], "numblocks b'' is not a number", id="no count"),
        pytest.param([sparse("0.1", [(0, 1)], b"x", numblocks=-1)], "is not a number, or is negative", id="-1 pieces"),
        pytest.param(
            [sparse("0.1", [(0, 1)], b"x", map="0,-1")], "is not a number, or is negative", id="a negative length"
        ),
        pytest.param([sparse("0.1", [(0, 1)], b"x", map="0,")], "is not a number", id="a number missing"),
        pytest.param(
            [sparse("0.1", [(0, 1)], b"x", map=f"{2**63},1")], "which is out of range", id="an offset too far"
        ),
        pytest.param([sparse("0.1", [(2**63 - 1, 1)], b"x")], "absurd|ends at byte", id="a sum too great"),
        pytest.param([sparse("0.1", [(0, 1)], b"x", size=-1)], "not a number, or is negative", id="a negative size"),
        pytest.param([sparse("0.1", [(0, 1)], b"x", size=2**63)], "absurd", id="an absurd size"),
        pytest.param([sparse("1.0", [(0, 1)], b"x", major=2)], "form that this collection does", id="version 2.0"),
        pytest.param([sparse("1.0", [(0, 1)], b"x", minor=1)], "form that this collection does", id="version 1.1"),
        pytest.param([pax(record("GNU.sparse.name", "f")), member("f")], "form that this", id="nothing but a name"),
        pytest.param([sparse("0.1", [(0, 1)], b"x", name="a\0b")], "NUL in a name", id="a NUL in its name"),
        pytest.param(
            [pax(record("GNU.sparse.numbytes", "1") + record("GNU.sparse.offset", "0")), member("f")],
            "map of holes is malformed",
            id="length before offset",
        ),
        pytest.param([pax(record("GNU.sparse.offset", "0,1")), member("f")], "malformed", id="two numbers in one"),
        pytest.param(
            [pax(record("GNU.sparse.map", "0,1") + record("GNU.sparse.numblocks", "1")), directory("f/")],
            "entry f/: it has a map of holes but is not a regular file",
            id="a directory",
        ),
        pytest.param(
            [pax(record("GNU.sparse.map", "0,1")), sparse("old GNU", [(0, 1)], b"x")], "two maps", id="two maps"
        ),
        pytest.param([patched(sparse("old GNU", [(0, 1)], b"x"), 257, b"ustar\x0000")], "type b'S'", id="star's"),
        pytest.param(
            [patched(sparse("old GNU", [(0, 1)], b"x"), 386, b"\xff" * 12)], "the number -1, which", id="base 256: -1"
        ),
        pytest.param(
            [patched(sparse("old GNU", [(0, 1)], b"x"), 398, b"\xff" * 12)], "number -1, which", id="length -1"
        ),
        pytest.param(
            [patched(sparse("old GNU", [(0, 1)], b"x"), 483, b"\xff" * 12)],
            "byte 1, but the file has -1 bytes",
            id="size -1",
        ),
        pytest.param(
            [patched(sparse("old GNU", [], b""), 483, b"\xff" * 12)],
            "byte 0, but the file has -1 bytes",
            id="a void of -1",
        ),
        pytest.param([patched(sparse("old GNU", [(0, 1)], b"x"), 386, b"zero" * 3)], "is not a number", id="text"),
    ],
)
def test_what_no_tool_writes_is_refused(members, message):
    with pytest.raises(ArchiveRejected, match=message) as caught:
        read_all(archive(*members))
    assert caught.value.details["entry"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "ends within its map", id="nothing"),
        pytest.param(padded(b"\n"), "is not a number", id="an empty line"),
        pytest.param(padded(b"-1\n"), "is not a number, or is negative", id="-1 pieces"),
        pytest.param(padded(b"99999999999999999999\n"), "ends within its map", id="more pieces than there are bytes"),
        pytest.param(b"1" * BLOCK, "is not a number", id="no line"),
        pytest.param(padded(b"1\n0\n") + bytes(3 * BLOCK), "malformed", id="a line of zeros"),
        pytest.param(padded(b"1\n0x0\n1\n") + b"x", "is not a number", id="hexadecimal"),
        pytest.param(padded(b"1\n0\n1\n")[:100], "has -412", id="a map cut by the size"),
    ],
)
def test_maps_in_the_body(body, message):
    told = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.realsize", "1")
    with pytest.raises(ArchiveRejected, match=message):
        read_all(archive(pax(told), member("f", body=body)))


def test_without_a_size_the_archives_is_the_files():
    told = record("GNU.sparse.map", "0,3") + record("GNU.sparse.numblocks", "1")
    entry, body = one(pax(told), member("f", body=b"abc"))
    assert (entry.type, entry.size, body) == (SPARSE, 3, b"abc")


def test_the_map_is_for_one_entry():
    (first, _unused), (second, body) = read_all(archive(sparse("0.1", [(1, 1)], b"x"), member("g", body=b"abc")))
    assert (first.type, second.type, body) == (SPARSE, REGULAR, b"abc")


def test_the_longest_map_is_read():
    pieces = [(number * 2, 1) for number in range(MAX_MAP // BLOCK * 21)]
    entry, _unused = one(sparse("old GNU", pieces, b"x" * len(pieces)))
    assert entry.size == 2 * len(pieces) - 1
