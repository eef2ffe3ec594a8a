# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.plan import (
    mount_differs,
    plan_mounted,
    plan_unmounted,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.mounts.state import (
    Mounted,
    MountState,
    WantedMount,
)
from ansible_collections.strata.overlay2.plugins.module_utils._driver.state import LayerState
from ansible_collections.strata.overlay2.plugins.module_utils._errors import (
    InvalidInput,
    LayerInUse,
    NotSupported,
    StoreCorrupt,
)

BASE = LayerState("base", "A" * 26, (), committed=True)
JOB = LayerState("job", "C" * 26, ("app", "base"), read_write=True)
WANT = WantedMount("job", "ci")
RW = Mounted(read_only=False)
RO = Mounted(read_only=True)


def state(layer=JOB, mount=None, *, holders=(), **more):
    if layer is not None:
        writable = mount is not None and not mount.read_only
        layer = layer._replace(holders=holders, mounted=mount is not None, writable=writable)
    links = ("B" * 26, "A" * 26) if layer is not None and layer.lowers else ()
    return MountState("/s", True, layer, mount, links, options=("index=off",), **more)


def sentences(plan):
    return [action.describe() for action in plan.actions]


COMMITTED = JOB._replace(committed=True)
KNOWN = JOB._replace(diff_id="sha256:1", digest="sha256:2", chain_id="sha256:3")
KNOWN_BASE = BASE._replace(committed=False, diff_id="sha256:1", digest="sha256:2", chain_id="sha256:1")
VOLATILE = Mounted(read_only=False, volatile=True)
LABELLED = Mounted(read_only=False, label="a:b:c")


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param(WANT, state(), ["mount layer job", "hold layer job for ci"], id="it is mounted"),
        pytest.param(WANT, state(mount=RW, holders=("ci",)), [], id="it is mounted and held"),
        pytest.param(WANT, state(mount=RW, holders=("x",)), ["hold layer job for ci"], id="by a second holder"),
        pytest.param(WANT, state(mount=RW), ["hold layer job for ci"], id="a mount nobody holds is adopted"),
        pytest.param(WANT, state(holders=("ci",)), ["mount layer job"], id="a mount that vanished is made again"),
        pytest.param(
            WANT, state(COMMITTED), ["mount layer job read-only", "hold layer job for ci"], id="a committed layer"
        ),
        pytest.param(
            WANT._replace(volatile=True, label="a:b:c"),
            state(),
            ["mount layer job volatile, with label a:b:c", "hold layer job for ci"],
            id="with all there is",
        ),
        pytest.param(
            WANT._replace(volatile=True), state(COMMITTED, RO, holders=("ci",)), [], id="read-only is never volatile"
        ),
        pytest.param(
            WANT,
            state(KNOWN),
            ["mount layer job, and forget its diff id", "hold layer job for ci"],
            id="a record is erased with the mount",
        ),
        pytest.param(
            WANT,
            state(KNOWN, RW, holders=("ci",)),
            ["forget the diff id of layer job"],
            id="a record is erased where others mounted it",
        ),
        pytest.param(
            WANT,
            state(KNOWN._replace(committed=True)),
            ["mount layer job read-only", "hold layer job for ci"],
            id="a record stays where nothing is written",
        ),
        pytest.param(
            WANT,
            state(COMMITTED, RW, holders=("ci",)),
            ["unmount layer job", "mount layer job read-only"],
            id="it was sealed meanwhile",
        ),
        pytest.param(
            WANT,
            state(mount=VOLATILE, holders=("ci",), marker=True),
            ["unmount layer job", "sync layer job and remove its volatile marker", "mount layer job"],
            id="volatile no more",
        ),
        pytest.param(
            WANT._replace(volatile=True),
            state(mount=RW, holders=("ci",)),
            ["unmount layer job", "mount layer job volatile"],
            id="volatile from now on",
        ),
        pytest.param(
            WANT._replace(label=""),
            state(mount=LABELLED, holders=("ci",)),
            ["unmount layer job", "mount layer job"],
            id="no label is asked for",
        ),
        pytest.param(WANT, state(mount=LABELLED, holders=("ci",)), [], id="no word of a label leaves it"),
        pytest.param(
            WANT,
            state(mount=LABELLED._replace(astray=("lowers",)), holders=("ci",)),
            ["unmount layer job", "mount layer job with label a:b:c"],
            id="a label outlives a new mount",
        ),
        pytest.param(
            WANT,
            state(holders=("ci",), marker=True),
            ["sync layer job and remove its volatile marker", "mount layer job"],
            id="a volatile mount of this boot vanished",
        ),
        pytest.param(WantedMount("base", "ci"), state(BASE), ["hold layer base for ci"], id="no parent, no mount"),
        pytest.param(
            WantedMount("base", "ci"),
            state(KNOWN_BASE),
            ["hold layer base for ci", "forget the diff id of layer base"],
            id="no parent, and its diff may be written to",
        ),
        pytest.param(
            WantedMount("base", "ci"),
            state(KNOWN_BASE._replace(committed=True)),
            ["hold layer base for ci"],
            id="no parent, and sealed",
        ),
        pytest.param(
            WantedMount("base", "ci", "a:b:c", True), state(BASE, holders=("ci",)), [], id="no parent, no mount_differs"
        ),
    ],
)
def test_mounted(want, have, expected):
    plan = plan_mounted(want, have)
    assert sentences(plan) == expected
    assert plan_mounted(want, plan.after).actions == ()
    assert mount_differs(want, plan.after) == ()


