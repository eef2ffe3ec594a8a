# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import statfs


@pytest.mark.parametrize(
    ("path", "magic"),
    [
        pytest.param("/proc", 0x9FA0, id="proc"),
        pytest.param(b"/sys", 0x62656572, id="sysfs, as bytes"),
    ],
)
def test_magic(path, magic):
    assert statfs.magic(path) == magic


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        statfs.magic(os.fspath(tmp_path / "none"))
    assert caught.value.filename == str(tmp_path / "none")
