# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.plan import (
    plan_absent,
    plan_present,
    plan_unmounted,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.stores.state import (
    DirectoryAccess,
    StoreState,
    WantedStore,
)
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    InvalidInput,
    LayerInUse,
    NotSupported,
    QuotaNotSupported,
    StoreForeign,
)
from ansible_collections.strata.overlay2.plugins.module_utils._store.engine import SOMEBODY
from ansible_collections.strata.overlay2.plugins.module_utils._store.settings import IdRange, Settings

GOOD = {"": DirectoryAccess(0o710, 0, 0), "l": DirectoryAccess(0o700, 0, 0)}
MAP = (IdRange(0, 100000, 65536),)
NO_D_TYPE = NotSupported("no d_type", hint="ftype=1")
NO_QUOTA = QuotaNotSupported("no quota", hint="prjquota")

NONE = StoreState("/s", False, {})
STORE = StoreState("/s", True, GOOD)
BASE = LayerState("base", "A" * 26, ())
JOB = LayerState("job", "B" * 26, ("",), mounted=True, holders=("ci", "me"))
LAYERS = STORE._replace(layers={"base": BASE, "job": JOB})


def sentences(plan):
    return [action.describe() for action in plan.actions]


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(WantedStore(), NONE, ["make the store"], id="a missing one is made"),
        pytest.param(
            WantedStore(size=1 << 30, uid_map=MAP, gid_map=MAP),
            NONE,
            ["make the store with default size 1073741824 bytes, uid map 0:100000:65536, gid map 0:100000:65536"],
            id="with settings",
        ),
        pytest.param(WantedStore(), STORE, [], id="one that is there is left"),
        pytest.param(WantedStore(0, 0, (), ()), STORE, [], id="none of what there is none of"),
        pytest.param(
            WantedStore(),
            STORE._replace(
                settings=Settings(5, 6, MAP, MAP), access={"": DirectoryAccess(0o710, 0, 100000), "l": GOOD["l"]}
            ),
            [],
            id="omitted is left",
        ),
        pytest.param(WantedStore(inodes=7), STORE, ["set default inodes to 7"], id="a changed default"),
        pytest.param(
            WantedStore(),
            STORE._replace(access={**GOOD, "": DirectoryAccess(0o701, 0, 0)}),
            ["set mode of /s to 0710, owner to 0:0"],
            id="old dockerd's mode",
        ),
        pytest.param(
            WantedStore(), STORE._replace(access={**GOOD, "": DirectoryAccess(0o700, 0, 0)}), [], id="a tighter mode"
        ),
        pytest.param(
            WantedStore(uid_map=MAP, gid_map=MAP),
            STORE,
            [
                "set mode of /s to 0710, owner to 0:100000",
                "set uid map to 0:100000:65536, gid map to 0:100000:65536",
            ],
            id="remapped while it has no layers",
        ),
        pytest.param(WantedStore(), STORE._replace(refusal=NO_D_TYPE), [], id="an old store without d_type"),
        pytest.param(WantedStore(), STORE._replace(engine="docker"), [], id="nothing to do in Docker's"),
        pytest.param(WantedStore(), LAYERS._replace(engine=SOMEBODY), [], id="nothing to do in somebody else's"),
        pytest.param(WantedStore(adopt=True), LAYERS, [], id="adopted twice"),
        pytest.param(WantedStore(adopt=True), NONE, ["make the store"], id="nothing to adopt"),
        pytest.param(
            WantedStore(size=5, uid_map=MAP, gid_map=MAP, adopt=True),
            LAYERS._replace(engine=SOMEBODY),
            [
                "take over the store with default size 5 bytes, uid map 0:100000:65536, gid map 0:100000:65536",
                "set mode of /s to 0710, owner to 0:100000",
            ],
            id="adopted with defaults and maps",
        ),
    ],
)
def test_present(want, have, expected):
    plan = plan_present(want, have)
    assert sentences(plan) == expected
    assert plan_present(want, plan.after).actions == ()
    assert bool(plan.warnings) is (have.refusal is not None or plan.after.engine == SOMEBODY)
    assert not want.adopt or plan.after.engine is None


