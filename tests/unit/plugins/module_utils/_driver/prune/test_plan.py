# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of overlay2_prune: case by case, and its laws on stores that hypothesis makes up."""

from __future__ import annotations

import typing as t
from fnmatch import fnmatchcase

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._chain_ids import chain_ids
from ansible_collections.strata.overlay2.plugins.module_utils._driver.in_use.engine import EngineUse
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.disk_usage import Linked, Tree
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.images import Images
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.litter import Litter
from ansible_collections.strata.overlay2.plugins.module_utils._driver.plan import Plan
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.plan import plan_prune
from ansible_collections.strata.overlay2.plugins.module_utils._driver.prune.state import (
    Amount,
    FoundLayer,
    Held,
    PruneOptions,
    PruneState,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    StoreCorrupt,
    StoreForeign,
    TooManyLayers,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.images import ImageRecord, RecordedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._store.last_use import Times
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000.0
DAY = 86400


class Decided(t.NamedTuple):
    """A plan with what it decides."""

    plan: Plan
    decisions: tuple
    litter: tuple
    bytes: int
    spared: bool


def decide(wanted, have, working=()):
    plan = plan_prune(wanted, have._replace(working=frozenset(working)))
    return Decided(plan, *plan.after.pruning)


def layer(id, *lowers, days=10, made=None, size=1000, linked=(), mounted=False, holders=(), **more):
    """A layer that was last used so many days ago."""
    state = LayerState(id, "L" * 26, lowers, mounted=mounted, holders=holders)
    times = Times(NOW - (days if made is None else made) * DAY, NOW - days * DAY)
    return FoundLayer(state, Tree(size, 5, dict(linked)), times, **more)


def store(*layers, **more):
    more = {"size": 1_000_000, "free": 0, **more}
    return PruneState("/store", True, {found.layer.id: found for found in layers}, now=NOW, **more)


def gone(wanted, have, working=()):
    return [decision.id for decision in decide(wanted, have, working).decisions if decision.goes]


def reason(wanted, have, id, working=()):
    return {decision.id: decision.reason for decision in decide(wanted, have, working).decisions}[id]


CHAIN = store(layer("base"), layer("tools", "base"), layer("job", "tools", "base", days=2))


@pytest.mark.parametrize(
    ("wanted", "have", "expected"),
    [
        pytest.param(PruneOptions(), CHAIN, [], id="nothing selects layers"),
        pytest.param(PruneOptions(keep=("x",)), CHAIN, [], id="keep alone selects none"),
        pytest.param(PruneOptions(unused_for=DAY), CHAIN, ["job", "tools", "base"], id="children first"),
        pytest.param(PruneOptions(unused_for=2 * DAY), CHAIN, ["job", "tools", "base"], id="unused for just so long"),
        pytest.param(PruneOptions(unused_for=3 * DAY), CHAIN, [], id="a child that is used keeps all below it"),
        pytest.param(PruneOptions(unused_for=DAY, keep=("job",)), CHAIN, [], id="a kept child keeps all below it"),
        pytest.param(PruneOptions(unused_for=DAY, keep=("t*",)), CHAIN, ["job"], id="a glob"),
        pytest.param(PruneOptions(match=("job", "b*")), CHAIN, ["job"], id="match, and a child that does not"),
        pytest.param(PruneOptions(match=()), CHAIN, [], id="match nothing"),
        pytest.param(PruneOptions(match=("*",), unused_for=3 * DAY), CHAIN, [], id="every option has to let it go"),
        pytest.param(
            PruneOptions(older_than=DAY), store(layer("a", days=0, made=2), layer("b", days=0)), ["a"], id="age"
        ),
        pytest.param(PruneOptions(unused_for=0), store(layer("future", days=-3)), [], id="a clock that went back"),
        pytest.param(PruneOptions(orphans_only=True), CHAIN, [], id="no orphans in a store of our own"),
        pytest.param(PruneOptions(keep_last=0), CHAIN, ["job", "tools", "base"], id="keep none"),
        pytest.param(PruneOptions(keep_last=1), CHAIN, [], id="the newest keeps all below it"),
        pytest.param(
            PruneOptions(keep_last=2),
            store(
                layer("base", days=9),
                *(layer(f"job{n}", "base", days=n) for n in range(5)),
                layer("other", days=9),
                layer("lone", "other", days=99),
            ),
            ["job2", "job3", "job4"],
            id="the newest of each lineage",
        ),
    ],
)
def test_what_goes(wanted, have, expected):
    assert gone(wanted, have) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"mounted": True}, "mounted"),
        ({"holders": ("ci", "web")}, "held by ci, web"),
        ({"users": "held by pid 7 (sh)"}, "busy: held by pid 7 (sh)"),
        ({"damage": "its link file is empty"}, "damaged: its link file is empty"),
    ],
)
def test_what_is_in_use_stays_with_all_below_it(more, expected):
    have = store(layer("base"), layer("job", "base", **more), layer("other"))
    assert gone(PruneOptions(unused_for=0), have) == ["other"]
    assert reason(PruneOptions(unused_for=0), have, "job") == expected
    assert reason(PruneOptions(unused_for=0), have, "base") == "layer job, which stays, is built on it"


