# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two trees compared, case by case. test_native_diff.py compares real overlay mounts."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.all_changes import tree_changes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes owners and file capabilities"),
]

NS = 10**9
TIME = 1_600_000_000 * NS
CAPABILITY = bytes.fromhex("0100000200200000" + "00" * 12)


@pytest.fixture
def trees(tmp_path):
    """Two equal trees, old and new."""
    roots = []
    for name in ("old", "new"):
        root = tmp_path / name
        (root / "d" / "e").mkdir(parents=True)
        (root / "d-x").write_bytes(b"1")
        (root / "d" / "f").write_bytes(b"12")
        (root / "d" / "e" / "g").write_bytes(b"123")
        (root / "s").symlink_to("target")
        settle(root)
        roots.append(root)
    return roots


def settle(root):
    """Set one time for all files, so that only the test's own changes differ."""
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            os.utime(os.path.join(base, name), ns=(TIME, TIME), follow_symlinks=False)


def compared(old, new):
    found, size = tree_changes(str(new), str(old))
    return [f"{kind[0]} {path.decode()}" for kind, path in found], size


def test_equal_trees_have_no_changes(trees):
    assert tree_changes(str(trees[1]), str(trees[0])) == ([], 0)


def test_against_nothing_all_is_added(trees):
    found, size = tree_changes(str(trees[1]), None)
    assert [path for _kind, path in found] == [b"/d", b"/d-x", b"/d/e", b"/d/e/g", b"/d/f", b"/s"]
    assert {kind for kind, _path in found} == {"added"}
    assert size == 1 + 2 + 3 + len("target")


def write(root):
    (root / "d" / "e" / "g").write_bytes(b"other")


def delete_tree(root):
    (root / "d" / "e" / "g").unlink()
    (root / "d" / "e").rmdir()


def file_for_directory(root):
    delete_tree(root)
    (root / "d" / "e").write_bytes(b"now a file")
    settle(root)


def directory_for_file(root):
    (root / "d" / "f").unlink()
    (root / "d" / "f").mkdir()
    (root / "d" / "f" / "in").write_bytes(b"1234")


def socket_for_directory(root):
    delete_tree(root)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(".", os.O_RDONLY)
        os.chdir(root / "d")  # the path of a socket is short
        server.bind("e")
        os.chdir(here)
        os.close(here)


def links(root):
    (root / "n").write_bytes(b"12345")
    os.link(root / "n", root / "m")


@pytest.mark.parametrize(
    ("act", "changes", "size"),
    [
        (write, ["m /d", "m /d/e", "m /d/e/g"], 5),
        (delete_tree, ["m /d", "d /d/e"], 0),
        (file_for_directory, ["m /d", "m /d/e"], 10),
        (socket_for_directory, ["m /d", "m /d/e"], 0),
        (directory_for_file, ["m /d", "m /d/f", "a /d/f/in"], 4),
        (links, ["a /m", "a /n"], 5),
        (lambda root: (root / "d").chmod(0o700), ["m /d"], 0),
        (lambda root: os.chown(root / "s", 1, 2, follow_symlinks=False), ["m /s"], 6),
        (lambda root: os.utime(root / "d", ns=(TIME, TIME + NS)), [], 0),
        (lambda root: os.utime(root / "d-x", ns=(TIME, TIME + NS)), ["m /d-x"], 1),
        (lambda root: os.utime(root / "d-x", ns=(TIME, TIME + 1)), [], 0),
        (lambda root: os.setxattr(root / "d-x", "security.capability", CAPABILITY), ["m /d-x"], 1),
        (lambda root: root.chmod(0o700), [], 0),
    ],
)
def test_changes(trees, act, changes, size):
    act(trees[1])
    assert compared(*trees) == (changes, size)


def test_a_tree_deeper_than_the_stack_is_no_problem(tmp_path):
    for name, body in (("old", b"1"), ("new", b"22")):
        (tmp_path / name).mkdir()
        fd = os.open(tmp_path / name, os.O_RDONLY)
        for _unused in range(1500):
            os.mkdir("d", dir_fd=fd)
            below = os.open("d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        with open(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
            file.write(body)
        os.close(fd)
    found, size = tree_changes(str(tmp_path / "new"), str(tmp_path / "old"))
    assert [kind for kind, _path in found] == ["modified"] * 1501
    assert found[-1].path == b"/d" * 1500 + b"/f"
    assert size == 2
    for name in ("old", "new"):
        subprocess.run(["rm", "-r", tmp_path / name], check=True)
