# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header blocks: when a PAX entry is needed, Go's content of it, and that another reader reads it back."""

from __future__ import annotations

import io
import os
import stat
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import (
    BLOCK,
    CHAR,
    DIRECTORY,
    END,
    HARDLINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar_writer import header, plain_header

NS = 10**9
FILE = Entry(b"file", REGULAR, 0o644, 0, 0, 0, 1_600_000_000 * NS)


def read_back(entry: Entry) -> tarfile.TarInfo:
    stream = io.BytesIO(header(entry) + END)
    with tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape") as archive:
        return archive.next()


def pax_records(entry: Entry) -> bytes:
    blocks = header(entry)
    assert blocks[156:157] == b"x"
    return blocks[BLOCK : BLOCK + int(blocks[124:135], 8)]


@pytest.mark.parametrize(
    ("change", "blocks"),
    [
        pytest.param({}, 1, id="nothing special"),
        pytest.param({"name": b"n" * 100}, 1, id="a name that just fits"),
        pytest.param({"name": b"n" * 101}, 3, id="a name that does not, and has no slash"),
        pytest.param({"name": b"p" * 155 + b"/" + b"n" * 100}, 1, id="the longest path a prefix can hold"),
        pytest.param({"name": b"p" * 156 + b"/" + b"n" * 90}, 3, id="a prefix one too long"),
        pytest.param({"name": b"p/" + b"n" * 101}, 3, id="a last component one too long"),
        pytest.param({"name": b"/".join([b"deep" * 10] * 8) + b"/leaf"}, 3, id="a path longer than both"),
        pytest.param({"name": b"d" * 99 + b"/", "type": DIRECTORY}, 1, id="a directory that just fits"),
        pytest.param({"name": b"d" * 100 + b"/", "type": DIRECTORY}, 3, id="a directory whose slash does not fit"),
        pytest.param({"name": b"x" * 60 + b"/" + b"d" * 60 + b"/", "type": DIRECTORY}, 1, id="a split directory"),
        pytest.param({"name": "h\u00e9llo".encode()}, 3, id="a name that is not ASCII"),
        pytest.param({"name": b"\xff\xfe"}, 3, id="a name that is not UTF-8"),
        pytest.param({"name": b"\x01\x7f\n"}, 1, id="control characters are ASCII"),
        pytest.param({"type": SYMLINK, "linkname": b"t" * 100}, 1, id="a link target that just fits"),
        pytest.param({"type": SYMLINK, "linkname": b"t" * 101}, 3, id="a link target that does not"),
        pytest.param({"type": SYMLINK, "linkname": b"t/" * 60 + b"t"}, 3, id="a link target is never split"),
        pytest.param({"type": HARDLINK, "linkname": b"\xc3"}, 3, id="a link target that is not UTF-8"),
        pytest.param({"uid": 2097151, "gid": 2097151}, 1, id="the greatest ids that fit"),
        pytest.param({"uid": 2097152}, 3, id="a uid one greater"),
        pytest.param({"gid": 4294967294}, 3, id="the greatest gid of all"),
        pytest.param({"size": 8**11 - 1}, 1, id="the greatest size that fits"),
        pytest.param({"size": 8**11}, 3, id="8 GiB"),
        pytest.param({"mtime_ns": 0}, 1, id="the epoch"),
        pytest.param({"mtime_ns": -NS}, 3, id="before the epoch"),
        pytest.param({"mtime_ns": (8**11 - 1) * NS}, 1, id="the last time that fits"),
        pytest.param({"mtime_ns": 8**11 * NS}, 3, id="the year 2242"),
        pytest.param({"xattrs": {b"security.capability": b"\x01\0\n=x"}}, 3, id="an xattr of any bytes"),
        pytest.param({"type": CHAR, "major": 259, "minor": 70000}, 1, id="a device"),
        pytest.param({"mode": 0o7777}, 1, id="all mode bits"),
    ],
)
def test_a_reader_we_did_not_write_reads_it_back(change, blocks):
    entry = FILE._replace(**change)
    assert len(header(entry)) == blocks * BLOCK
    found = read_back(entry)
    linkname = found.linkname.encode(errors="surrogateescape")
    assert found.name.rstrip("/").encode(errors="surrogateescape") == entry.name.rstrip(b"/")
    assert (linkname, found.type) == (entry.linkname, entry.type)
    assert (found.mode, found.uid, found.gid, found.size) == (entry.mode, entry.uid, entry.gid, entry.size)
    assert (found.mtime, found.devmajor, found.devminor) == (entry.mtime_ns // NS, entry.major, entry.minor)


@pytest.mark.parametrize(
    ("change", "records"),
    [
        pytest.param({"name": b"\xff"}, b"9 path=\xff\n", id="raw bytes"),
        pytest.param({"name": b"n" * 101}, b"111 path=" + b"n" * 101 + b"\n", id="the length counts itself"),
        pytest.param({"uid": 2097152, "gid": 2097153}, b"15 gid=2097153\n15 uid=2097152\n", id="sorted by key"),
        pytest.param({"mtime_ns": -NS // 2}, b"12 mtime=-1\n", id="a time is floored, not cut towards 0"),
        pytest.param(
            {"name": b"p" * 60 + b"/" + b"n" * 60, "uid": 2097152},
            b"131 path=" + b"p" * 60 + b"/" + b"n" * 60 + b"\n15 uid=2097152\n",
            id="a path that could be split stands there too once there is a PAX entry",
        ),
        pytest.param(
            {"xattrs": {b"security.capability": b"\0\xff"}},
            b"39 SCHILY.xattr.security.capability=\0\xff\n",
            id="an xattr",
        ),
    ],
)
def test_pax_records(change, records):
    assert pax_records(FILE._replace(**change)) == records


@pytest.mark.parametrize("length", range(80, 110))
def test_a_record_says_its_own_length(length):
    records = pax_records(FILE._replace(name=b"\xff" * length))
    assert int(records.split(b" ", 1)[0]) == len(records)


@pytest.mark.parametrize(
    ("name", "title", "stub"),
    [
        pytest.param("d/h\u00e9".encode(), b"d/PaxHeaders.0/h", b"d/h", id="what is ASCII stays"),
        pytest.param("\u00e9".encode(), b"PaxHeaders.0", b"", id="nothing is left of the name"),
        pytest.param("d\u00e9/".encode(), b"d/PaxHeaders.0", b"d/", id="a directory"),
        pytest.param(b"n" * 101, b"PaxHeaders.0/" + b"n" * 87, b"n" * 100, id="cut to 100"),
        pytest.param(b"n" * 99 + b"/\xff", b"n" * 99, b"n" * 99 + b"/", id="fits"),
        pytest.param(b"n" * 99 + b"/x" * 60 + b"\xff", b"n" * 99, b"n" * 99, id="a cut name ends in no slash"),
    ],
)
def test_the_names_in_the_blocks_of_a_pax_entry(name, title, stub):
    blocks = header(FILE._replace(name=name))
    main = blocks[-BLOCK:]
    assert blocks[:100].rstrip(b"\0") == title
    assert main[:100].rstrip(b"\0") == stub


def test_the_layout_of_a_plain_block():
    entry = Entry(b"null", CHAR, 0o666, 1, 2, 0, 1_600_000_000 * NS + 999, major=1, minor=3)
    block = header(entry)
    assert block[100:148] == b"0000666\x000000001\x000000002\x0000000000000\x0013727410000\0"
    assert block[148:156] == b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    assert block[156:157] == b"3"
    assert block[257:265] == b"ustar\x0000"
    assert block[265:329] == bytes(64)  # no user or group name
    assert block[329:345] == b"0000001\x000000003\0"
    assert block[345:] == bytes(167)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        pytest.param({}, True, id="nothing special"),
        pytest.param({"mode": 0o7777, "uid": 2097151, "gid": 2097151}, True, id="the greatest mode and ids"),
        pytest.param({"size": 8**11 - 1}, True, id="the greatest size"),
        pytest.param({"mtime_ns": 0}, True, id="the first time"),
        pytest.param({"mtime_ns": 8**11 * NS - 1}, True, id="the last time, floored"),
        pytest.param({"name": b"n" * 100}, True, id="the longest name"),
        pytest.param({"name": b"n" * 101}, False, id="a longer name"),
        pytest.param({"name": b"p/" + b"n" * 100}, False, id="a name to be split"),
        pytest.param({"name": b"\xff"}, False, id="a name that is not ASCII"),
        pytest.param({"uid": 2097152}, False, id="a uid too great"),
        pytest.param({"gid": 2097152}, False, id="a gid too great"),
        pytest.param({"size": 8**11}, False, id="a size too great"),
        pytest.param({"mtime_ns": -1}, False, id="a time too early"),
        pytest.param({"mtime_ns": 8**11 * NS}, False, id="a time too late"),
    ],
)
def test_a_plain_file_has_the_same_block(change, fits):
    entry = FILE._replace(**change)
    mode = stat.S_IFREG | entry.mode
    times = {"st_mtime_ns": entry.mtime_ns}
    st = os.stat_result((mode, 1, 1, 1, entry.uid, entry.gid, entry.size, 0, 0, 0), times)
    assert plain_header(entry.name, st) == (header(entry) if fits else b"")