def test_what_another_run_works_on_stays():
    assert gone(PruneOptions(unused_for=0), CHAIN, ["job"]) == []
    assert reason(PruneOptions(unused_for=0), CHAIN, "job", ["job"]) == "busy: another run is at work on it"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            PruneOptions(),
            "no selecting option is given"
            " (keep_last, match, unused_for, older_than, until_free, until_used, orphans_only)",
        ),
        (PruneOptions(unused_for=0, keep=("x", "jo?")), "keep: jo?"),
        (PruneOptions(keep_last=3), "one of the newest 3 of its lineage (keep_last)"),
        (PruneOptions(match=("x",)), "not in match"),
        (PruneOptions(unused_for=3 * DAY), "used within unused_for"),
        (PruneOptions(older_than=3 * DAY), "made within older_than"),
        (PruneOptions(orphans_only=True), "no orphan (orphans_only)"),
        (PruneOptions(until_free=Amount(0)), "until_free is reached without removing this layer"),
    ],
)
def test_why_a_layer_stays(wanted, expected):
    assert reason(wanted, CHAIN, "job") == expected


def test_a_layer_that_was_restored_goes_by_when_that_was():
    """Its last use is older than its link: nothing that goes by when a layer was made may let it go for that."""
    have = store(layer("base", days=5), layer("old", "base", days=4), layer("back", "base", days=9, made=1))
    assert gone(PruneOptions(keep_last=1), have) == ["old"]
    assert gone(PruneOptions(older_than=3 * DAY), have) == ["old"]
    assert gone(PruneOptions(unused_for=8 * DAY), have) == ["back"]


def test_why_a_layer_goes():
    assert (
        reason(PruneOptions(unused_for=0, until_free=Amount(1e9)), CHAIN, "job") == "selected by unused_for, until_free"
    )


@pytest.mark.parametrize(
    ("room", "free", "expected"),
    [
        pytest.param(Amount(2000), 2000, [], id="enough is free"),
        pytest.param(Amount(2001), 2000, ["oldest"], id="the oldest use first"),
        pytest.param(Amount(4000), 2000, ["top", "oldest"], id="what is built on it before a layer that is older"),
        pytest.param(Amount(0.6, percent=True), 2000, ["top", "oldest", "base", "new"], id="a share of the filesystem"),
        pytest.param(Amount(1e9), 0, ["top", "oldest", "base", "new"], id="as much as there is"),
    ],
)
def test_until_free(room, free, expected):
    layers = (layer("base", days=90), layer("top", "base", days=40), layer("oldest", days=50), layer("new", days=1))
    assert sorted(gone(PruneOptions(until_free=room), store(*layers, free=free))) == sorted(expected)


