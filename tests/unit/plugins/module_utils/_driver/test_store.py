# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store, chain_id
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record, record_content

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_chain_id_of_a_base_is_its_diff_id():
    assert chain_id("", EMPTY) == EMPTY


def test_a_chain_id_is_that_of_the_oci_specification():
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    expected = hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    assert chain_id(chain_id("", first), second) == f"sha256:{expected}"


@pytest.fixture
def chain(layers):
    """The hand-made layers as a chain, app on near on far, each with a diff id."""
    below = []
    for id in ("far", "near", "app"):
        Path(layers.home, id, "link").write_text(layers.links[id])
        if below:
            Path(layers.home, id, "lower").write_text(":".join(below))
        below.insert(0, f"l/{layers.links[id]}")
        record_content(layers.home, id, Record(None, EMPTY, EMPTY))
    return layers


def test_a_chain_has_its_ids(chain):
    near = chain_id(EMPTY, EMPTY)
    assert Store(chain.home).layer("app").chain_id == chain_id(near, EMPTY)
    assert Store(chain.home).layer("near").chain_id == near


def test_a_damaged_parent_leaves_its_child_but_for_the_chain_id(chain):
    Path(chain.home, "near/link").write_text("")
    app = Store(chain.home).layer("app")
    assert (app.lowers, app.diff_id, app.chain_id) == (("near", "far"), EMPTY, None)
    assert Store(chain.home).children("near") == ("app",)
    assert Store(chain.home).children("far") == ("near",)


def test_damaged_layers_in_a_circle_are_no_endless_way(chain):
    app, near, far = (f"l/{chain.links[id]}" for id in ("app", "near", "far"))
    Path(chain.home, "far/lower").write_text(app)
    Path(chain.home, "near/lower").write_text(f"{far}:{app}")
    Path(chain.home, "app/lower").write_text(f"{near}:{far}")
    for id in ("app", "far"):
        with pytest.raises(StoreCorrupt, match="does not go on"):
            Store(chain.home).layer(id)
    assert [Store(chain.home).salvage(id).parent for id in ("app", "near", "far")] == ["near", "far", "app"]


def test_what_remains_of_a_damaged_layer_is_told(chain):
    Path(chain.home, "near/link").unlink()
    os.unlink(f"{chain.home}/l/{chain.links['far']}")
    found = Store(chain.home).salvage("near")
    assert (found.link, found.lowers) == (chain.links["near"], (f"l/{chain.links['far']}",))
    assert Store(chain.home).salvage("none") is None
    assert Store(chain.home).salvage("app").lowers == ("near", f"l/{chain.links['far']}")
