# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAX records and what they change; what is refused is tested through the reader, in test_tar_reader.py."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.pax import amended, parse_records
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import DIRECTORY, REGULAR, Entry
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import record
from hypothesis import given
from hypothesis import strategies as st

FILE = Entry(b"f", REGULAR, 0o644, 1, 2, 3, 4, b"target")


@given(st.dictionaries(st.from_regex(r"SCHILY\.xattr\.[a-z.]+", fullmatch=True), st.binary(max_size=200), max_size=5))
def test_records_of_any_content(records):
    body = b"".join(record(key, value) for key, value in records.items())
    assert parse_records(body) == {key.encode(): value for key, value in records.items()}


def test_only_what_matters_is_kept():
    records = parse_records(
        record("comment", "c") + record("atime", "1") + record("uname", "root") + record("uid", "5")
    )
    assert records == {b"uid": b"5"}


def test_the_last_record_of_a_name_counts():
    assert parse_records(record("path", "a") + record("path", "b")) == {b"path": b"b"}


@pytest.mark.parametrize(
    ("records", "changes"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({b"uid": b"70000", b"gid": b"4294967294"}, {"uid": 70000, "gid": 4294967294}, id="owner"),
        pytest.param({b"size": b"9999999999"}, {"size": 9999999999}, id="size"),
        pytest.param({b"uid": b"-2", b"gid": b"-2147483648"}, {"uid": 4294967294, "gid": 1 << 31}, id="negative ids"),
        pytest.param({b"uid": b"+5", b"gid": b"0" * 5000 + b"7"}, {"uid": 5, "gid": 7}, id="a plus, and zeros"),
        pytest.param({b"size": b"0" * 30 + b"999"}, {"size": 999}, id="a size with zeros before it"),
        pytest.param({b"mtime": b"+" + b"0" * 30 + b"5.5"}, {"mtime_ns": 5_500_000_000}, id="such a time"),
        pytest.param({b"linkpath": b"\xff"}, {"linkname": b"\xff"}, id="link"),
        pytest.param({b"mtime": b"1.5"}, {"mtime_ns": 1_500_000_000}, id="half a second"),
        pytest.param({b"mtime": b"1.0000000019"}, {"mtime_ns": 1_000_000_001}, id="finer than a nanosecond"),
        pytest.param({b"mtime": b"7."}, {"mtime_ns": 7_000_000_000}, id="a bare point"),
        pytest.param({b"mtime": b"-0.25"}, {"mtime_ns": -250_000_000}, id="just before 1970"),
        pytest.param({b"SCHILY.xattr.user.a": b""}, {"xattrs": {b"user.a": b""}}, id="an empty xattr is one"),
        pytest.param(
            {b"uid": b"", b"size": b"", b"mtime": b"", b"linkpath": b"", b"path": b""},
            {},
            id="empty: as the header has it",
        ),
    ],
)
def test_amended(records, changes):
    assert amended(FILE, records) == FILE._replace(**changes)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({b"uid": b"-1"}, "owner -1:2 is out of range"),
        ({b"gid": b"-2147483649"}, "owner 1:-2147483649 is out of range"),
        ({b"uid": b"4294967295"}, "owner 4294967295:2 is out of range"),
        ({b"uid": b"--2"}, "not a number"),
        ({b"uid": b"-"}, "not a number"),
        ({b"size": b"-2"}, "not a number, or is negative"),
        ({b"size": b"1" * 21}, "not a number"),
        ({b"mtime": b"+-5"}, "not a time"),
    ],
)
def test_what_no_system_call_takes(records, message):
    with pytest.raises(ValueError, match=message):
        amended(FILE, records)


def test_a_directory_gets_no_size():
    assert amended(FILE._replace(type=DIRECTORY, size=0), {b"size": b"7"}).size == 0
