# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing beside damaged layers: what one of them was built on stays, however it was damaged."""

from __future__ import annotations

import os
import random
import shutil

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.observe import observe_for_removal
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.plan import plan_absent
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.observe import observe_to_prune
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.plan import plan_prune
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.sizes import Sizes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import PruneOptions
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse, Overlay2Error, StoreCorrupt
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging

PARENTS = {"base": "", "mid": "base", "job": "mid", "kid": "mid", "lone": "", "other": "lone"}


def make_store(home, recorded):
    (home / "l").mkdir(parents=True)
    (home / ".strata.json").write_text('{"format": 1}')
    lowers: dict[str, tuple[str, ...]] = {"": ()}
    for id, parent in PARENTS.items():
        new = staging.NewLayer(id, staging.new_link(), lowers[parent], False, parent=parent if recorded else None)
        room = staging.Staging(str(home))
        staging.stage_layer(room.path, new)
        staging.publish_layer(str(home), room.path, new)
        room.close()
        lowers[id] = (new.link, *lowers[parent])
    for id in {*PARENTS.values()} - {""}:
        staging.seal_layer(str(home), id)
    return home


def below(id):
    """Return the ids that a layer was really built on."""
    parent = PARENTS[id]
    return {parent} | below(parent) if parent else set()


def cut(path):
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 3])


def cut_at_a_colon(path):
    path.write_text(path.read_text().split(":")[0])


def nuls(path):
    path.write_bytes(bytes(len(path.read_bytes())))


def empty(path):
    path.write_bytes(b"")


def lose(path):
    path.unlink()


def lose_name(home, id):
    for name in os.listdir(home / "l"):
        if os.readlink(home / "l" / name) == f"../{id}/diff":
            (home / "l" / name).unlink()


def harm(home, id, chance):
    """Do to a layer what a power cut does."""
    kind = chance.choice(
        ["lower", "lower", "lower", "link", "name", "link and name", "work", "record", "lower and work"]
    )
    if "lower" in kind and PARENTS[id] and (home / id / "lower").exists():
        chance.choice([cut, cut_at_a_colon, nuls, empty, lose])(home / id / "lower")
    if "link" in kind and (home / id / "link").exists():
        chance.choice([cut, nuls, empty, lose])(home / id / "link")
    if "name" in kind:
        lose_name(home, id)
    if "work" in kind and "lower" not in kind:
        shutil.rmtree(home / id / "work", ignore_errors=True)
    if kind == "record":
        (home / id / ".strata.json").write_bytes(b"\0" * 40)


def stays_whole(left):
    """Tell whether all that is left has what it was built on."""
    return all(below(id) <= left for id in left)


@pytest.mark.parametrize("recorded", [True, False], ids=["with records", "without"])
@pytest.mark.parametrize("seed", range(40))
def test_what_a_damaged_layer_was_built_on_is_never_removed_unasked(tmp_path, recorded, seed):
    chance = random.Random(seed)
    home = make_store(tmp_path / "store", recorded)
    for id in chance.sample(sorted(PARENTS), chance.choice([1, 1, 1, 2, 2, 3])):
        harm(home, id, chance)
    for id in PARENTS:
        for recursive in (False, True):
            try:
                have = observe_for_removal(Store(str(home)), [id], above=recursive, users=False)
                plan = plan_absent([id], have, recursive=recursive)
            except Overlay2Error:
                continue
            assert stays_whole(PARENTS.keys() - set(plan.must_be_free)), (id, recursive, plan.must_be_free)
    going = plan_prune(
        PruneOptions(older_than=0), observe_to_prune(Store(str(home)), Sizes(str(home)), shared=True)
    ).must_be_free
    assert stays_whole(PARENTS.keys() - set(going)), going


@pytest.mark.parametrize("how", [cut, nuls, empty, lose])
def test_a_layer_that_a_damaged_one_may_be_built_on_goes_by_force_only(tmp_path, how):
    home = make_store(tmp_path / "store", recorded=False)
    how(home / "job/lower")
    have = observe_for_removal(Store(str(home)), ["other"], above=False, users=False)
    with pytest.raises(StoreCorrupt, match="layer job may be built on it, and is damaged") as error:
        plan_absent(["other"], have)
    assert error.value.details["damaged"] == "job"
    assert "PARENT" in error.value.hint and "force: true" in error.value.hint
    assert plan_absent(["other"], have, force=True).must_be_free == ("other",)
    with pytest.raises(Overlay2Error, match="job"):
        plan_absent(["base"], observe_for_removal(Store(str(home)), ["base"], above=True, users=False), recursive=True)
    both = observe_for_removal(Store(str(home)), ["other", "job"], above=False, users=False)
    assert plan_absent(["other", "job"], both).must_be_free == ("job", "other")


@pytest.mark.parametrize("how", [cut, nuls, empty, lose])
def test_where_our_record_tells_the_parent_only_what_is_needed_stays(tmp_path, how):
    home = make_store(tmp_path / "store", recorded=True)
    how(home / "job/lower")
    assert plan_absent(
        ["other"], observe_for_removal(Store(str(home)), ["other"], above=False, users=False)
    ).must_be_free == ("other",)
    with pytest.raises(LayerInUse, match="layer mid has children: job, kid"):
        plan_absent(["mid"], observe_for_removal(Store(str(home)), ["mid"], above=False, users=False))
    told = plan_absent(
        ["base"], observe_for_removal(Store(str(home)), ["base"], above=True, users=False), recursive=True
    )
    assert told.must_be_free == ("base", "job", "kid", "mid")


def test_what_is_built_on_a_damaged_layer_is_nothing_that_it_may_need(tmp_path):
    home = make_store(tmp_path / "store", recorded=False)
    lose(home / "mid/lower")
    assert plan_absent(
        ["kid"], observe_for_removal(Store(str(home)), ["kid"], above=False, users=False)
    ).must_be_free == ("kid",)
    told = plan_absent(["mid"], observe_for_removal(Store(str(home)), ["mid"], above=True, users=False), recursive=True)
    assert told.must_be_free == ("job", "kid", "mid")
    with pytest.raises(StoreCorrupt, match="layer mid may be built on it"):
        plan_absent(["base"], observe_for_removal(Store(str(home)), ["base"], above=False, users=False))


def test_the_parent_in_a_record_stays_although_the_lower_file_names_another(tmp_path):
    home = make_store(tmp_path / "store", recorded=True)
    shutil.copy(home / "kid/lower", home / "other/lower")
    with pytest.raises(StoreCorrupt, match=r"layer other may be built on it.*says that it is built on lone"):
        plan_absent(["lone"], observe_for_removal(Store(str(home)), ["lone"], above=False, users=False))
    have = observe_to_prune(Store(str(home)), Sizes(str(home)), shared=True)
    assert plan_prune(PruneOptions(older_than=0), have).must_be_free == ("job", "kid")
    told = plan_absent(["job"], observe_for_removal(Store(str(home)), ["job"], above=False, users=False))
    assert told.must_be_free == ("job",)
