# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerNotFound, StoreBusy
from ansible_collections.strata.overlay2.plugins.module_utils._store.lock import Deadline, is_free, layer_locked, locked


def test_readers_share_and_a_writer_waits_its_time(tmp_path):
    with locked(str(tmp_path), Deadline(0), shared=True), locked(str(tmp_path), Deadline(0), shared=True):
        assert is_free(str(tmp_path), shared=True)
        assert not is_free(str(tmp_path))
        with pytest.raises(StoreBusy, match="another run"), locked(str(tmp_path), Deadline(0)):
            pass
    assert is_free(str(tmp_path))


@pytest.mark.parametrize("seconds", [10**400, -(10**400)], ids=["ever", "never"])
def test_any_number_of_seconds_can_be_waited(tmp_path, seconds):
    with locked(str(tmp_path), Deadline(seconds)):
        assert Deadline(seconds).passed is (seconds < 0)


def test_nothing_is_left_behind(tmp_path):
    before = os.lstat(tmp_path)
    with locked(str(tmp_path), Deadline(0)):
        pass
    after = os.lstat(tmp_path)
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_atime_ns) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_atime_ns,
    )
    assert os.listdir(tmp_path) == []


def test_a_directory_made_anew_while_waiting_is_locked_itself(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    got = []

    def wait():
        with locked(str(home), Deadline(30)):
            got.append(is_free(str(home)))

    with locked(str(home), Deadline(0)):
        waiter = threading.Thread(target=wait)
        waiter.start()
        home.rename(tmp_path / "old")
        home.mkdir()
    waiter.join()
    assert got == [False]


def test_a_missing_layer_is_named(tmp_path):
    with pytest.raises(LayerNotFound, match="no layer app"), layer_locked(str(tmp_path), "app", Deadline(0)):
        pass
    assert is_free(str(tmp_path / "app"))
