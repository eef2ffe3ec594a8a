# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import json_file, json_writer


def test_what_is_written_is_read_back(tmp_path):
    path = str(tmp_path / "file")
    assert json_file.read_file(path) is None
    json_writer.stage_file(path, {"a": 1})
    assert json_file.read_file(path) == {"a": 1, "format": json_file.FORMAT}
    json_writer.replace_file(path, {"b": 2})
    assert json_file.read_file(path) == {"b": 2, "format": json_file.FORMAT}
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    path = str(tmp_path / "file")
    (tmp_path / "file.new").write_text("{")
    json_writer.replace_file(path, {"b": 2})
    assert os.listdir(tmp_path) == ["file"]
    (tmp_path / "file.new").write_text("{")
    json_writer.remove_file(path)
    json_writer.remove_file(path)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_put_in_place_is_not_left(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        json_writer.replace_file(str(tmp_path / "file"), {})
    with pytest.raises(IsADirectoryError):
        json_writer.replace_unsynced(str(tmp_path / "file"), "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


ODD_FORMATS = ['"1"', "1.0", "1.5", "true", "null", "0", "-1", "NaN", "Infinity", "1e999", "[1]", "9" * 5000]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "null", "\xff", "5", "[" * 99999, '{"a":' * 99999),
        *('{"format": ' + number + "}" for number in ODD_FORMATS),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "file").write_text(text, encoding="latin-1")
    with pytest.raises(StoreCorrupt, match="is not as this collection writes it"):
        json_file.read_file(str(tmp_path / "file"))


def test_a_newer_format_is_refused(tmp_path):
    (tmp_path / "file").write_text(json.dumps({"format": json_file.FORMAT + 1}))
    with pytest.raises(StoreCorrupt, match="has format 2; this version supports format 1"):
        json_file.read_file(str(tmp_path / "file"))
