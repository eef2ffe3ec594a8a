# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers import plan_absent
from ansible_collections.strata.overlay2.plugins.module_utils._driver.look import look
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse, StoreForeign


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
    have = look(chain.home, ["near"], removing=True)
    assert have.children == {"near": ("app",)}
    with pytest.raises(LayerInUse, match="has children: app"):
        plan_absent(["near"], have, force=True)


def test_another_engine_s_layers_are_told_by_its_records(chain, tmp_path):
    (tmp_path / "overlay-layers").mkdir()
    (tmp_path / "overlay-layers/layers.json").write_text('[{"id": "app"}]')
    have = look(chain.home, ["far", "near"], removing=True)
    assert have.engine == "containers-storage"
    assert list(have.needed) == ["near"]
    with pytest.raises(StoreForeign, match="layer app, which its records name, is built on it"):
        plan_absent(["near"], have)
    assert [action.describe() for action in plan_absent(["far"], have).actions] == ["remove layer far"]
    assert look(chain.home, ["far", "near"]).needed == {}
