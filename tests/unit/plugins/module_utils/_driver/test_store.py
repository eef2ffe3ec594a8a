# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._chain_ids import chain_id
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store.record import Record
from ansible_collections.strata.overlay2.plugins.module_utils._store.record_writer import record_content

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


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


COUNTED = """
import sys
reads = []
def hook(event, args):
    if event == "open" and args[0] == "/proc/self/mountinfo":
        reads.append(args[0])
sys.addaudithook(hook)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils.{file} import {name}
store = Store(sys.argv[1])
{code}
print(len(reads))
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("file", "name", "code"),
    [
        pytest.param("_driver.layers.observe", "observe_for_change", "{name}(store, ['app'])", id="a change of layers"),
        pytest.param(
            "_driver.layers.observe",
            "observe_for_removal",
            "{name}(store, ['app'], above=True, users=True)",
            id="a removal of layers",
        ),
        pytest.param(
            "_driver.mounts.observe",
            "observe_mount, with_obstacles",
            "with_obstacles(store, observe_mount(store, 'app'))",
            id="a mount",
        ),
        pytest.param("_driver.stores.observe", "observe_present", "{name}(store, store.home)", id="a store"),
        pytest.param("_driver.stores.observe", "observe_absent", "{name}(store, users=True)", id="no store"),
        pytest.param(
            "_driver.prune",
            "observe, sizes",
            "observe.observe_to_prune(store, sizes.Sizes(store.home), shared=True)",
            id="a prune",
        ),
        pytest.param(
            "_driver.facts",
            "details, status, subsets",
            "subsets.gather(details.Details(store, status.features(store), None), ['layers'])",
            id="facts",
        ),
    ],
)
def test_a_look_reads_the_mounts_once(hand_made_store, python_output, file, name, code):
    store = hand_made_store()
    for id in ("base", "app"):
        Path(store.home, id, "link").write_text(store.add(id))
    store.mount("app", "base")
    assert python_output(COUNTED.format(file=file, name=name, code=code.format(name=name)), store.home) == "1\n"


@pytest.mark.root
def test_health_reads_the_mounts_once_for_each_of_its_two_looks(hand_made_store, python_output):
    home = hand_made_store().home
    os.mkdir(f"{home}/stranger")
    code = "assert subsets.gather(details.Details(store, status.features(store), None), ['health'])['health']"
    assert (
        python_output(COUNTED.format(file="_driver.facts", name="details, status, subsets", code=code), home) == "2\n"
    )


def test_what_a_run_made_is_there_afterwards(chain):
    store = Store(chain.home)
    assert (store.children("app"), store.layer("app").marked) == ((), False)
    chain.add("top")
    Path(chain.home, "top/link").write_text(chain.links["top"])
    Path(chain.home, "top/lower").write_text(f"l/{chain.links['app']}:" + Path(chain.home, "app/lower").read_text())
    Path(chain.home, "app/committed").touch()
    after = store.after_making()
    assert after.layer("top").lowers == ("app", "near", "far")
    assert (after.children("app"), after.layer("app").marked) == (("top",), True)


def test_a_name_that_leads_nowhere_is_damage_of_all_layers_above(chain):
    os.rename(f"{chain.home}/far", f"{chain.home}/gone")
    store = Store(chain.home)
    for id in ("near", "app"):
        with pytest.raises(StoreCorrupt, match="far"):
            store.layer(id)