def test_what_is_planned_is_what_will_be_seen():
    after = plan_mounted(WANT._replace(volatile=True), state(KNOWN, holders=("x",))).after
    assert after == state(KNOWN.with_unknown_content(), VOLATILE, holders=("ci", "x"), marker=True)


def test_who_writes_forgets_what_was_merged():
    merged = JOB._replace(merged_diff_id="sha256:1", merged_digest="sha256:2")
    plan = plan_mounted(WANT, state(merged))
    assert sentences(plan)[0] == f"mount layer {JOB.id}, and forget its diff id"
    assert plan.after == state(JOB, RW, holders=("ci",))


def test_a_mount_looks_after_its_lowers():
    assert plan_mounted(WANT, state()).must_be_free == ("app", "base")
    assert plan_mounted(WANT, state(mount=RW)).must_be_free == ()


STALE = state(marker=True)


def test_a_stale_marker_is_refused_or_cleared():
    with pytest.raises(StoreCorrupt, match="layer job was mounted volatile and the host went down before") as error:
        plan_mounted(WANT, STALE)
    assert error.value.details["path"] == "/s/job/work/work/incompat/volatile"
    plan = plan_mounted(WANT, STALE, force=True)
    assert sentences(plan)[0] == "sync layer job and remove its volatile marker"
    assert plan.after.marker is False
    assert plan_mounted(WANT, plan.after).actions == ()


COPIES = ("on /x, seen by pid 7 (sleep)",)


@pytest.mark.parametrize(
    ("want", "have", "error", "words"),
    [
        (WANT, state(mount=VOLATILE, holders=("ci", "x")), LayerInUse, "mounted with another volatile and held by x$"),
        (
            WANT._replace(label="d:e:f"),
            state(mount=LABELLED._replace(astray=("upper",)), holders=("x",)),
            LayerInUse,
            "another label, upper and held by x$",
        ),
        (WANT, state(mount=VOLATILE, below=("/s/job/merged/proc",)), LayerInUse, "mounts on it: /s/job/merged/proc"),
        (WANT, state(mount=VOLATILE, copies=COPIES), LayerInUse, "cannot unmount layer job: it is also mounted"),
        (WANT, state(copies=COPIES), LayerInUse, "cannot mount layer job: it is also mounted elsewhere: on"),
        (WANT, state(refusal=NotSupported("no overlay", hint="modprobe")), NotSupported, "no overlay"),
        (WANT._replace(label='"'), state(), InvalidInput, "mount label"),
    ],
)
def test_what_cannot_be_mounted_is_refused(want, have, error, words):
    with pytest.raises(error, match=words) as raised:
        plan_mounted(want, have, force=True)
    assert raised.value.hint and "force" not in raised.value.hint  # it was given


