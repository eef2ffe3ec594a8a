# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.plan import (
    check_wanted,
    plan_absent,
    plan_present,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.layers.state import LayersState, WantedLayer
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    DepthExceeded,
    InvalidInput,
    LayerInUse,
    LayerNotFound,
    NotSupported,
    Overlay2Error,
    ParentMismatch,
    QuotaNotSupported,
    StoreForeign,
)

BASE = LayerState("base", "A" * 26, (), committed=True, read_write=False, marked=True)
APP = LayerState("app", "B" * 26, ("base",), read_write=False)
JOB = LayerState("job", "C" * 26, ("app", "base"), read_write=True)
SEALED_APP = APP._replace(committed=True, marked=True)
LOST_MARK = BASE._replace(marked=False)


def store(*layers, users=None, refusal=None, quota=None):
    children = {layer.id: tuple(sorted(other.id for other in layers if other.parent == layer.id)) for layer in layers}
    return LayersState("/s", True, {layer.id: layer for layer in layers}, children, users or {}, refusal, quota)


def sentences(plan):
    return [action.describe() for action in plan.actions]


@pytest.mark.parametrize(
    ("wanted", "sealed", "have", "expected"),
    [
        pytest.param([WantedLayer("base")], False, store(), ["make layer base"], id="a missing layer is made"),
        pytest.param([WantedLayer("base", "")], False, store(BASE), [], id="one that is there is left"),
        pytest.param(
            [WantedLayer("base"), WantedLayer("app", "base"), WantedLayer("job", "app", read_write=True)],
            False,
            store(),
            ["make layer base", "make layer app on base", "make read-write layer job on app"],
            id="a chain",
        ),
        pytest.param(
            [WantedLayer("job", "app", read_write=True)],
            False,
            store(BASE, APP),
            ["make read-write layer job on app", "seal layer app"],
            id="a child seals its parent",
        ),
        pytest.param([WantedLayer("app")], True, store(BASE, APP), ["seal layer app"], id="sealing"),
        pytest.param([WantedLayer("base")], True, store(BASE), [], id="sealed twice"),
        pytest.param(
            [WantedLayer("app", "base")], False, store(LOST_MARK, APP), ["seal layer base"], id="a mark that was lost"
        ),
        pytest.param([WantedLayer("base")], True, store(), ["make layer base", "seal layer base"], id="made sealed"),
        pytest.param([WantedLayer("job", read_write=False, size=0)], False, store(BASE, SEALED_APP, JOB), [], id="0"),
    ],
)
def test_present(wanted, sealed, have, expected):
    check_wanted(wanted)
    plan = plan_present(wanted, have, sealed=sealed)
    assert sentences(plan) == expected
    assert plan_present(wanted, plan.after, sealed=sealed).actions == ()


def test_what_is_planned_is_what_will_be_seen():
    plan = plan_present([WantedLayer("base"), WantedLayer("app", "base")], store())
    assert plan.after.layers["base"] == LayerState("base", None, (), committed=True, read_write=False, marked=True)
    assert plan.after.layers["app"] == LayerState("app", None, ("base",), read_write=False)


def test_the_128th_lower_is_the_last():
    chain = [WantedLayer("0")] + [WantedLayer(str(number), str(number - 1)) for number in range(1, 129)]
    plan = plan_present(chain, store())
    assert len(plan.after.layers["128"].lowers) == 128
    with pytest.raises(DepthExceeded, match="layer 129 would have 129 lowers"):
        plan_present([*chain, WantedLayer("129", "128")], store())


WRITABLE = APP._replace(mounted=True, writable=True, holders=("ci",))


@pytest.mark.parametrize(
    ("want", "have", "error", "words"),
    [
        (WantedLayer("app", ""), store(BASE, APP), ParentMismatch, "layer app is on base, not without parent"),
        (WantedLayer("app", "none"), store(), LayerNotFound, "there is no layer none, the parent of app"),
        (WantedLayer("job", "app"), store(BASE, WRITABLE), LayerInUse, "layer app is mounted read-write"),
        (WantedLayer("app", read_write=True), store(BASE, APP), InvalidInput, "exists and is not a read-write layer"),
        (
            WantedLayer("x", read_write=True, size=1),
            store(quota=QuotaNotSupported("no quota here", hint="mount with it")),
            QuotaNotSupported,
            "no quota here",
        ),
        (
            WantedLayer("x", read_write=True),
            store(quota=QuotaNotSupported("no quota here", hint="mount with it"))._replace(defaults=(0, 5)),
            QuotaNotSupported,
            "no quota here",
        ),
        (
            WantedLayer("job", read_write=True, inodes=5),
            store(BASE, APP, JOB),
            QuotaNotSupported,
            "layer job was made while project quota was off",
        ),
        (WantedLayer("x"), store(refusal=NotSupported("no d_type", hint="ftype=1")), NotSupported, "no d_type"),
    ],
)
def test_what_cannot_be_is_refused(want, have, error, words):
    with pytest.raises(error, match=words):
        plan_present([want], have)


PROJECT = JOB._replace(project_id=1 << 20, size_limit=8192, inodes_limit=100)


