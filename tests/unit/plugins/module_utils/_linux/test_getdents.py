# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.getdents import entry_types


def types_of(path) -> dict[bytes, int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return dict(entry_types(fd))
    finally:
        os.close(fd)


def test_an_empty_directory_has_itself_and_its_parent(tmp_path):
    assert types_of(tmp_path) == {b".": 4, b"..": 4}


def test_each_kind_has_its_type(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    (tmp_path / "f").touch()
    (tmp_path / "l").symlink_to("f")
    os.mkfifo(tmp_path / "p")
    with open(os.fsencode(tmp_path) + b"/\xff", "w"), socket.socket(socket.AF_UNIX) as bound:
        monkeypatch.chdir(tmp_path)
        bound.bind("s")
    expected = {b".": 4, b"..": 4, b"d": 4, b"f": 8, b"l": 10, b"p": 1, b"s": 12, b"\xff": 8}
    assert types_of(tmp_path) == expected


def test_more_than_one_buffer(tmp_path):
    names = {f"{number:0100}".encode() for number in range(1000)}
    for name in names:
        os.close(os.open(os.path.join(os.fsencode(tmp_path), name), os.O_CREAT | os.O_WRONLY))
    assert set(types_of(tmp_path)) == names | {b".", b".."}


def test_a_file_is_no_directory(tmp_path):
    with open(tmp_path / "f", "w+") as file, pytest.raises(NotADirectoryError):
        list(entry_types(file.fileno()))
