# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that changes something: lock, observe, plan, apply, report. PRIVATE to the collection.

Only the engine reads check mode: a task gets it as *predicting*.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._driver.plan import Action, Overtaken, Plan
from .._driver.store import Store
from .._driver.task import Outcome, Task
from .._errors import LayerInUse, LayerNotFound, NotPermitted, Overlay2Error
from .._store.lock import Deadline, is_free, is_still, layer_locked, locked
from .ansible_module import HarmlessModule
from .query import without_collector

if t.TYPE_CHECKING:
    from .._driver.run import Run

S = t.TypeVar("S")


@without_collector()
def run_module(make_task: t.Callable[[dict[str, t.Any]], Task[t.Any]], **arguments: t.Any) -> None:
    """Run a module.

    make_task: turns the parameters into a Task. May raise Overlay2Error.
    arguments: as AnsibleModule takes them.
    """
    module = HarmlessModule(supports_check_mode=True, **arguments)
    done: list[str] = []
    try:
        if os.geteuid() != 0:
            raise NotPermitted("a store belongs to root", hint="run the task with become: true")
        result = _converge(module, make_task(module.params), Deadline(module.params["lock_timeout"]), done)
    except (Overlay2Error, OSError) as error:
        from .failure import fail  # a run that succeeds does not need it, and each import is compiled on every host

        fail(module, error, done)
    else:
        module.exit_json(**result)


def _converge(module: AnsibleModule, task: Task[S], deadline: Deadline, done: list[str]) -> dict[str, t.Any]:
    """Attempt the task and its next rounds until none is left. Return the result of the last round."""
    while True:
        task.survey()
        try:
            result, next_round = _attempt(module, task, deadline, done)
        except Overtaken as other:
            if other.layer:
                _wait_for(task.home, other.layer, deadline, module.check_mode)
            continue
        if next_round is None:
            return result
        task = next_round


def _wait_for(home: str, layer_id: str, deadline: Deadline, shared: bool) -> None:
    """Wait until no run works on a layer, or the layer is gone. Raises StoreBusy, OSError."""
    with contextlib.suppress(LayerNotFound), layer_locked(home, layer_id, deadline, shared=shared):
        pass


def _attempt(
    module: AnsibleModule, task: Task[S], deadline: Deadline, done: list[str]
) -> tuple[dict[str, t.Any], Task[S] | None]:
    """Do the task once. Return its result and the task of the next round, or None for no next round.

    raises: Overtaken if the engine must first wait for another run, or observe what that run did; Overlay2Error;
            OSError.
    """
    predicting: bool = module.check_mode
    with contextlib.ExitStack() as layer_locks, contextlib.ExitStack() as store_lock:
        unlocked = _lock(task, layer_locks, store_lock, deadline, predicting or task.shares_locks)
        task.lock_more(store_lock, predicting)
        store = Store(task.home)
        have = task.observe(store, predicting)
        if task.home in unlocked:
            _check_missing([task.home])
        if task.plans_unlocked:
            store_lock.close()
        have, plan = _plan(task, store, have, deadline, predicting)
        if plan.actions and not predicting:
            outcome = _apply(module, task, store, have, plan, store_lock, deadline, done)
        else:
            outcome = Outcome(have, plan, plan.after, store, predicted=predicting, told={})
        result = _result(module, task, outcome, done)
        return result, None if predicting else task.next_round(outcome, result)


def _lock(
    task: Task[S],
    layer_locks: contextlib.ExitStack,
    store_lock: contextlib.ExitStack,
    deadline: Deadline,
    shared: bool,
) -> list[str]:
    """Lock the task's layers, then the store. Return the directories that do not exist and so have no lock.

    raises: Overtaken if another run has made or removed a directory meanwhile; StoreBusy; OSError.
    """
    directories = [*(os.path.join(task.home, layer_id) for layer_id in sorted(task.layers)), task.home]
    unlocked = []
    held = {}
    for directory in directories:
        fd = _enter(store_lock if directory == task.home else layer_locks, directory, deadline, shared)
        if fd is None:
            unlocked.append(directory)
        else:
            held[directory] = fd
    _check_missing(unlocked)
    _check_held(held)
    return unlocked


def _enter(stack: contextlib.ExitStack, directory: str, deadline: Deadline, shared: bool) -> int | None:
    """Take the lock of *directory* for *stack*, and return its fd; None if there is no directory to lock."""
    if _is_there(directory):
        with contextlib.suppress(FileNotFoundError):
            return stack.enter_context(locked(directory, deadline, shared=shared))
    return None


def _is_there(directory: str) -> bool:
    """Tell whether *directory* can be locked. A symlink cannot: it may lead anywhere, and is never a layer."""
    return os.path.isdir(directory) and not os.path.islink(directory)


def _check_missing(directories: t.Iterable[str]) -> None:
    """Raise Overtaken if one of *directories*, which did not exist for _lock(), exists now."""
    if any(map(_is_there, directories)):
        raise Overtaken()


def _check_held(directories: t.Mapping[str, int]) -> None:
    """Raise Overtaken if one of *directories* is no longer the directory that its fd has locked.

    A run with the store's lock may have found the layer's lock free just before we took it, and removed the layer.
    """
    if not all(is_still(fd, directory) for directory, fd in directories.items()):
        raise Overtaken()


