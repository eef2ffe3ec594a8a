# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlayfs import require_writable

pytestmark = pytest.mark.root


@pytest.fixture
def small(tmp_path):
    """A filesystem with a few inodes, and on it all that an overlay needs."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=16", "small", tmp_path], check=True)
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    yield tmp_path
    subprocess.run(["umount", "--recursive", tmp_path], check=True)


def mount_overlay(base, how="rw"):
    data = f"{how},lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", base / "merged"], check=True)


def test_a_mount_that_can_be_written_to_passes(small):
    mount_overlay(small)
    require_writable(str(small / "merged"), str(small / "work"))


def test_without_space_the_reason_is_told(small):
    with contextlib.suppress(OSError):
        for number in range(32):
            (small / str(number)).touch()
    mount_overlay(small)
    with pytest.raises(OSError) as error:
        require_writable(str(small / "merged"), str(small / "work"))
    assert error.value.errno == errno.ENOSPC


def test_a_mount_that_is_read_only_for_another_reason_is_named(small):
    mount_overlay(small, "ro")
    with pytest.raises(OSError) as error:
        require_writable(str(small / "merged"), str(small / "work"))
    assert (error.value.errno, error.value.filename) == (errno.EROFS, str(small / "merged"))
