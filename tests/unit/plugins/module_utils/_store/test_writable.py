# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.writable import check_writable


def test_a_writable_place_passes(tmp_path):
    check_writable(str(tmp_path))
    check_writable(str(tmp_path / "not/yet/made"))


@pytest.mark.root
def test_a_read_only_filesystem_is_refused(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True)
    try:
        for home in (tmp_path, tmp_path / "not/yet/made"):
            with pytest.raises(OSError) as caught:
                check_writable(str(home))
            assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(home))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