def test_what_litter_takes_counts_once():
    have = store(
        layer("a", days=2),
        layer("b", days=1),
        litter=(
            Litter("staging_leftover", "x", ".staging/x", bytes=500),
            Litter("staging_leftover", "a", "a/.staging/y", "a", 400),
        ),
    )
    assert gone(PruneOptions(until_free=Amount(900)), have) == []
    assert gone(PruneOptions(until_free=Amount(901)), have) == ["a"]
    assert gone(PruneOptions(until_free=Amount(1501)), have) == ["a", "b"]
    pruning = decide(PruneOptions(until_free=Amount(901)), have)
    assert [found.path for found in pruning.litter] == [".staging/x"]  # the other goes with its layer
    assert pruning.bytes == 1500
    assert [action.describe() for action in pruning.plan.actions] == [
        "remove layer a",
        "sweep 1 leftover of killed runs, or of deleting",
    ]


def test_a_file_with_several_names_is_freed_with_the_last_of_them():
    file = Linked(1, 2, 300)
    have = store(layer("a", linked={7: file}), layer("b", linked={7: file}), layer("kept", linked={8: file}))
    found = {decision.id: decision[3:] for decision in decide(PruneOptions(match=("a", "b")), have).decisions}
    assert found == {"a": (1000, 300), "b": (1300, 0), "kept": (1000, 300)}
    assert decide(PruneOptions(match=("a", "b")), have).bytes == 2300


def test_what_descendants_need_is_shared():
    found = {decision.id: decision[3:] for decision in decide(PruneOptions(match=("job",)), CHAIN).decisions}
    assert found == {"job": (1000, 0), "tools": (1000, 0), "base": (0, 1000)}


LITTER = (
    Litter("dangling_link", "A" * 26, "l/" + "A" * 26),
    Litter("dead_holder", "job", "job/.strata-holders", "job"),
    Litter("dead_holder", "base", "base/.strata-holders", "base"),
)


def test_litter_is_swept_whatever_is_asked_for():
    pruning = decide(PruneOptions(), CHAIN._replace(litter=LITTER), ["base"])
    assert pruning.litter == LITTER[:2]
    (sweep,) = pruning.plan.actions
    assert sweep.describe() == "sweep 1 dangling name in l/, 1 file with dead holders"
    assert pruning.plan.must_be_free == ("job",)


def test_a_name_to_keep_that_is_no_layers_is_told():
    assert decide(PruneOptions(keep=("job", "j0b")), CHAIN).plan.warnings == ("keep: no layer is called j0b",)


DOCKERS = store(
    layer("base", needed="its record x names it"),
    layer("orphan", "base", orphan=True),
    layer("broken", orphan=True, damage="its link file is missing", days=1),
    litter=LITTER[:1],
    engine="docker",
)
REMOVE = PruneOptions(orphans_only=True, remove_foreign=True)


def test_what_is_foreign_is_reported():
    pruning = decide(PruneOptions(orphans_only=True), DOCKERS)
    assert pruning.plan.actions == () and pruning.bytes == 0 and pruning.litter == LITTER[:1]
    why = "orphan: none of docker's records names it, but foreign is not set to remove"
    reasons = {decision.id: decision.reason for decision in pruning.decisions}
    assert reasons == {"base": "docker needs it: its record x names it", "orphan": why, "broken": why}
    running = decide(PruneOptions(), DOCKERS._replace(engine_users=EngineUse("which runs", "stop docker", True)))
    assert running.decisions[1].reason == why + "; docker runs, so it may just be made"


def test_what_is_foreign_goes_when_told_so():
    pruning = decide(REMOVE, DOCKERS)
    assert gone(REMOVE, DOCKERS) == ["orphan", "broken"]
    assert pruning.decisions[0].reason == "orphan: none of docker's records names it; selected by orphans_only"
    assert pruning.plan.actions[-1].describe() == "sweep 1 dangling name in l/"
    assert gone(REMOVE._replace(unused_for=5 * DAY), DOCKERS) == ["orphan"]
    assert gone(PruneOptions(remove_foreign=True), DOCKERS) == []


