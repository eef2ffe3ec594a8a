# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of overlay2_layer on a real store."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse, StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._tasks.layer import LayersTask
from ansible_collections.strata.overlay2.tests import tasks


def converge(task):
    done = tasks.sentences(tasks.do(task))
    assert tasks.plan(task).plan.actions == ()
    return done


@pytest.fixture
def home(tmp_path, make_chain):
    """The chain base <- tools <- job."""
    (tmp_path / "l").mkdir()
    (tmp_path / ".strata.json").write_text('{"format": 1}')
    return make_chain(tmp_path, "base", "tools", "job")


def absent(home, *ids, **more):
    return LayersTask(str(home), [WantedLayer(id) for id in ids], "absent", **more)


def left(home):
    """The names in the store, and how many there are in l/."""
    return sorted(set(os.listdir(home)) - {".strata.json"}), len(os.listdir(home / "l"))


@pytest.mark.parametrize("force", [False, True])
def test_a_layer_with_children_stays_whatever_is_forced(home, force):
    task = absent(home, "tools", force=force)
    with pytest.raises(LayerInUse, match="layer tools has children: job"):
        tasks.plan(task)
    assert left(home) == (["base", "job", "l", "tools"], 3)


def no_link(home):
    (home / "tools/link").unlink()


def empty_link(home):
    (home / "tools/link").write_text("")


def doubled_link(home):
    (home / "tools/link").write_text((home / "base/link").read_text())


def empty_lower(home):
    (home / "tools/lower").write_text("")


def lost_lower(home):
    (home / "tools/lower").write_text(f"l/{'A' * 26}")


def itself(home):
    (home / "tools/lower").write_text(f"l/{(home / 'tools/link').read_text()}")


def no_diff(home):
    (home / "tools/diff").rmdir()


@pytest.mark.parametrize("harm", [no_link, empty_link, doubled_link, empty_lower, lost_lower, itself, no_diff])
def test_a_damaged_layer_can_be_removed_with_all_built_on_it(home, harm):
    harm(home)
    task = absent(home, "tools")
    with pytest.raises(LayerInUse, match="layer tools has children: job"):
        tasks.plan(task)
    assert converge(absent(home, "tools", recursive=True)) == ["remove layer job", "remove layer tools"]
    assert left(home) == (["base", "l"], 1)


def test_nothing_is_built_on_a_damaged_layer(home):
    empty_link(home)
    with pytest.raises(StoreCorrupt, match="layer tools is damaged"):
        tasks.plan(LayersTask(str(home), [WantedLayer("new", "tools")], "present"))
    assert left(home) == (["base", "job", "l", "tools"], 3)
