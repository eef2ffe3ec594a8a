# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.facts import gather

pytestmark = pytest.mark.root


def test_the_stores_of_the_host_are_told_only_when_asked_for(layers):
    for subsets in (["status"], ["all"]):
        assert "stores" not in gather(layers.home, subsets)
    told = gather(layers.home, ["stores"], roots=[layers.home], measure="walk")
    json.dumps(told)
    (store,) = (one for one in told["stores"] if one["home"] == told["home"])
    assert (store["engine"], store["kind"], store["layers"]) == ("strata", "overlay2", told["layer_count"])
    assert store["bytes"] > 0
    assert told["stores_left_out"] == 0