def test_what_is_foreign_stays_while_the_engine_runs():
    running = DOCKERS._replace(
        engine_users=EngineUse("which runs: its data root is held by pid 1 (dockerd)", "stop docker", True)
    )
    with pytest.raises(StoreForeign, match="which runs: its data root is held by pid 1") as error:
        decide(REMOVE, running)
    assert error.value.hint.startswith("stop docker")
    idle = running._replace(found={"base": DOCKERS.found["base"]}, litter=())
    assert decide(REMOVE, idle).plan.actions == ()


def test_what_is_foreign_stays_while_a_record_cannot_be_read():
    unreadable = StoreCorrupt("cannot read a record: x", hint="")
    have = DOCKERS._replace(
        found={id: found._replace(orphan=False, needed="") for id, found in DOCKERS.found.items()}, error=unreadable
    )
    pruning = decide(REMOVE, have)
    assert pruning.plan.actions == ()
    assert {decision.reason for decision in pruning.decisions} == {str(unreadable)}
    assert str(unreadable) in pruning.plan.warnings


IDS = "abcdefgh"
FILES = range(4)


@st.composite
def stores(draw):
    """Layers in chains, of all ages, some of them in use, with files that have names in several of them."""
    count = draw(st.integers(0, len(IDS)))
    names = {inode: draw(st.lists(st.integers(0, max(count - 1, 0)), max_size=4)) for inode in FILES}
    extra = {inode: draw(st.integers(0, 1)) for inode in FILES}  # names outside the store
    found = []
    for number in range(count):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        lowers = () if parent is None else (IDS[parent], *found[parent].layer.lowers)
        linked = {
            inode: Linked(places.count(number), len(places) + extra[inode], 100 * (inode + 1))
            for inode, places in names.items()
            if number in places and len(places) + extra[inode] > places.count(number)
        }
        more = draw(
            st.just({})
            | st.sampled_from([{"mounted": True}, {"holders": ("x",)}, {"users": "somebody"}, {"damage": "broken"}])
        )
        days, made = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        size = draw(st.integers(0, 3000))
        found.append(layer(IDS[number], *lowers, days=days, made=made, size=size, linked=linked, **more))
    litter = draw(st.sampled_from([(), (Litter("staging_leftover", "x", ".staging/x", bytes=700),)]))
    return store(*found, litter=litter, free=draw(st.integers(0, 5000)), size=10_000)


GLOBS = st.lists(st.sampled_from([*IDS, "[a-c]", "*"]), max_size=2).map(tuple)
WANTED = st.builds(
    PruneOptions,
    keep=GLOBS,
    keep_last=st.none() | st.integers(0, 3),
    match=st.none() | GLOBS,
    unused_for=st.none() | st.integers(0, 5).map(lambda days: days * DAY),
    older_than=st.none() | st.integers(0, 5).map(lambda days: days * DAY),
    until_free=st.none() | st.builds(Amount, st.integers(0, 100), st.just(True)),
    max_remove=st.none(),
)


@given(WANTED, stores())
def test_the_laws_of_a_plan(wanted, have):
    pruning = decide(wanted, have)
    going = [decision.id for decision in pruning.decisions if decision.goes]
    staying = have.found.keys() - going
    assert sorted(decision.id for decision in pruning.decisions) == sorted(have.found)
    assert all(decision.reason for decision in pruning.decisions)
    for id in staying:
        assert not {*going}.intersection(have.found[id].layer.lowers)
    for place, id in enumerate(going):
        found = have.found[id]
        assert not (found.layer.mounted or found.layer.holders or found.users or found.damage)
        assert not any(fnmatchcase(id, glob) for glob in wanted.keep)
        assert not {*going[:place]}.intersection(found.layer.lowers), "children first"
    assert set(pruning.plan.after.found) == staying
    assert decide(wanted, pruning.plan.after).plan.actions == ()


