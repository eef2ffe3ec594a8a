# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.plan import plan_absent
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.removal import plan_removal
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import LayersState
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.unused import check_unused
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse

JOB = LayerState("job", "C" * 26, ("base",))
UNMOUNT = "unmount it by strata.overlay2.overlay2_mount with state: unmounted"


def store(layer, users="", children=()):
    return LayersState("/s", True, {"job": layer}, {"job": children}, {"job": users} if users else {})


@pytest.mark.parametrize(
    ("layer", "users", "hint"),
    [
        (JOB._replace(mounted=True), "", UNMOUNT),
        (JOB._replace(mounted=True, holders=("ci",)), "", f"{UNMOUNT} and holder: ci"),
        (JOB._replace(holders=("a", "b")), "", f"{UNMOUNT} once for each holder (a, b)"),
        (JOB, "pid 7", "end the processes that use it"),
        (JOB._replace(mounted=True), "pid 7", f"end the processes that use it and {UNMOUNT}"),
    ],
)
def test_the_hint_is_about_what_is_in_the_way_and_names_what_the_caller_knows(layer, users, hint):
    with pytest.raises(LayerInUse) as raised:
        check_unused(layer, store(layer, users), "change the content of")
    assert raised.value.hint == hint
    with pytest.raises(LayerInUse) as raised:
        plan_absent(["job"], store(layer, users))
    assert raised.value.hint == f"{hint}; or set force: true"
    assert plan_removal(layer, store(layer, users), (), force=True)


def test_children_are_removed_first():
    with pytest.raises(LayerInUse, match="children: top") as raised:
        plan_absent(["job"], store(JOB, children=("top",)), force=True)
    assert raised.value.hint == "remove its children first; or set recursive: true"
    with pytest.raises(LayerInUse) as raised:
        plan_removal(JOB, store(JOB, children=("top",)), (), force=True)
    assert raised.value.hint == "remove its children first"
