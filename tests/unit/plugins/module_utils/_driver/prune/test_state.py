# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import Amount, PruneOptions


def test_room_is_bytes_or_a_share():
    assert Amount(300).of(2000) == 300
    assert Amount(15, percent=True).of(2000) == 300


@pytest.mark.parametrize(
    ("wanted", "selectors"),
    [
        pytest.param(PruneOptions(keep=("a",), max_seconds=1, remove_foreign=True), [], id="none"),
        pytest.param(PruneOptions(keep_last=0), ["keep_last"], id="0 is given"),
        pytest.param(PruneOptions(match=()), ["match"], id="an empty list is given"),
        pytest.param(PruneOptions(unused_for=0, orphans_only=True), ["unused_for", "orphans_only"], id="two"),
    ],
)
def test_what_says_which_layers_may_go(wanted, selectors):
    assert wanted.selectors == selectors