def freed_by(have, going):
    """What the going layers and litter free, counted name by name."""
    freed = sum(found.bytes for found in have.litter) + sum(have.found[id].tree.bytes for id in going)
    for inode in FILES:
        files = {id: found.tree.linked[inode] for id, found in have.found.items() if inode in found.tree.linked}
        names = sum(file.names for id, file in files.items() if id in going)
        if names and names == next(iter(files.values())).links:
            freed += 100 * (inode + 1)
    return freed


@given(WANTED, stores())
def test_what_is_freed_is_what_no_name_is_left_of(wanted, have):
    pruning = decide(wanted, have)
    assert pruning.bytes == freed_by(have, {decision.id for decision in pruning.decisions if decision.goes})
    for decision in pruning.decisions:
        tree = have.found[decision.id].tree
        assert decision.exclusive + decision.shared == tree.bytes + sum(file.bytes for file in tree.linked.values())
        assert decision.exclusive >= 0 and decision.shared >= 0


@given(WANTED.filter(lambda wanted: wanted.until_free is not None and wanted.until_used is None), stores())
def test_no_more_goes_than_until_free_takes(wanted, have):
    target = wanted.until_free.of(have.size)
    pruning = decide(wanted, have)
    everything = decide(wanted._replace(until_free=Amount(1e12)), have)
    going = {decision.id for decision in pruning.decisions if decision.goes}
    assert going <= {decision.id for decision in everything.decisions if decision.goes}
    if have.free + pruning.bytes < target:
        assert pruning.bytes == everything.bytes
    if going:
        assert any(have.free + freed_by(have, going - {id}) < target for id in going), "the last was one too many"


@pytest.mark.parametrize(
    ("room", "refused"),
    [
        pytest.param(Amount(3), False, id="just so many"),
        pytest.param(Amount(2), True, id="one more than may"),
        pytest.param(Amount(75, percent=True), False, id="just that share"),
        pytest.param(Amount(74.9, percent=True), True, id="more than that share"),
        pytest.param(Amount(0), True, id="none may"),
    ],
)
def test_no_more_go_than_may(room, refused):
    have = store(*CHAIN.found.values(), layer("young", days=0))
    wanted = PruneOptions(unused_for=DAY, max_remove=room)
    if not refused:
        assert gone(wanted, have) == ["job", "tools", "base"]
        return
    with pytest.raises(TooManyLayers, match="3 of 4 layers would be removed from the store at /store") as error:
        decide(wanted, have)
    assert error.value.details == {"remove_count": 3, "layer_count": 4}


def test_where_no_layer_goes_there_are_never_too_many():
    assert gone(PruneOptions(max_remove=Amount(0)), CHAIN) == []
    assert gone(PruneOptions(unused_for=0, max_remove=Amount(0, percent=True)), store()) == []


def test_no_more_go_than_it_takes_until_layers_take_so_little():
    have = store(layer("a", days=3), layer("b", days=2), layer("c", days=1), free=0)
    assert gone(PruneOptions(until_used=Amount(2000)), have) == ["a"]
    assert gone(PruneOptions(until_used=Amount(1999)), have) == ["a", "b"]
    assert gone(PruneOptions(until_used=Amount(0.1, percent=True)), have) == ["a", "b"]
    assert gone(PruneOptions(until_used=Amount(3000)), have) == []
    why = "until_used is reached without removing this layer"
    assert reason(PruneOptions(until_used=Amount(2000)), have, "c") == why
    both = PruneOptions(until_used=Amount(3000), until_free=Amount(1500))
    assert gone(both, have) == ["a", "b"]
    assert reason(both, have, "c") == "until_free and until_used are reached without removing this layer"


