# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random

from ansible_collections.strata.overlay2.plugins.module_utils._archive.path_tree import PathTree


def made(paths):
    tree = PathTree()
    for path in paths:
        tree.at(path).value = os.fsdecode(path)
    return tree


def test_paths_come_in_the_order_of_their_bytes():
    paths = [b"a", b"a/b", b"a-b", b"a-b/c", b"a/b/c", b"a.b", b"a0", b"\xff/\xff", b"\xff", b"a/\x01"]
    for seed in range(20):
        random.Random(seed).shuffle(paths)
        assert [path for path, _node in made(paths)] == sorted(paths)


def test_a_node_knows_its_path_and_is_the_same_each_time():
    tree = made([b"a/b/c", b"x", b"a/b"])
    node = tree.at(b"a/b/c")
    assert (node.path, node.value) == (b"a/b/c", "a/b/c")
    assert tree.at(b"y/b/c") is not node and tree.at(b"a/b/c") is node
    unset = [path for path, node in tree if node.value is None]
    assert unset == [b"a", b"y", b"y/b", b"y/b/c"]


def test_any_depth():
    deep = b"/".join([b"d"] * 3000)
    tree = made([deep, deep + b"-x"])
    found = list(tree)
    assert len(found) == 3001 and found[-1][0] == deep + b"-x"