def test_what_is_mounted_needs_no_more_than_that():
    have = state(mount=RW, refusal=NotSupported("no overlay", hint="modprobe"), copies=COPIES, below=("/x",))
    assert sentences(plan_mounted(WANT, have)) == ["hold layer job for ci"]


def test_a_copy_of_what_is_only_read_is_no_obstacle():
    assert sentences(plan_mounted(WANT, state(COMMITTED, copies=COPIES)))[0] == "mount layer job read-only"


@pytest.mark.parametrize(
    ("have", "force", "expected"),
    [
        pytest.param(
            state(mount=RW, holders=("ci",)), False, ["unmount layer job", "let go of layer job for ci"], id="the last"
        ),
        pytest.param(state(mount=RW, holders=("ci", "x")), False, ["let go of layer job for ci"], id="not the last"),
        pytest.param(state(mount=RW, holders=("x",)), False, [], id="one who doesn't hold it"),
        pytest.param(state(mount=RW), False, ["unmount layer job"], id="held by nobody"),
        pytest.param(state(holders=("ci",)), False, ["let go of layer job for ci"], id="the mount vanished"),
        pytest.param(state(), False, [], id="nothing to do"),
        pytest.param(state(None), False, [], id="no layer"),
        pytest.param(state(BASE, holders=("ci",)), False, ["let go of layer base for ci"], id="no parent"),
        pytest.param(
            state(mount=VOLATILE, holders=("ci",), marker=True),
            False,
            ["unmount layer job", "sync layer job and remove its volatile marker", "let go of layer job for ci"],
            id="a volatile mount",
        ),
        pytest.param(
            state(holders=("ci",), marker=True),
            False,
            ["sync layer job and remove its volatile marker", "let go of layer job for ci"],
            id="a volatile mount of this boot vanished",
        ),
        pytest.param(STALE, False, [], id="another boot's marker is left"),
        pytest.param(
            state(mount=RW, holders=("ci", "x"), below=("/s/job/merged/proc",), copies=COPIES),
            True,
            ["detach the mount of layer job", "drop the holders of layer job: ci, x"],
            id="by force",
        ),
        pytest.param(
            state(mount=VOLATILE, marker=True),
            True,
            ["detach the mount of layer job", "sync layer job and remove its volatile marker"],
            id="a volatile mount by force",
        ),
        pytest.param(STALE, True, [], id="another boot's marker is left even by force"),
    ],
)
def test_unmounted(have, force, expected):
    plan = plan_unmounted(WantedMount(have.layer.id if have.layer else "job", "ci"), have, force=force)
    assert sentences(plan) == expected
    assert plan_unmounted(WANT, plan.after, force=force).actions == ()


@pytest.mark.parametrize(
    ("have", "words"),
    [
        (state(mount=RW, below=("/s/job/merged/proc",)), "there are mounts on it: /s/job/merged/proc"),
        (state(mount=RW, copies=COPIES), "also mounted elsewhere: on /x, seen by pid 7"),
    ],
)
def test_what_is_used_is_not_unmounted(have, words):
    with pytest.raises(LayerInUse, match=words) as raised:
        plan_unmounted(WANT, have)
    assert raised.value.hint.endswith("; or set force: true")


def test_one_who_does_not_hold_a_layer_is_told_who_does():
    plan = plan_unmounted(WANT, state(mount=RW, holders=("x", "y")))
    assert plan.warnings == ("layer job stays as it is: ci does not hold it, and these do: x, y",)
    for have in (state(mount=RW, holders=("ci", "x")), state()):
        assert plan_unmounted(WANT, have).warnings == ()


def test_the_store_is_not_kept_locked_for_a_sync():
    assert plan_unmounted(WANT, state(mount=VOLATILE, marker=True)).prepares_unlocked
    assert not plan_unmounted(WANT, state(mount=RW)).prepares_unlocked
