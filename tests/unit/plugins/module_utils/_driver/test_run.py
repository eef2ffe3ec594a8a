# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run

_seen: list[str] | None = None


def _hook(event, arguments):
    if _seen is not None and event == "open" and isinstance(arguments[0], str):
        _seen.append(arguments[0])


sys.addaudithook(_hook)  # there is no way to take one away


@pytest.fixture
def opened():
    """The names of all that is opened during a test."""
    global _seen
    _seen = []
    yield _seen
    _seen = None


def test_only_what_is_new_is_synced(tmp_path, opened):
    home = str(tmp_path)
    run = Run(home)
    run.sync()
    assert opened.count(home) == 0  # nothing was written yet
    run.will_sync()
    run.sync()
    assert opened.count(home) == 1
    run.sync()
    assert opened.count(home) == 1
    run.staging()
    before = opened.count(home)
    run.sync()
    assert opened.count(home) == before + 1
    run.sync()
    assert opened.count(home) == before + 1
    assert run.close() == []
    assert os.listdir(home) == []
