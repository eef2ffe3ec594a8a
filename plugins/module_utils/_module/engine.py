# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock, observe, plan, apply, report: how every module runs. PRIVATE to the collection.

The only place that knows check mode, and the only one that ends a module.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._driver.plan import Overtaken, Plan
from .._driver.run import Run
from .._errors import LayerInUse, LayerNotFound, NotPermitted, Overlay2Error
from .._store.lock import Deadline, is_free, is_still, layer_locked, locked
from .._store.writable import check_writable
from .ansible_module import HarmlessModule
from .query import fail, fail_os, without_collector


class Task(t.Protocol):
    """What a module hands over: parameters made a wanted state, and how to look, plan and report.

    home:   the store, without symlinks.
    layers: ids whose own locks are held from before the first look to the end; missing layers are no error here.
    lengthy: planning itself takes long, so it is done without the store's lock.
    reading: nothing in the store changes, so others may read along.
    again:   known after report(): more is to be done, which a new task plans. What this one did is told by that one.
    """

    home: str
    layers: t.Sequence[str]
    lengthy: bool
    reading: bool
    again: bool

    def observe(self) -> t.Any:
        """Read what is there. Raises Overlay2Error, OSError."""

    def plan(self, have: t.Any, predicting: bool) -> Plan:
        """Compare what is wanted with what observe() told; predicting: nothing will be done. Raises Overlay2Error."""

    def root(self, have: t.Any) -> tuple[int, int]:
        """Return uid and gid of the remapped root."""

    def difference(self, before: t.Any, after: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return both sides of the diff: what changes, and of that only what can be predicted."""

    def report(self, have: t.Any, after: t.Any, predicting: bool) -> dict[str, t.Any]:
        """Return the module's own results; *after* is as observed, or as the plan says where it is predicted."""


@without_collector()
def run_module(make_task: t.Callable[[dict[str, t.Any]], Task], **arguments: t.Any) -> None:
    """Run a module: *make_task* turns its parameters into a Task, and may raise; *arguments* as AnsibleModule takes."""
    module = HarmlessModule(supports_check_mode=True, **arguments)
    done: list[str] = []
    try:
        if os.geteuid() != 0:
            raise NotPermitted("a store belongs to root", hint="run the task with become: true")
        result = _converge(module, make_task, Deadline(module.params["lock_timeout"]), done)
    except Overlay2Error as error:
        fail(module, error, done)
    except OSError as error:
        fail_os(module, error, done)
    else:
        module.exit_json(**result)


def _converge(
    module: AnsibleModule, make_task: t.Callable[[dict[str, t.Any]], Task], deadline: Deadline, done: list[str]
) -> dict[str, t.Any]:
    while True:
        task = make_task(module.params)  # anew: nothing is left of what an overtaken attempt has planned
        try:
            result = _attempt(module, task, deadline, done)
            if not task.again:
                return result
        except Overtaken as other:
            if other.layer:
                _wait_for(task.home, other.layer, deadline, module.check_mode)


def _wait_for(home: str, layer_id: str, deadline: Deadline, shared: bool) -> None:
    """Return once nobody is at work on a layer, or it is gone. Raises StoreBusy, OSError."""
    with contextlib.suppress(LayerNotFound), layer_locked(home, layer_id, deadline, shared=shared):
        pass


def _attempt(module: AnsibleModule, task: Task, deadline: Deadline, done: list[str]) -> dict[str, t.Any]:
    """Do it once. Raises Overtaken if another run's work has to be waited for, or looked at, first."""
    predicting: bool = module.check_mode
    shared = predicting or task.reading
    directories = [*(os.path.join(task.home, layer_id) for layer_id in sorted(task.layers)), task.home]
    with contextlib.ExitStack() as layer_locks, contextlib.ExitStack() as store_lock:
        unlocked = []
        held = {}
        for directory in directories:
            stack = store_lock if directory == task.home else layer_locks
            fd = _enter(stack, directory, deadline, shared)
            if fd is None:
                unlocked.append(directory)
            else:
                held[directory] = fd
        # Layers: those that another run made, or removed, while we waited for the store's lock.
        _check_missing(unlocked)
        _check_held(held)
        have = task.observe()
        if task.home in unlocked:
            _check_missing([task.home])
        if task.lengthy:
            store_lock.close()
        plan = _plan(task, have, deadline, predicting)
        after = plan.after
        if plan.actions and not predicting:
            after = _apply(module, task, have, plan, store_lock, deadline, done)
        return _result(module, task, have, plan, after, done)


def _enter(stack: contextlib.ExitStack, directory: str, deadline: Deadline, shared: bool) -> int | None:
    """Hold the lock of *directory* in *stack*, and return its fd; None if there is none to lock, or no longer."""
    if _is_there(directory):
        with contextlib.suppress(FileNotFoundError):
            return stack.enter_context(locked(directory, deadline, shared=shared))
    return None


def _is_there(directory: str) -> bool:
    """Tell whether there is a directory to be locked; a symlink, which may lead anywhere, is no layer's."""
    return os.path.isdir(directory) and not os.path.islink(directory)


def _check_missing(directories: t.Iterable[str]) -> None:
    """Raise Overtaken if one of these, which were not there to be locked, is there now."""
    if any(map(_is_there, directories)):
        raise Overtaken()


def _check_held(directories: t.Mapping[str, int]) -> None:
    """Raise Overtaken if one of these is no longer what its fd has locked.

    A run that had the store's lock before us may have found the layer's free, just before we took that.
    """
    if not all(is_still(fd, directory) for directory, fd in directories.items()):
        raise Overtaken()


def _plan(task: Task, have: t.Any, deadline: Deadline, predicting: bool) -> Plan:
    """Return the plan, once no other run is at work on a layer that it touches, or that is in its way."""
    try:
        plan = task.plan(have, predicting)
        others = [layer_id for layer_id in plan.touches if layer_id not in task.layers]
    except LayerInUse as error:
        layer_id = error.details.get("id")
        if layer_id in task.layers or deadline.passed or not isinstance(layer_id, str):
            raise
        if is_free(os.path.join(task.home, layer_id), shared=predicting):
            raise
        raise Overtaken(layer_id) from None
    if plan.writes and not task.reading:
        check_writable(task.home)
    for layer_id in others:
        if not is_free(os.path.join(task.home, layer_id), shared=predicting):
            raise Overtaken(layer_id)
    return plan


def _apply(
    module: AnsibleModule,
    task: Task,
    have: t.Any,
    plan: Plan,
    store_lock: contextlib.ExitStack,
    deadline: Deadline,
    done: list[str],
) -> t.Any:
    """Do what the plan says and return what is then there. *done* gets what has been done, whatever happens."""
    run = Run(task.home, task.root(have), deadline.seconds)
    try:
        if plan.writes and not task.reading:
            run.sweep()  # whatever changes, what killed runs left goes
        if plan.long:
            store_lock.close()
        for action in plan.actions:
            action.prepare(run)
        run.sync()
        for action in plan.actions:
            action.commit(run)
            done.append(action.describe())
        run.sync()
        return _look_again(module, task, plan, store_lock, deadline)
    finally:
        store_lock.close()
        for warning in run.close():
            module.warn(warning)


def _look_again(
    module: AnsibleModule, task: Task, plan: Plan, store_lock: contextlib.ExitStack, deadline: Deadline
) -> t.Any:
    """Return what is there once all is done, and durable; what the plan says where that cannot be seen now."""
    try:
        if plan.long:  # the layers around must stand still while they are looked at
            store_lock.enter_context(locked(task.home, Deadline(deadline.seconds)))
        return task.observe()
    except (Overlay2Error, OSError) as error:
        _warn_of_last_look(module, error)
        return plan.after


def _warn_of_last_look(module: AnsibleModule, error: Exception) -> None:
    """Warn that results are predicted: what is done is done, and no failure because it could not be looked at."""
    told = "everything was done, but the module could not look at the result, so it returns what it planned"
    module.warn(f"{told}: {error}")


def _result(
    module: AnsibleModule, task: Task, have: t.Any, plan: Plan, after: t.Any, done: list[str]
) -> dict[str, t.Any]:
    for warning in plan.warnings:
        module.warn(warning)
    actions = [action.describe() for action in plan.actions] if module.check_mode else list(done)
    before_side, after_side = task.difference(have, plan.after)
    return {
        "changed": bool(actions),
        "actions": actions,
        "diff": {"before": before_side, "after": after_side},
        **_report(module, task, have, plan, after),
    }


def _report(module: AnsibleModule, task: Task, have: t.Any, plan: Plan, after: t.Any) -> dict[str, t.Any]:
    """Return the module's own results; those that are predicted where something was done and they cannot be read."""
    try:
        return task.report(have, after, module.check_mode)
    except (Overlay2Error, OSError) as error:
        if module.check_mode or not plan.actions:
            raise
        _warn_of_last_look(module, error)
    with contextlib.suppress(Overlay2Error, OSError):
        return task.report(have, plan.after, True)
    return {}
