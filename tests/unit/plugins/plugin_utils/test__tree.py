# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from ansible_collections.strata.overlay2.plugins.plugin_utils._tree import bound, nodes_of, trim
from hypothesis import given
from hypothesis import strategies as st


def layer(id, parent="", size=10, goes=False, reason="kept"):
    return {
        "id": id,
        "parent": parent,
        "decision": "remove" if goes else "keep",
        "reason": reason,
        "bytes_exclusive": size,
        "bytes_shared": 1,
        "unused_seconds": 5,
    }


STORE = [
    layer("job", "tools", 30, goes=True, reason="selected"),
    layer("base", size=5),
    layer("tools", "base", 5),
    layer("lone", size=2),
]


def test_all_of_a_small_store():
    assert bound(nodes_of(STORE), 10) == {
        "reasons": ["kept", "selected"],
        "nodes": [
            ["base", -1, 0, 0, 6, 5, 0, 0, 0],
            ["tools", 0, 0, 0, 6, 5, 0, 0, 0],
            ["job", 1, 1, 1, 31, 5, 0, 0, 0],
            ["lone", -1, 0, 0, 3, 5, 0, 0, 0],
        ],
        "hidden": [0, 0, 0],
    }


def test_what_is_left_out_is_summed_up_where_it_belongs():
    tree = bound(nodes_of(STORE), 2)
    assert [row[0] for row in tree["nodes"]] == ["base", "tools"]
    assert tree["nodes"][1][6:] == [1, 31, 1]
    assert tree["hidden"] == [1, 3, 0]
    assert bound(nodes_of(STORE), 0) == {"reasons": [], "nodes": [], "hidden": [4, 46, 1]}


def test_a_layer_whose_parent_is_not_there_stands_alone():
    tree = bound(nodes_of([layer("job", "gone")]), 5)
    assert tree["nodes"] == [["job", -1, 0, 0, 11, 5, 0, 0, 0]]


def test_a_deep_chain_is_no_recursion():
    tree = bound(nodes_of([layer(f"n{n}", f"n{n - 1}" if n else "") for n in range(5000)]), 3)
    assert [row[0] for row in tree["nodes"]] == ["n0", "n1", "n2"]
    assert tree["nodes"][2][6] == 4997


IDS = st.sampled_from(["a", "b", "c", "d", "e", ""])
LAYERS = st.lists(st.builds(layer, IDS, IDS, st.integers(0, 100), st.booleans(), st.sampled_from("xyz")), max_size=12)


@given(LAYERS, st.integers(0, 8), st.integers(0, 8))
def test_the_laws_of_a_tree_whatever_a_host_says(layers, limit, less):
    """Circles and doubled ids too: each layer is in it once, or counted; parents stand first; cut again, too."""
    nodes = nodes_of(layers)
    for tree, most in ((bound(nodes, limit), limit), (trim(bound(nodes, limit), less), min(limit, less))):
        assert len(tree["nodes"]) <= most
        assert all(row[1] < place for place, row in enumerate(tree["nodes"]))
        assert len({row[0] for row in tree["nodes"]}) == len(tree["nodes"])
        hidden = [tree["hidden"], *(row[6:] for row in tree["nodes"])]
        assert len(tree["nodes"]) + sum(row[0] for row in hidden) == len(nodes)
        assert sum(row[4] for row in tree["nodes"]) + sum(row[1] for row in hidden) == sum(n.bytes for n in nodes)
        assert sum(row[2] for row in tree["nodes"]) + sum(row[2] for row in hidden) == sum(n.goes for n in nodes)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(list(STORE[0])), ANYTHING)))
def test_anything_at_all_can_be_told(layers):
    json.dumps(bound(nodes_of(layers), 5), allow_nan=False)
