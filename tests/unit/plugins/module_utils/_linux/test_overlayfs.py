# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo
from ansible_collections.strata.overlay2.plugins.module_utils._linux.overlayfs import is_read_only


@pytest.mark.parametrize(
    ("options", "super_options", "read_only"),
    [
        pytest.param("rw,relatime", "rw,lowerdir=a,upperdir=b,workdir=c", False, id="neither"),
        pytest.param("ro,relatime", "rw,lowerdir=a,upperdir=b,workdir=c", True, id="the mount"),
        pytest.param("rw,relatime", "ro,lowerdir=a:b", True, id="the superblock"),
        pytest.param("rw,nosuid", "rw,lowerdir=ro,upperdir=ro,workdir=c", False, id="directories with that name"),
        pytest.param("rw", r"rw,lowerdir=a\054ro\054,upperdir=b,workdir=c", False, id="a name with commas"),
        pytest.param("rw", 'rw,context="a,ro,b",lowerdir=a,upperdir=b,workdir=c', False, id="a label with commas"),
    ],
)
def test_read_only(options, super_options, read_only):
    (mount,) = mountinfo.parse(f"66 43 0:39 / /m {options} - overlay overlay {super_options}\n".encode())
    assert is_read_only(mount) is read_only
