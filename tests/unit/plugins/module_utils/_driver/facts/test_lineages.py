# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.facts.lineages import SHOWN, summarize
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.disk_usage import Linked, Tree
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState


def layer(id, *lowers, **more):
    return LayerState(id, "L" * 26, lowers, **more)


LAYERS = [
    layer("base"),
    layer("tools", "base", mounted=True, holders=("ci",)),
    layer("job", "tools", "base", holders=("ci", "me")),
    layer("lone"),
]


def test_layers_on_the_same_base_are_one_lineage():
    told = summarize(LAYERS, None)
    unknown = {"bytes": None, "bytes_exclusive": None}
    assert told["lineages"] == [
        {"base": "base", "layers": 3, "depth": 2, "mounted": 1, "held": 2, **unknown},
        {"base": "lone", "layers": 1, "depth": 0, "mounted": 0, "held": 0, **unknown},
    ]
    assert told["others"] == {"lineages": 0, "layers": 0, "depth": 0, "mounted": 0, "held": 0, **unknown}


@pytest.mark.parametrize(
    ("linked", "everything", "exclusive"),
    [
        pytest.param({}, 60, 60, id="no names elsewhere"),
        pytest.param({"base": Linked(1, 2, 7), "job": Linked(1, 2, 7)}, 67, 67, id="all names in the lineage"),
        pytest.param({"base": Linked(1, 3, 7), "job": Linked(1, 3, 7)}, 67, 60, id="one of three outside"),
        pytest.param({"base": Linked(1, 2, 7), "lone": Linked(1, 2, 7)}, 67, 60, id="one in another lineage"),
    ],
)
def test_files_with_several_names_count_once(linked, everything, exclusive):
    sizes = {"base": 10, "tools": 20, "job": 30, "lone": 1}
    trees = {id: Tree(size, 1, {5: linked[id]} if id in linked else {}) for id, size in sizes.items()}
    first = summarize(LAYERS, trees)["lineages"][0]
    assert (first["base"], first["bytes"], first["bytes_exclusive"]) == ("base", everything, exclusive)


def test_a_layer_that_could_not_be_measured_counts_without_bytes():
    (first, second) = summarize(LAYERS, {"lone": Tree(5, 1, {})})["lineages"]
    assert (first["base"], first["bytes"], second["bytes"], second["layers"]) == ("lone", 5, 0, 3)


def test_the_largest_are_told_and_the_others_summed_up():
    layers = [layer(f"b{number:02}") for number in range(SHOWN + 3)]
    trees = {each.id: Tree(number, 1, {}) for number, each in enumerate(layers)}
    trees["b00"] = Tree(0, 1, {1: Linked(1, 2, 100)})
    trees["b01"] = Tree(1, 1, {2: Linked(1, 2, 1)})
    trees["b02"] = Tree(0, 1, {2: Linked(1, 2, 1)})
    told = summarize(layers, trees)
    assert [row["base"] for row in told["lineages"]] == ["b00", *(f"b{n:02}" for n in range(SHOWN + 2, 3, -1))]
    assert told["others"]["lineages"] == told["others"]["layers"] == 3
    assert told["others"]["bytes"] == told["others"]["bytes_exclusive"] == 1 + 3 + 1


def test_of_nothing():
    assert summarize([], None)["lineages"] == []
