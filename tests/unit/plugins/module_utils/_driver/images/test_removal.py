# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that an image goes is pure, and leads to a state that needs no plan."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.removal import plan_absent
from ansible_collections.strata.overlay2.plugins.module_utils._driver.images.state import RemovalState
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import LayersState
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreForeign
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import ImageRecord, RecordedLayer

IMAGE = f"sha256:{1:064x}"
RECORD = ImageRecord(
    IMAGE, None, ("app:1",), "linux/amd64", tuple(RecordedLayer(f"sha256:{n:064x}", None, None, None) for n in range(3))
)
NAMES = ("base", "mid", "top")


def state(children=None, users=None, others=None, engine=None, **top):
    found = tuple(LayerState(name, name.upper(), tuple(reversed(NAMES[:place]))) for place, name in enumerate(NAMES))
    found = (*found[:2], found[2]._replace(**top))
    above = {"base": ("mid",), "mid": ("top",), "top": (), **(children or {})}
    layers = LayersState("/home", True, {layer.id: layer for layer in found}, above, users=users or {}, engine=engine)
    return RemovalState("/home", True, RECORD, found, others or {}, layers)


def planned(have):
    plan = plan_absent(have)
    assert plan_absent(plan.after).actions == ()
    return [action.describe() for action in plan.actions], plan.after.kept


FORGET = f"remove the record of image {IMAGE}"


def test_the_layers_go_from_the_top_down_and_the_record_last():
    said, kept = planned(state())
    assert said == ["remove layer top", "remove layer mid", "remove layer base", FORGET]
    assert kept == {}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"others": {"top": "app:2"}}, "it is the top layer of image app:2"),
        ({"children": {"top": ("job", "job-2")}}, "layer job, which stays, is built on it, and 1 more"),
        ({"mounted": True}, "cannot remove layer top: it is mounted on /home/top/merged"),
        ({"holders": ("ci",)}, "cannot remove layer top: it is held by ci"),
        ({"users": {"top": "pid 7 (make)"}}, "cannot remove layer top: it is in use: pid 7 (make)"),
    ],
)
def test_a_layer_that_is_needed_stays_with_all_below_and_the_result_says_why(more, reason):
    said, kept = planned(state(**more))
    assert said == [FORGET]
    assert kept == {
        "top": reason,
        "mid": "layer top, which stays, is built on it",
        "base": "layer mid, which stays, is built on it",
    }


def test_the_layers_above_one_that_stays_go():
    said, kept = planned(state(others={"base": "os:12"}))
    assert said == ["remove layer top", "remove layer mid", FORGET]
    assert kept == {"base": "it is the top layer of image os:12"}


def test_another_run_at_work_on_the_topmost_layer_that_stays_is_waited_for():
    assert plan_absent(state(holders=("ci",))).must_be_free == ("top",)
    assert plan_absent(state(others={"base": "os"})).must_be_free == ("base", "mid", "top")


def test_nothing_goes_from_the_store_of_another_engine():
    with pytest.raises(StoreForeign):
        plan_absent(state(engine="docker"))


def test_without_an_image_there_is_nothing_to_do():
    assert plan_absent(RemovalState("/home", True)).actions == ()
