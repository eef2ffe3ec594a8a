# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import loop


@pytest.mark.root
def test_a_device_is_listed_with_its_file_and_the_inode_of_that(tmp_path):
    path = tmp_path / "an image"
    path.write_bytes(bytes(1 << 20))
    command = ["losetup", "--find", "--show", path]
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        assert loop.Loop(device, str(path)) in list(loop.loops())
        found = os.stat(path)
        assert loop.backing_inode(device) == (found.st_dev, found.st_ino)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_what_is_no_loop_device_tells_no_inode():
    assert loop.backing_inode("/dev/no-such-device") is None
    assert loop.backing_inode("/dev/null") is None
