# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.observe import (
    observe_for_change,
    observe_for_removal,
    observe_layers,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.plan import plan_absent, plan_present
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    LayerInUse,
    StoreCorrupt,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store import holders


@pytest.fixture
def chain(layers):
    """The layers far and near, of which near has app as its child."""
    for id in ("app", "near", "far"):
        with open(f"{layers.home}/{id}/link", "w", encoding="ascii") as file:
            file.write(layers.links[id])
    with open(f"{layers.home}/app/lower", "w", encoding="ascii") as file:
        file.write(f"l/{layers.links['near']}")
    return layers


def test_force_removes_no_layer_that_has_children(chain):
    have = observe_for_removal(Store(chain.home), ["near"], above=False, users=False)
    assert have.children == {"near": ("app",)}
    with pytest.raises(LayerInUse, match="has children: app"):
        plan_absent(["near"], have, force=True)


@pytest.mark.root
@pytest.mark.parametrize("held", [True, False])
def test_what_is_mounted_read_write_in_another_namespace_is_not_sealed(hand_made_store, run, held):
    store = hand_made_store("private")
    for id in ("base", "app"):
        store.add(id)
        with open(f"{store.home}/{id}/link", "w", encoding="ascii") as file:
            file.write(store.links[id])
    with open(f"{store.home}/app/lower", "w", encoding="ascii") as file:
        file.write(f"l/{store.links['base']}")
    store.mount("app", "base")
    run("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 600")
    subprocess.run(["umount", f"{store.home}/app/merged"], check=True)
    if held:
        holders.write(store.home, "app", ["ci"])
    have = observe_for_change(Store(store.home), ["app", "base"])
    assert have.layers["app"].writable is held and not have.layers["app"].mounted
    if held:
        with pytest.raises(LayerInUse, match="is mounted read-write, so it cannot be sealed or built on"):
            plan_present([WantedLayer("child", "app")], have)


@pytest.mark.parametrize("damaged", ["l/{}\n", "l/{}:", "{}", " l/{}:l/gone"])
def test_a_damaged_child_is_a_child_of_the_first_layer_it_names(chain, damaged):
    with open(f"{chain.home}/app/lower", "w", encoding="ascii") as file:
        file.write(damaged.format(chain.links["near"]))
    have = observe_for_removal(Store(chain.home), ["near"], above=False, users=False)
    with pytest.raises(LayerInUse, match="has children: app"):
        plan_absent(["near"], have)


def test_another_engine_s_layers_are_told_by_its_records(chain, tmp_path):
    (tmp_path / "overlay-layers").mkdir()
    (tmp_path / "overlay-layers/layers.json").write_text('[{"id": "app"}]')
    have = observe_for_removal(Store(chain.home), ["far", "near"], above=False, users=False)
    assert have.engine == "containers-storage"
    assert list(have.needed) == ["near"]
    with pytest.raises(StoreForeign, match="layer app, which its records name, is built on it"):
        plan_absent(["near"], have)
    assert [action.describe() for action in plan_absent(["far"], have).actions] == ["remove layer far"]
    assert observe_layers(Store(chain.home), ["far", "near"]).needed == {}


def no_link_file(home):
    os.unlink(f"{home}/app/link")


def empty_link_file(home):
    with open(f"{home}/app/link", "w", encoding="ascii"):
        pass


def empty_lower_file(home):
    with open(f"{home}/app/lower", "w", encoding="ascii"):
        pass


def lost_parent(home):
    os.rename(f"{home}/near", f"{home}/.near")


def lost_name_of_the_parent(home):
    with open(f"{home}/near/link", encoding="ascii") as file:
        os.unlink(f"{home}/l/{file.read()}")


def parent_of_itself(home):
    with open(f"{home}/app/link", encoding="ascii") as link, open(f"{home}/app/lower", "w", encoding="ascii") as lower:
        lower.write(f"l/{link.read()}")


@pytest.mark.parametrize(
    "harm", [no_link_file, empty_link_file, empty_lower_file, lost_parent, lost_name_of_the_parent, parent_of_itself]
)
def test_a_damaged_layer_is_looked_at_to_be_removed_alone(chain, harm):
    harm(chain.home)
    with pytest.raises(StoreCorrupt):
        observe_layers(Store(chain.home), ["app"])
    have = observe_for_removal(Store(chain.home), ["app"], above=True, users=False)
    assert [action.describe() for action in plan_absent(["app"], have, recursive=True).actions] == ["remove layer app"]


@pytest.mark.parametrize("content", ["", "A" * 26, "no name"])
def test_the_children_of_a_layer_whose_link_file_is_wrong_keep_it(chain, content):
    with open(f"{chain.home}/near/link", "w", encoding="ascii") as file:
        file.write(content)
    with pytest.raises(LayerInUse, match="has children: app"):
        plan_absent(["near"], observe_for_removal(Store(chain.home), ["near"], above=False, users=False), force=True)
    both = plan_absent(
        ["near"], observe_for_removal(Store(chain.home), ["near"], above=True, users=False), recursive=True
    )
    assert [action.describe() for action in both.actions] == ["remove layer app", "remove layer near"]


def test_the_children_of_a_layer_that_has_two_names_keep_it(chain):
    name = "B" * 26  # as dockerd gives a second one to a layer it makes again
    os.symlink("../near/diff", f"{chain.home}/l/{name}")
    with open(f"{chain.home}/near/link", "w", encoding="ascii") as file:
        file.write(name)
    with pytest.raises(LayerInUse, match="has children: app"):
        plan_absent(["near"], observe_for_removal(Store(chain.home), ["near"], above=False, users=False), force=True)
