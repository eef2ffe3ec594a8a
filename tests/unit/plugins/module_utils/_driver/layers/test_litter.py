# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.litter import Litter, find_litter
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.sweep import Sweep
from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._store.links import all_links
from ansible_collections.strata.overlay2.plugins.module_utils._store.lock import Deadline, locked

LINK = "A" * 26


@pytest.fixture
def home(layers, tmp_path):
    """A store of which nothing is litter."""
    assert [*find_litter(layers.home, ["app", "near", "far"], all_links(layers.home), ())] == []
    return tmp_path / "store"


def found(home, needed=()):
    return [*find_litter(str(home), ["app", "near", "far"], all_links(str(home)), needed)]


def test_a_name_that_leads_nowhere_is_litter_unless_it_is_needed(home):
    (home / "l" / LINK).symlink_to("../gone/diff")
    assert found(home) == [Litter("dangling_link", LINK, f"l/{LINK}")]
    assert found(home, [LINK]) == []
    (home / "gone").mkdir()  # nobody would sweep it: another engine may be about to remove, or to make, the layer
    assert found(home) == []


def test_leftovers_are_litter_unless_a_run_sees_to_them(home):
    for path in (".staging/one", "app/.staging/two"):
        (home / path).mkdir(parents=True)
    assert found(home) == [
        Litter("staging_leftover", "one", ".staging/one"),
        Litter("staging_leftover", "app", "app/.staging/two", "app"),
    ]
    with locked(str(home / ".staging/one"), Deadline(0)):
        assert [litter.path for litter in found(home)] == ["app/.staging/two"]


def test_dead_holders_are_litter(home):
    (home / "near/.strata-holders").write_text("{}")
    assert found(home) == [Litter("dead_holder", "near", "near/.strata-holders", "near")]


def test_only_what_was_found_is_swept(home):
    (home / ".staging/one").mkdir(parents=True)
    (home / "l" / LINK).symlink_to("../gone/diff")
    (home / "l" / ("B" * 26)).symlink_to("../gone/diff")
    sweep = Sweep([litter for litter in found(home) if litter.subject != "B" * 26], None)
    run = Run(Store(str(home)))
    sweep.commit(run)
    assert run.close() == []
    assert [litter.subject for litter in found(home)] == ["B" * 26]


def test_a_name_of_a_leftover_goes_with_it(home):
    (home / ".staging/killed/gone").mkdir(parents=True)
    (home / ".staging/killed/gone/link").write_text(LINK)
    (home / "l" / LINK).symlink_to("../gone/diff")
    assert [litter.code for litter in found(home)] == ["dangling_link", "staging_leftover"]
    run = Run(Store(str(home)))
    Sweep(found(home), None).commit(run)
    assert run.close() == []
    assert found(home) == []


def test_a_name_that_leads_somewhere_by_now_stays(home):
    (home / "l" / LINK).symlink_to("../gone/diff")
    sweep = Sweep(found(home), None)
    (home / "gone").mkdir()
    run = Run(Store(str(home)))
    sweep.commit(run)
    assert run.close() == []
    assert LINK in os.listdir(home / "l")


def test_how_much_is_swept_is_said():
    litter = [Litter("dangling_link", LINK, "")] * 2 + [Litter("dead_holder", "app", "")]
    assert Sweep(litter, None).describe() == "sweep 2 dangling names in l/, 1 file with dead holders"
