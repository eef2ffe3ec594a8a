# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store import live_names
from ansible_collections.strata.overlay2.plugins.module_utils._store.live_names import names_in_database
from ansible_collections.strata.overlay2.plugins.module_utils._store.name_search import NameSearch
from ansible_collections.strata.overlay2.tests.bolt import Writer, written

LIVE, GONE, OTHER = "a" * 25, "b" * 25, "c" * 64


def names(path, content):
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        return names_in_database(fd, NameSearch([LIVE, GONE, OTHER]))
    finally:
        os.close(fd)


def test_a_name_in_a_key_or_a_value_at_any_depth_is_found(tmp_path):
    tree = {b"x": b"y", LIVE.encode(): {b"committed": b"1"}, b"z": {b"deep": {b"value": f"<{OTHER}>".encode()}}}
    assert names(tmp_path / "db", written(tree)) == {LIVE, OTHER}


def test_a_name_that_only_a_free_page_holds_is_not_found(tmp_path):
    writer = Writer()
    writer.commit({GONE.encode(): {b"parent": b""}, LIVE.encode(): {b"parent": b""}})
    writer.commit({LIVE.encode(): {b"parent": b""}})
    content = writer.data()
    assert GONE.encode() in content
    assert names(tmp_path / "db", content) == {LIVE}


def test_many_records_are_searched_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(live_names, "_AT_ONCE", 100)
    tree = {f"{number:05}".encode(): {b"chainid": OTHER.encode() if number == 77 else b"x"} for number in range(200)}
    assert names(tmp_path / "db", written(tree)) == {OTHER}


@pytest.mark.parametrize("content", [b"", b"x" * 9000, written({LIVE.encode(): b""})[:9000]])
def test_what_is_not_a_whole_database_is_told_as_such(tmp_path, content):
    assert names(tmp_path / "db", content) is None
