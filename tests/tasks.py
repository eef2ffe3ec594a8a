# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks without a module around them: what the engine does, but for locks."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._driver.run import Run
from ansible_collections.strata.overlay2.plugins.module_utils._driver.store import Store
from ansible_collections.strata.overlay2.plugins.module_utils._driver.task import Outcome, Task


def new_store(home: Path) -> Path:
    """Make an empty store, and return its path."""
    (home / "l").mkdir(parents=True)
    (home / ".strata.json").write_text('{"format": 1}')
    return home


def plan(task: Task[t.Any], *, predicting: bool = False) -> Outcome[t.Any]:
    """Return what is there and what is planned; nothing is done."""
    task.survey()
    store = Store(task.home)
    have = task.inspect(store, task.observe(store, predicting), predicting)
    planned = task.plan(have, predicting)
    return Outcome(have, planned, planned.after, store, predicted=predicting, told={})


def do(task: Task[t.Any], steps: int | None = None, warned: list[str] | None = None) -> Outcome[t.Any]:
    """Do the first *steps* of what the task plans, or all; return what came of it. warned: gets the run's warnings."""
    outcome = plan(task)
    run = Run(outcome.store)
    with run.stack:
        return _done(task, outcome, run, steps, warned)


def _done(
    task: Task[t.Any], outcome: Outcome[t.Any], run: Run, steps: int | None, warned: list[str] | None
) -> Outcome[t.Any]:
    told: dict[str, t.Any] = {}
    for action in outcome.plan.actions:
        action.reserve(run)
    for action in outcome.plan.actions:
        action.prepare(run)
    run.sync()
    for action in outcome.plan.actions[:steps]:
        action.commit(run)
        told.update(action.told())
    run.sync()
    now = Store(task.home) if outcome.plan.prepares_unlocked else task.look_again(outcome.store)
    after = task.observe_after(now, outcome.plan)
    warnings = run.close()
    assert warned is not None or warnings == []
    if warned is not None:
        warned += warnings
    return Outcome(outcome.have, outcome.plan, after, now, predicted=False, told=told)


def sentences(outcome: Outcome[t.Any]) -> list[str]:
    """Return what was planned, as results tell it."""
    return [action.describe() for action in outcome.plan.actions]
