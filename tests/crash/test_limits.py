# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of layers when runs are killed or a step fails, and when stores on one filesystem choose ids at once.

A layer has the old limits or the new ones. The leftovers of a dead run are litter; the next prune sweeps them, so that
no limit without a layer stays.
"""

from __future__ import annotations

import functools
import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota import projects
from ansible_collections.strata.overlay2.plugins.modules import overlay2_init, overlay2_layer
from ansible_collections.strata.overlay2.tests import modules, quotas
from ansible_collections.strata.overlay2.tests.crash import snapshot, test_lasting_errors, tracing
from ansible_collections.strata.overlay2.tests.crash.cases import Case, diff, init, layer, prune
from ansible_collections.strata.overlay2.tests.crash.playing import Stage, means_full, unmount_below
from ansible_collections.strata.overlay2.tests.crash.sampling import SEED, sample, sample_cases
from ansible_collections.strata.overlay2.tests.crash.test_interrupted import CODES, play
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils import conftest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and sets quotas"),
    pytest.mark.skipif(bool(quotas.MISSING), reason=f"needs {', '.join(quotas.MISSING)}"),
]

loop_filesystem = conftest.loop_filesystem  # the fixture
all_is_imported = test_lasting_errors.all_is_imported  # another, used by itself

ROUNDS, EACH = (6, 5) if SEED == "full" else (2, 3)

BASE = (init(), layer(id="base"))
LIMITED = (*BASE, layer(id="job", parent="base", read_write=True, size="2M", inodes=100))
UNLIMITED = (*BASE, layer(id="job", parent="base", read_write=True), diff(id="job", src="first.tar"))
FILLED = (*LIMITED, diff(id="job", src="first.tar"))

CASES = (
    Case("make a limited layer", BASE, LIMITED[-1]),
    Case(
        "make a layer by the store's limits",
        (init(size="2M", inodes=100), layer(id="base")),
        layer(id="job", parent="base", read_write=True),
    ),
    Case("change a limit", LIMITED, layer(id="job", read_write=True, size="3M", inodes=200)),
    Case("lift a limit", LIMITED, layer(id="job", read_write=True, size="0", inodes=0)),
    Case("limit a filled layer", UNLIMITED, layer(id="job", read_write=True, size="2M")),
    Case("remove a limited layer", LIMITED, layer(id="job", state="absent")),
    Case("prune a limited layer", LIMITED, prune(unused_for="0s")),
    Case("fill a limited layer", LIMITED, diff(id="job", src="first.tar")),
    Case("merge into a limited layer", FILLED, diff(id="job", src="second.tar", merge=True)),
    Case("remove a store with limits", LIMITED, init(state="absent", force=True)),
)


class LimitedStage(Stage):
    """A stage whose store is made by the modules each time: project ids and limits are in no copy.

    The template is another store on the same filesystem.
    """

    def make(self) -> None:
        unmount_below(self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        for number in quotas.limited(self.home.parent).keys() - self.ids(self._template):
            quotas.set_limits(self.home.parent, number, 0, 0)
        for call in self.case.before:
            call.run(self.home)

    def take(self) -> snapshot.Snapshot:
        """Return a snapshot with the limits of each layer."""
        found = super().take()
        limits = quotas.limited(self.home.parent)
        for id in found.layers:
            found.entries[f"limits {id}"] = limits.get(quotas.project(self.home / id)[0], (0, 0))
        return found

    def sweep(self, found: snapshot.Snapshot) -> None:
        prune().run(self.home)
        super().sweep(found)  # an empty .staging is not litter that a prune looks for: the next change removes it

    def finish(self) -> None:
        """Also fail if there are limits without a layer, or limits that two layers share."""
        super().finish()
        mine, others = self.ids(self.home), self.ids(self._template)
        assert quotas.limited(self.home.parent).keys() <= mine | others
        assert not mine & others

    @staticmethod
    def ids(home: Path) -> set[int]:
        """Return the project ids of the layers."""
        found = [quotas.project(path)[0] for path in home.glob("*") if path.is_dir()]
        ids = set(found) - {0}
        assert len(ids) == len([number for number in found if number])
        return ids


@pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")
@pytest.mark.parametrize("kind", quotas.MAKING)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in sample_cases(CASES)])
def test_limits_interrupted_at_any_step(loop_filesystem: t.Callable[..., Path], kind: str, case: Case) -> None:
    area = loop_filesystem(kind, *quotas.MAKING[kind], options="prjquota")
    stage = LimitedStage(area, case)
    stage.make()
    steps = tracing.record(case.call.main, case.call.at(stage.home), stage.home)
    failures = []
    plays = sample(
        [(step, fault) for step in steps for fault in CODES if means_full(step, fault)], f"{kind} {case.name}", 6
    )
    for step, fault in [*of_quotas(steps), *plays]:
        try:
            play(stage, step, fault)
        except AssertionError as error:
            failures.append(f"{fault} at {step}\n{error}")
    unmount_below(area)
    assert not failures, f"{len(failures)} of {len(plays)}:\n" + "\n\n".join(failures)


@pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")
@pytest.mark.parametrize("kind", quotas.MAKING)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in sample_cases(CASES)])
def test_an_error_that_stays_leaves_what_is_true_of_limits(
    loop_filesystem: t.Callable[..., Path], kind: str, case: Case
) -> None:
    area = loop_filesystem(kind, *quotas.MAKING[kind], options="prjquota")
    test_lasting_errors.play_lasting(LimitedStage(area, case), f"{kind} {case.name}", 1)
    unmount_below(area)


def of_quotas(steps: t.Sequence[tracing.Step]) -> list[tuple[tracing.Step, str]]:
    """Return kills at the steps that limits are made of: they are never left to the sample."""
    names = ("ioctl", "quotactl", "quotactl_fd")
    return [(step, tracing.KILL) for step in steps if step.name in names] if SEED != "full" else []


@pytest.mark.parametrize("apart", [False, True], ids=["one host", "containers"])
@pytest.mark.parametrize("kind", quotas.MAKING)
def test_stores_on_one_filesystem_choose_ids_at_once(
    loop_filesystem: t.Callable[..., Path], tmp_path: Path, kind: str, apart: bool
) -> None:
    """Apart: each run has a /run of its own, so that it does not see the locks of others."""
    locks = tmp_path if apart else None
    mount_point = loop_filesystem(kind, *quotas.MAKING[kind], options="prjquota")
    homes = [mount_point / name for name in ("first", "second")]
    for home in homes:
        ok(overlay2_init, home)
    for number in range(ROUNDS):
        made = together(homes, number, locks, state="present", read_write=True, size="2M")
        ids = [result["layer"]["project_id"] for result in made]
        assert len(set(ids)) == len(ids) and all(ids)
        directories = [home / name for home in homes for name in names(number)]
        assert sorted(ids) == sorted(quotas.project(directory)[0] for directory in directories)
        assert quotas.limited(mount_point) == dict.fromkeys(ids, (2048, 0))
        together(homes, number, locks, state="absent")
        assert quotas.limited(mount_point) == {}
    for home in homes:
        ok(overlay2_init, home, state="absent", force=True)


def names(number: int) -> list[str]:
    return [f"layer-{number}-{which}" for which in range(EACH)]


def together(homes: t.Sequence[Path], number: int, locks: Path | None, **params: t.Any) -> list[dict[str, t.Any]]:
    """Run overlay2_layer for all layers of a round in all stores, all at once; locks: where each has its own, if so."""
    calls = []
    for home in homes:
        for name in names(number):
            call = {"home": str(home), "id": name, **params}
            mine = locks and locks / f"{home.name}-{name}"
            calls.append((functools.partial(make_layer, mine), call))
    results = modules.run_together(*calls)
    assert len(results) == len(calls)
    for result in results:
        assert not result.get("failed"), result
    return results


def make_layer(locks: Path | None) -> None:
    if locks is not None:
        projects.RUN_DIRECTORY = str(locks)
    overlay2_layer.main()


def ok(module: t.Any, home: Path, **params: t.Any) -> None:
    result = modules.run_module(module.main, {"home": str(home), **params})
    assert result is not None and not result.get("failed"), result