def test_what_layers_take_counts_a_file_with_several_names_once():
    linked = {7: Linked(1, 2, 500)}
    have = store(layer("a", days=3, linked=linked), layer("b", days=2, linked=linked), layer("c", days=1))
    assert gone(PruneOptions(until_used=Amount(3500)), have) == []
    assert gone(PruneOptions(until_used=Amount(2500)), have) == ["a"]
    assert gone(PruneOptions(until_used=Amount(1000)), have) == ["a", "b"]


@pytest.mark.parametrize("days", [NOW / DAY - 1, NOW / DAY - 16435, -3])
@pytest.mark.parametrize(
    "wanted", [PruneOptions(unused_for=0), PruneOptions(older_than=0), PruneOptions(unused_for=DAY, keep_last=0)]
)
def test_impossible_times_select_nothing(wanted, days):
    have = store(layer("odd", days=days), layer("other"))
    assert gone(wanted, have) == ["other"]
    assert reason(wanted, have, "odd").startswith("its times cannot be right: made ")
    assert any("layers odd have times before 2015" in warning for warning in decide(wanted, have).plan.warnings)


def test_impossible_times_go_last_where_the_oldest_use_goes_first():
    have = store(layer("odd", days=NOW / DAY), layer("old", days=9), layer("new", days=1))
    assert gone(PruneOptions(until_free=Amount(2000)), have) == ["new", "old"]
    assert gone(PruneOptions(until_free=Amount(3000)), have) == ["new", "odd", "old"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (PruneOptions(until_free=Amount(1)), ["until_free and until_used take them last"]),
        (PruneOptions(until_used=Amount(1)), ["until_free and until_used take them last"]),
        (
            PruneOptions(until_used=Amount(1), unused_for=0),
            ["unused_for and older_than select none of them, and until_free and until_used take them last"],
        ),
        (PruneOptions(keep_last=1), ["keep_last takes them by these times"]),
        (PruneOptions(match=("*",)), []),
    ],
)
@pytest.mark.parametrize("days", [NOW / DAY + 1, -3])
def test_the_options_that_go_by_times_tell_of_impossible_times(wanted, told, days):
    warnings = decide(wanted, store(layer("odd", days=days))).plan.warnings
    head = "layers odd have times before 2015 or in the future: the clock was wrong, and "
    assert [*warnings] == [head + effects for effects in told]


def test_a_layer_that_cannot_be_read_stays_and_has_no_size():
    broken = layer("broken", "base", unread="/store/broken/diff/file: Input/output error")
    have = store(layer("base"), broken, layer("other", "base"))
    pruning = decide(PruneOptions(unused_for=0), have)
    assert [decision[:1] + decision[3:] for decision in pruning.decisions if not decision.goes] == [
        ("base", 0, 1000),
        ("broken", None, None),
    ]
    assert gone(PruneOptions(unused_for=0), have) == ["other"]
    assert reason(PruneOptions(unused_for=0), have, "broken") == f"it cannot be read: {broken.unread}"
    assert pruning.bytes == 1000
    assert broken.unread in pruning.plan.warnings[0]


def test_many_that_cannot_be_read_are_few_warnings():
    have = store(*(layer(f"l{number}", unread="why") for number in range(100)))
    assert len(decide(PruneOptions(unused_for=0), have).plan.warnings) == 6


def test_litter_that_nothing_can_be_deleted_of_is_no_change():
    stuck = Litter("staging_leftover", "x", ".staging/x", bytes=7000, stuck="/store/.staging/x/sw: swapped to")
    other = Litter("staging_leftover", "y", ".staging/y", bytes=500)
    pruning = decide(PruneOptions(), store(layer("a"), litter=(stuck,)))
    assert pruning.plan.actions == () and pruning.litter == (stuck,) and pruning.bytes == 0
    assert pruning.plan.warnings == ("/store/.staging/x cannot be swept: /store/.staging/x/sw: swapped to",)
    both = decide(PruneOptions(until_free=Amount(1000)), store(layer("a"), litter=(stuck, other)))
    assert [action.describe() for action in both.plan.actions] == [
        "remove layer a",
        "sweep 1 leftover of killed runs, or of deleting",
    ]


