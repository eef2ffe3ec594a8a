# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.run_directory import is_private, make_private


def test_a_missing_directory_is_made_and_private(tmp_path):
    directory = tmp_path / "run"
    assert make_private(str(directory))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert make_private(str(directory)) and is_private(str(directory))


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o720, 0o777])
def test_a_directory_that_others_can_enter_is_not_private(tmp_path, mode):
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(mode)
    assert not make_private(str(directory)) and not is_private(str(directory))
    assert stat.S_IMODE(directory.stat().st_mode) == mode


@pytest.mark.root
def test_a_directory_of_another_user_is_not_private(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    os.chown(directory, 1000, 1000)
    assert not make_private(str(directory))


def test_a_file_and_a_symlink_are_not_private_directories(tmp_path):
    (tmp_path / "file").touch(mode=0o600)
    (tmp_path / "directory").mkdir(mode=0o700)
    (tmp_path / "symlink").symlink_to("directory")
    assert not make_private(str(tmp_path / "file"))
    assert not make_private(str(tmp_path / "symlink"))


def test_below_a_missing_directory_nothing_is_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        make_private(str(tmp_path / "missing/run"))
    with pytest.raises(FileNotFoundError):
        is_private(str(tmp_path / "missing"))
