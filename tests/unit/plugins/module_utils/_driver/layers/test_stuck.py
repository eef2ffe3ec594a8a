# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.stuck import why_stuck

pytestmark = pytest.mark.root


@pytest.fixture
def tree(loop_filesystem):
    """A directory with a file, and one below with another."""
    tree = loop_filesystem("ext4") / "tree"
    (tree / "sub").mkdir(parents=True)
    for path in (tree / "a", tree / "sub/b"):
        path.write_text("x")
    return tree


def chattr(flag, *paths):
    subprocess.run(["chattr", flag, *paths], check=True)


def test_what_can_be_deleted_is_not_stuck(tree):
    assert why_stuck(str(tree)) == ""
    assert why_stuck(str(tree / "missing")) == ""
    (tree / "empty").mkdir()
    assert why_stuck(str(tree / "empty")) == ""


def test_a_tree_is_stuck_once_nothing_in_it_can_go(tree):
    chattr("+i", tree / "a")
    assert why_stuck(str(tree)) == ""
    chattr("+a", tree / "sub/b")
    assert why_stuck(str(tree)).endswith(": it is immutable or append-only: run chattr -ia first")
    chattr("-a", tree / "sub/b")
    chattr("+i", tree / "sub")
    assert str(tree) in why_stuck(str(tree))
    chattr("-i", tree / "a", tree / "sub")


def test_a_file_that_the_kernel_swaps_to_is_named(tree):
    swap = tree / "swap"
    with open(swap, "wb") as file:
        file.write(bytes(1 << 20))
    swap.chmod(0o600)
    subprocess.run(["mkswap", swap], check=True, capture_output=True)
    if subprocess.run(["swapon", swap], check=False, capture_output=True).returncode:
        pytest.skip("this kernel swaps to no file here")
    try:
        assert why_stuck(str(tree)) == ""
        (tree / "a").unlink()
        (tree / "sub/b").unlink()
        (tree / "sub").rmdir()
        assert why_stuck(str(tree)) == f"{swap}: the kernel swaps to it: run swapoff first"
    finally:
        subprocess.run(["swapoff", swap], check=True)


def test_a_mount_is_in_the_way(tree):
    (tree / "a").unlink()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tree / "sub"], check=True)
    try:
        assert why_stuck(str(tree)) == f"{tree}/sub: something is mounted on it"
    finally:
        subprocess.run(["umount", tree / "sub"], check=True)