DIFF_IDS = [f"sha256:{number:064x}" for number in range(2)]
CHAINS = list(chain_ids(DIFF_IDS))


def image(number, count, *names):
    layers = tuple(RecordedLayer(diff_id, None, None, None) for diff_id in DIFF_IDS[:count])
    return ImageRecord(f"sha256:{number:064x}", None, names, "linux/amd64", layers)


def of_image(id, place, *lowers):
    found = layer(id, *lowers)
    return found._replace(layer=found.layer._replace(diff_id=DIFF_IDS[place], chain_id=CHAINS[place]))


OS, APP, NAMELESS = image(1, 1, "os:12", "os:latest"), image(2, 2, "app:1"), image(3, 1)
IMAGES = store(
    of_image("base", 0), of_image("top", 1, "base"), layer("job", "top", "base"), images=Images((OS, APP, NAMELESS))
)


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("app:*",), ["job"]),
        (("os:latest",), ["job", "top"]),
        ((NAMELESS.image_id,), ["job", "top"]),
        (("none",), ["job", "top", "base"]),
    ],
)
def test_the_layers_of_a_kept_image_stay(globs, expected):
    assert gone(PruneOptions(unused_for=0, keep_images=globs), IMAGES) == expected


def test_a_reason_names_the_image():
    wanted = PruneOptions(unused_for=0, keep_images=("os:*",))
    assert reason(wanted, IMAGES, "base") == "image os:12 (keep_images: os:*)"
    assert reason(wanted, IMAGES, "top") == "selected by unused_for; of image app:1"
    assert reason(wanted, IMAGES, "job") == "selected by unused_for"
    shared = f"used within unused_for; of image os:12, app:1, {NAMELESS.image_id}"
    assert reason(PruneOptions(unused_for=20 * DAY), IMAGES, "base") == shared


def forgotten(wanted, have, working=()):
    plan = decide(wanted, have, working).plan
    said = [action.describe() for action in plan.actions]
    there = plan.after.images.records
    gone = [record for record in have.images.records if record not in there]
    assert [f"remove the record of image {record.image_id}" for record in gone] == [
        one for one in said if one.startswith("remove the record")
    ]
    assert not decide(wanted, plan.after, working).plan.actions
    return gone


def test_an_image_without_its_top_layer_is_forgotten_after_its_layers():
    assert forgotten(PruneOptions(unused_for=0, keep=("base",)), IMAGES) == [APP]
    assert forgotten(PruneOptions(unused_for=0), IMAGES) == [OS, APP, NAMELESS]
    actions = decide(PruneOptions(unused_for=0, keep=("base",)), IMAGES).plan.actions
    assert actions[-1].describe() == f"remove the record of image {APP.image_id}"
    assert forgotten(PruneOptions(unused_for=20 * DAY), IMAGES) == []


def test_an_image_whose_top_layer_is_gone_already_is_forgotten_if_no_damaged_layer_may_be_it():
    killed = store(of_image("base", 0), images=Images((OS, APP)))
    wanted = PruneOptions(unused_for=20 * DAY)
    assert forgotten(wanted, killed) == [APP]
    damaged = store(of_image("base", 0), layer("torn")._replace(damage="torn"), images=Images((OS, APP)))
    assert forgotten(wanted, damaged) == []
    assert forgotten(wanted, killed, ["base"]) == []
    assert forgotten(wanted._replace(keep_images=("app:*",)), killed) == []


NAME = CHAINS[1][len("sha256:") :]