@pytest.mark.parametrize(
    ("want", "have", "error", "words"),
    [
        (WantedStore(), NONE._replace(refusal=NO_D_TYPE), NotSupported, "no d_type"),
        (WantedStore(size=1), STORE._replace(quota=NO_QUOTA), QuotaNotSupported, "no quota"),
        (WantedStore(inodes=1), NONE._replace(quota=NO_QUOTA), QuotaNotSupported, "no quota"),
        (WantedStore(), STORE._replace(settings=Settings(size=1), quota=NO_QUOTA), QuotaNotSupported, "no quota"),
        (WantedStore(uid_map=MAP), STORE, InvalidInput, "there would be no gid_map"),
        (WantedStore(uid_map=MAP, gid_map=MAP), LAYERS, InvalidInput, "cannot change while it has layers"),
        (WantedStore(size=1), STORE._replace(engine="docker"), StoreForeign, "belongs to docker"),
        (WantedStore(), NONE._replace(engine="docker"), StoreForeign, "cannot make a store"),
        (WantedStore(size=1), STORE._replace(engine=SOMEBODY), StoreForeign, "was made by somebody else"),
        (WantedStore(adopt=True), STORE._replace(engine="docker"), StoreForeign, "cannot take over the store"),
        (
            WantedStore(adopt=True),
            STORE._replace(engine=SOMEBODY, trace=("docker", "/docker/engine-id")),
            StoreForeign,
            "/docker/engine-id beside it is docker's, whose records of layers are lost",
        ),
        (WantedStore(), NONE._replace(taken="/x/overlay2"), StoreForeign, "dockerd would take /x/overlay2"),
    ],
)
def test_what_cannot_be_is_refused(want, have, error, words):
    with pytest.raises(error, match=words):
        plan_present(want, have)


@pytest.mark.parametrize(
    ("have", "force", "expected"),
    [
        (NONE, False, []),
        (STORE, False, []),
        (LAYERS, False, ["unmount layer job", "drop the holders of layer job: ci, me"]),
        (
            LAYERS._replace(users={"job": "held by pid 1"}),
            True,
            ["detach the mount of layer job", "drop the holders of layer job: ci, me"],
        ),
    ],
)
def test_unmounted(have, force, expected):
    plan = plan_unmounted(have, force)
    assert sentences(plan) == expected
    assert plan_unmounted(plan.after, force).actions == ()
    assert plan.must_be_free == (("job",) if expected else ())


@pytest.mark.parametrize(
    ("change", "force", "error", "words"),
    [
        ({"users": {"job": "held by pid 1 (vi)"}}, False, LayerInUse, r"in use: held by pid 1 \(vi\)"),
        ({"covers": {"job": "tmpfs none"}}, True, LayerInUse, "tmpfs none is mounted over it on /s/job/merged"),
        ({"engine": "containers-storage"}, True, StoreForeign, "cannot unmount layers"),
    ],
)
def test_what_is_busy_stays_mounted(change, force, error, words):
    with pytest.raises(error, match=words):
        plan_unmounted(LAYERS._replace(**change), force)


EMPTY = StoreState("/s", False, {"": GOOD[""]})


@pytest.mark.parametrize(
    ("have", "force", "expected"),
    [
        (NONE, False, []),
        (EMPTY, False, ["remove the store"]),
        (EMPTY._replace(home_stays=True), False, []),
        (STORE, False, ["remove the store"]),
        (STORE._replace(home_stays=True), False, ["remove the store, but for its directory"]),
        (
            LAYERS,
            True,
            [
                "detach the mount of layer job",
                "drop the holders of layer job: ci, me",
                "remove layer job",
                "remove layer base",
                "remove the store",
            ],
        ),
    ],
)
def test_absent(have, force, expected):
    plan = plan_absent(have, force)
    assert sentences(plan) == expected
    assert plan_absent(plan.after, force).actions == ()


def test_a_store_with_layers_is_not_removed():
    with pytest.raises(LayerInUse, match="has layers: base, job") as error:
        plan_absent(LAYERS, force=False)
    assert error.value.details == {"layers": 2, "mounted": ["job"]}


def test_another_engines_store_is_not_removed_even_by_force():
    with pytest.raises(StoreForeign, match="cannot remove the store"):
        plan_absent(LAYERS._replace(engine="docker"), force=True)


def test_what_is_no_part_of_a_store_keeps_home():
    plan = plan_absent(STORE._replace(keeps=("mine",), home_stays=True), force=False)
    assert plan.warnings == ("/s itself stays: it holds mine",)
    assert plan.after.access == {"": GOOD[""]}


def test_who_uses_a_layer_of_an_engine_is_not_what_is_in_the_way():
    have = LAYERS._replace(engine="docker", users=dict.fromkeys(LAYERS.layers, "pid 7"))
    with pytest.raises(StoreForeign, match=r"cannot unmount layers: .* belongs to docker"):
        plan_unmounted(have, force=False)