def limited(*layers, **given):
    return store(*layers)._replace(block=4096, **given)


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(
            WantedLayer("job", read_write=True, size=1),
            limited(),
            ["make read-write layer job, limited to 4096 bytes"],
            id="up to a block",
        ),
        pytest.param(
            WantedLayer("job", read_write=True),
            limited(defaults=(8192, 50)),
            ["make read-write layer job, limited to 8192 bytes and 50 inodes"],
            id="the store's limits",
        ),
        pytest.param(
            WantedLayer("job", read_write=True, size=0, inodes=7),
            limited(defaults=(8192, 50)),
            ["make read-write layer job, limited to 7 inodes"],
            id="its own before the store's",
        ),
        pytest.param(
            WantedLayer("base"), limited(defaults=(8192, 50)), ["make layer base"], id="not for read-only ones"
        ),
        pytest.param(
            WantedLayer("job", read_write=True, size=8192, inodes=100),
            limited(BASE, SEALED_APP, PROJECT),
            [],
            id="as it is",
        ),
        pytest.param(
            WantedLayer("job", read_write=True, size=8000),
            limited(BASE, SEALED_APP, PROJECT),
            [],
            id="the same, rounded",
        ),
        pytest.param(
            WantedLayer("job"), limited(BASE, SEALED_APP, PROJECT, defaults=(4096, 1)), [], id="left as it is"
        ),
        pytest.param(
            WantedLayer("job", read_write=True, size=9000),
            limited(BASE, SEALED_APP, PROJECT),
            ["limit layer job to 12288 bytes and 100 inodes"],
            id="another size",
        ),
        pytest.param(
            WantedLayer("job", size=0, inodes=0),
            limited(BASE, SEALED_APP, PROJECT),
            ["remove the limits of layer job"],
            id="lifted",
        ),
    ],
)
def test_limits(want, have, expected):
    plan = plan_present([want], have)
    assert sentences(plan) == expected
    assert plan_present([want], plan.after).actions == ()
    assert plan.must_be_free == (("job",) if expected and "job" in have.layers else ())


def test_an_existing_layer_needs_nothing_of_the_filesystem():
    refused = store(BASE, refusal=NotSupported("no d_type", hint="ftype=1"))
    assert plan_present([WantedLayer("base")], refused).actions == ()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([WantedLayer("../x")], "invalid layer id"),
        ([WantedLayer("a", "b/c")], "invalid parent of layer a"),
        ([WantedLayer("a"), WantedLayer("a")], "is listed twice"),
        ([WantedLayer("a", "b"), WantedLayer("b")], "before its parent b"),
        ([WantedLayer("a", "a")], "before its parent a"),
        ([WantedLayer("a", size=1)], "read-only"),
        ([WantedLayer("a", inodes=1)], "read-only"),
    ],
)
def test_what_cannot_be_meant_is_refused(wanted, words):
    with pytest.raises(InvalidInput, match=words):
        check_wanted(wanted)


CHAIN = (BASE, SEALED_APP, JOB)


@pytest.mark.parametrize(
    ("ids", "more", "have", "expected"),
    [
        (["job"], {}, store(*CHAIN), ["remove layer job"]),
        (["job", "none"], {}, store(*CHAIN), ["remove layer job"]),
        (["none"], {}, store(*CHAIN), []),
        (["app", "job"], {}, store(*CHAIN), ["remove layer job", "remove layer app"]),
        (["base"], {"recursive": True}, store(*CHAIN), ["remove layer job", "remove layer app", "remove layer base"]),
        (
            ["app"],
            {"force": True},
            store(BASE, WRITABLE),
            ["drop the holders of layer app: ci", "detach the mount of layer app", "remove layer app"],
        ),
    ],
)
def test_absent(ids, more, have, expected):
    plan = plan_absent(ids, have, **more)
    assert sentences(plan) == expected
    assert plan_absent(ids, plan.after, **more).actions == ()


@pytest.mark.parametrize(
    ("ids", "have", "words"),
    [
        (["base"], store(*CHAIN), "has children: app"),
        (["app"], store(BASE, WRITABLE), "is mounted on /s/app/merged and is held by ci"),
        (["job"], store(*CHAIN, users={"job": "held by pid 7 (vi)"}), r"is in use: held by pid 7 \(vi\)"),
    ],
)
def test_a_layer_in_use_stays(ids, have, words):
    with pytest.raises(LayerInUse, match=words) as error:
        plan_absent(ids, have)
    assert isinstance(error.value, Overlay2Error) and error.value.hint


@pytest.mark.parametrize("force", [False, True])
def test_a_layer_in_which_something_is_mounted_stays_whatever_the_force(force):
    have = store(BASE, APP)._replace(inside={"app": "/s/app/diff/cache"})
    with pytest.raises(LayerInUse, match="something is mounted in it, on /s/app/diff/cache"):
        plan_absent(["app"], have, force=force)


def test_what_another_engine_needs_stays_whatever_the_force():
    have = store(BASE, APP)._replace(engine="docker", needed={"base": StoreForeign("docker needs it", hint="leave it")})
    with pytest.raises(StoreForeign, match="docker needs it"):
        plan_absent(["base"], have, recursive=True, force=True)
    assert sentences(plan_absent(["app"], have)) == ["remove layer app"]
