# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.rename import exchange, rename_noreplace


def test_exchange_swaps_a_file_and_a_full_directory(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/in").touch()
    (tmp_path / "b").write_text("text")
    exchange(tmp_path / "a", os.fsencode(tmp_path / "b"))
    assert (tmp_path / "a").read_text() == "text"
    assert os.listdir(tmp_path / "b") == ["in"]


def test_names_are_relative_to_the_descriptors(tmp_path):
    (tmp_path / "d/a").mkdir(parents=True)
    (tmp_path / "b").touch()
    above, below = (os.open(path, os.O_RDONLY) for path in (tmp_path, tmp_path / "d"))
    try:
        exchange("a", "b", src_dir_fd=below, dst_dir_fd=above)
    finally:
        os.close(above)
        os.close(below)
    assert (tmp_path / "b").is_dir()
    assert (tmp_path / "d/a").is_file()


def test_exchange_needs_both(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(FileNotFoundError) as caught:
        exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "a"), str(tmp_path / "b"))


def test_noreplace_renames(tmp_path):
    (tmp_path / "a").touch()
    rename_noreplace(tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path) == ["b"]


def test_noreplace_spares_even_an_empty_directory(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(FileExistsError):
        rename_noreplace(tmp_path / "a", tmp_path / "b")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