@pytest.mark.parametrize(("name", "top"), [(NAME, None), ("top", "top")])
def test_an_image_is_remembered_while_a_layer_without_its_record_has_the_name_of_its_top(name, top):
    have = store(of_image("base", 0), layer(name, "base"), images=Images((OS, APP._replace(top=top))))
    assert forgotten(PruneOptions(unused_for=20 * DAY), have) == []
    assert forgotten(PruneOptions(unused_for=0, keep=("base",)), have) == [have.images.records[1]]


def test_an_image_is_forgotten_if_a_layer_with_other_content_has_the_name_of_its_top():
    have = store(of_image("base", 0), of_image("top", 0), images=Images((OS, APP._replace(top="top"))))
    assert forgotten(PruneOptions(unused_for=20 * DAY), have) == [have.images.records[1]]


def test_an_image_is_remembered_while_another_layer_has_the_content_of_its_top():
    twice = store(of_image("base", 0), of_image("again", 0), images=Images((OS,)))
    assert forgotten(PruneOptions(unused_for=0, keep=("again",)), twice) == []


def test_a_name_of_no_image_is_a_warning():
    plan = decide(PruneOptions(unused_for=0, keep_images=("os:12", "ap\x1b")), IMAGES).plan
    assert plan.warnings == ("keep_images: no image is called ap\\x1b",)


def test_while_a_record_cannot_be_read_every_layer_may_be_of_a_kept_image():
    have = IMAGES._replace(images=Images((), "it is damaged"))
    assert gone(PruneOptions(unused_for=0), have) == ["job", "top", "base"]
    assert gone(PruneOptions(unused_for=0, keep_images=("none",)), have) == ["job"]
    assert decide(PruneOptions(unused_for=0), have).plan.warnings == (
        "a record of an image cannot be read, so layers may be of more images than the reasons name: it is damaged",
    )


def held(ages, **more):
    return layer("job", holders=tuple(ages), mounted=True, held=Held(ages, **more))


def let_go(have, seconds=DAY, **wanted):
    """Return what the plan says, and the layer afterwards, if it stays."""
    wanted = PruneOptions(drop_holders=seconds, **wanted)
    plan = plan_prune(wanted, have)
    assert plan_prune(wanted, plan.after).actions == ()
    found = plan.after.found.get("job")
    return [action.describe() for action in plan.actions], found and (found.layer.holders, found.layer.mounted)


def test_holders_that_hold_for_too_long_are_let_go():
    have = store(held({"ci": DAY, "web": 2 * DAY}))
    assert let_go(have) == (["unmount layer job", "let go of layer job for ci, web"], ((), False))
    assert plan_prune(PruneOptions(drop_holders=DAY), have).must_be_free == ("job",)


def test_a_layer_that_is_let_go_may_go_in_the_same_run():
    have = store(held({"ci": DAY}))
    assert let_go(have, unused_for=0) == (["unmount layer job", "let go of layer job for ci", "remove layer job"], None)
    why = "selected by unused_for; ci held it for too long (drop_holders)"
    assert reason(PruneOptions(drop_holders=DAY, unused_for=0), have, "job") == why
    assert reason(PruneOptions(unused_for=0), have, "job") == "mounted, and held by ci"


def test_a_younger_holder_keeps_the_mount():
    have = store(held({"ci": DAY, "new": DAY - 1, "unknown": None}))
    assert let_go(have, unused_for=0) == (["let go of layer job for ci"], (("new", "unknown"), True))
    why = "mounted, and held by new, unknown"
    assert reason(PruneOptions(drop_holders=DAY, unused_for=0), have, "job") == why


@pytest.mark.parametrize(
    ("have", "working"),
    [
        (store(held({"ci": DAY})._replace(users="pid 7 (sh)")), ()),
        (store(held({"ci": DAY}, obstacle="there are mounts on it")), ()),
        (store(held({"ci": None})), ()),
        (store(held({"ci": DAY}), engine="docker"), ()),
        (store(held({"ci": DAY})), ("job",)),
    ],
)
def test_a_holder_stays_while_the_layer_is_in_use(have, working):
    assert let_go(have._replace(working=frozenset(working)))[0] == []
