# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Older files of a layer: a clone's inode is never changed, and its names stay together."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply_root import Root
from ansible_collections.strata.overlay2.plugins.module_utils._archive.older import Older

OPAQUE = "user.overlay.opaque"


@pytest.fixture
def trees(tmp_path):
    """An original with a file of three names, and its clone."""
    original, clone = tmp_path / "original", tmp_path / "clone"
    for tree in (original, clone):
        (tree / "d").mkdir(parents=True)
    (original / "f").write_bytes(b"content")
    for path in (original / "g", original / "d/h", clone / "f", clone / "g", clone / "d/h"):
        os.link(original / "f", path)
    return original, clone


@pytest.fixture
def root(trees):
    with Root(str(trees[1]), (os.geteuid(), os.getegid()), OPAQUE) as root:
        yield root


def test_a_path_is_brought_with_the_directories_above_it():
    older = Older()
    older.note(b"a/b/c")
    assert [older.is_brought(path) for path in (b"", b"a", b"a/b", b"a/b/c")] == [True] * 4
    assert not older.is_brought(b"a/b/other") and not older.is_brought(b"c")


def test_a_directory_is_swept_once_and_with_all_below_it():
    older = Older()
    assert older.sweep(b"a/b")
    assert not older.sweep(b"a/b")
    assert not older.sweep(b"a/b/c")
    assert older.sweep(b"a")
    assert not older.sweep(b"a/x")
    assert older.sweep(b"z")


def test_nothing_is_left_to_sweep_once_the_root_was_swept():
    older = Older()
    assert older.sweep(b"")
    assert not older.sweep(b"a")


def test_a_brought_name_of_an_older_inode_is_an_older_node():
    older = Older()
    assert older.is_older_node(b"f", 7)
    older.note(b"f")
    assert not older.is_older_node(b"f", 7)
    older.note_link(b"g", b"f", 7)
    assert older.is_older_node(b"f", 7)


def test_a_copy_of_its_own_has_all_names_in_the_clone_and_none_outside(trees, root):
    original, clone = trees
    shared = os.stat(original / "f").st_ino
    before = os.stat(clone / "d").st_mtime_ns
    Older().make_own(root, root.top, b"f")
    own = {os.stat(clone / name).st_ino for name in ("f", "g", "d/h")}
    assert len(own) == 1 and own != {shared}
    assert {os.stat(original / name).st_ino for name in ("f", "g", "d/h")} == {shared}
    assert (clone / "d/h").read_bytes() == b"content"
    assert os.stat(clone / "d").st_mtime_ns == before


def test_a_name_that_the_archive_removed_or_replaced_stays_so(trees, root):
    _original, clone = trees
    older = Older()
    older.make_own(root, root.top, b"g")
    (clone / "other").write_bytes(b"older")
    os.link(clone / "other", clone / "another")
    older = Older()
    inode = os.stat(clone / "g").st_ino
    (clone / "f").unlink()
    (clone / "d/h").unlink()
    (clone / "d/h").write_bytes(b"new")
    older.note_link(b"g", b"f", inode)
    older.make_own(root, root.top, b"g")
    assert not (clone / "f").exists()
    assert (clone / "d/h").read_bytes() == b"new"


def test_a_link_of_the_archive_follows_its_target(trees, root):
    _original, clone = trees
    older = Older()
    older.make_own(root, root.directory(b"d"), b"h")  # the names of inodes are known from here on
    (clone / "x").write_bytes(b"older")
    os.link(clone / "x", clone / "brought")
    inode = os.stat(clone / "x").st_ino
    older.note(b"brought")
    older.note_link(b"x", b"brought", inode)
    older.make_own(root, root.top, b"x")
    assert os.stat(clone / "brought").st_ino == os.stat(clone / "x").st_ino
    assert not older.is_older_node(b"brought", inode)