def _plan(task: Task[S], store: Store, have: S, deadline: Deadline, predicting: bool) -> tuple[S, Plan[S]]:
    """Return the state, completed with what takes long to read, and the plan.

    raises: Overtaken while another run works on a layer that the plan needs; Overlay2Error; OSError.
    """
    try:
        have = task.inspect(store, have, predicting)
        plan = task.plan(have, predicting)
    except LayerInUse as error:
        layer_id = error.layer_id
        if not layer_id or layer_id in task.layers or deadline.passed:
            raise
        if is_free(os.path.join(task.home, layer_id), shared=predicting):
            raise
        raise Overtaken(layer_id) from None
    if plan.writes and not task.shares_locks:
        from .._store.writable import check_writable  # a run that changes nothing does not need it

        check_writable(task.home)
    for layer_id in plan.must_be_free:
        if layer_id not in task.layers and not is_free(os.path.join(task.home, layer_id), shared=predicting):
            raise Overtaken(layer_id)
    return have, plan


def _apply(
    module: AnsibleModule,
    task: Task[S],
    store: Store,
    have: S,
    plan: Plan[S],
    store_lock: contextlib.ExitStack,
    deadline: Deadline,
    done: list[str],
) -> Outcome[S]:
    """Apply the plan and return the outcome. *done* gets each action that is done, also if a later action fails."""
    from .._driver.run import Run  # a plan without a step does not need it, and each import is compiled on every host

    run = Run(store, deadline.seconds)
    told: dict[str, t.Any] = {}
    try:
        if plan.writes and not task.shares_locks:
            run.sweep()  # a run that changes the store also removes what killed runs left
        for action in plan.actions:
            action.reserve(run)
        if plan.prepares_unlocked:
            store_lock.close()
        rest = _prepare(task, plan, run, deadline, done, told)
        run.sync()
        if plan.commits_locked:
            store_lock.enter_context(locked(task.home, Deadline(deadline.seconds)))
        _commit(rest, run, done, told)
        now = Store(task.home) if plan.prepares_unlocked else task.look_again(store)
        after = _look_again(module, task, now, plan, store_lock, deadline)
        return Outcome(have, plan, after, now, predicted=False, told=told)
    finally:
        store_lock.close()
        for warning in run.close():
            module.warn(warning)


def _prepare(
    task: Task[S], plan: Plan[S], run: Run, deadline: Deadline, done: list[str], told: dict[str, t.Any]
) -> list[Action]:
    """Prepare all actions. Return those that are not committed yet; a group that has become large is."""
    group: list[Action] = []
    for action in plan.actions:
        if plan.commits_locked and run.has_much_prepared:
            run.sync()
            with locked(task.home, Deadline(deadline.seconds)):
                _commit(group, run, done, told)
            run.begin_group()
            group = []
        action.prepare(run)
        group.append(action)
    return group


def _commit(actions: t.Sequence[Action], run: Run, done: list[str], told: dict[str, t.Any]) -> None:
    """Commit *actions* that are prepared and durable, and make their changes durable."""
    for action in actions:
        action.commit(run)
        done.append(action.describe())
        told.update(action.told())
    run.sync()


def _look_again(
    module: AnsibleModule,
    task: Task[S],
    store: Store,
    plan: Plan[S],
    store_lock: contextlib.ExitStack,
    deadline: Deadline,
) -> S:
    """Return the state after the actions, all durable; the planned state if the store cannot be read now."""
    try:
        if plan.prepares_unlocked and not plan.commits_locked:  # while we read, other runs must not change layers
            store_lock.enter_context(locked(task.home, Deadline(deadline.seconds)))
        return task.observe_after(store, plan)
    except (Overlay2Error, OSError) as error:
        _warn_of_last_look(module, error)
        return plan.after


def _warn_of_last_look(module: AnsibleModule, error: Exception) -> None:
    """Warn that results are predicted. All actions are done, so a store that cannot be read is not a failure."""
    told = "everything was done, but the module could not look at the result, so it returns what it planned"
    module.warn(f"{told}: {error}")


def _result(module: AnsibleModule, task: Task[S], outcome: Outcome[S], done: list[str]) -> dict[str, t.Any]:
    plan = outcome.plan
    for warning in plan.warnings:
        module.warn(warning)
    actions = [action.describe() for action in plan.actions] if module.check_mode else list(done)
    before_side, after_side = task.difference(outcome.have, plan.after)
    return {
        "changed": bool(actions),
        "actions": actions,
        "diff": {"before": before_side, "after": after_side},
        **_report(module, task, outcome),
    }


def _report(module: AnsibleModule, task: Task[S], outcome: Outcome[S]) -> dict[str, t.Any]:
    """Return the module's own results; predicted ones if actions were done but the store cannot be read now."""
    try:
        return task.report(outcome)
    except (Overlay2Error, OSError) as error:
        if outcome.predicted or not outcome.plan.actions:
            raise
        _warn_of_last_look(module, error)
    have, plan = outcome.have, outcome.plan
    predicted = Outcome(have, plan, plan.after, outcome.store, predicted=True, told=outcome.told)
    with contextlib.suppress(Overlay2Error, OSError):
        return task.report(predicted)
    return {}
