# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host for facts and a plan, and keep a record of bounded size on the controller.

The worker process does this, so a host's whole answer, megabytes with 10,000 layers, never reaches Ansible's main
process.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..plugin_utils._record import add_failure, make_failure, make_record
from ..plugin_utils._records import write_record
from ..plugin_utils._tree import MOST
from ..plugin_utils._values import mapping
from ..plugin_utils._verdict import describe_worst, grade

FACTS = "strata.overlay2.overlay2_facts"
PRUNE = "strata.overlay2.overlay2_prune"
SUBSETS = ["summary", "health"]
OPTIONS = {
    "home": {"type": "str"},  # a path on the host
    "prune": {"type": "dict"},
    "done": {"type": "dict"},
    "done_in_check_mode": {"type": "bool", "default": False},
    "max_layers": {"type": "int", "default": 60},
    "stores": {"type": "bool", "default": False},
    "dest": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Runs overlay2_facts, and overlay2_prune in check mode, and records their results."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task, and return its result. Raises AnsibleActionFail, AnsibleConnectionFailure."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec=OPTIONS)
        if not 1 <= params["max_layers"] <= MOST:
            msg, hint = f"invalid max_layers {params['max_layers']}", f"give a number from 1 to {MOST}"
            return {**result, "failed": True, "changed": False, "msg": msg, "hint": hint}
        task_vars = task_vars or {}
        host = str(task_vars.get("inventory_hostname", ""))
        try:
            record = self._record(host, params, task_vars)
        except AnsibleConnectionFailure as error:
            self._keep(params, host, _failure(host, {"msg": str(error)}, params, unreachable=True))
            raise  # so that Ansible counts the host as unreachable too
        path = self._keep(params, host, record)
        store, plan = record["store"] or {}, record["plan"] or {}
        result.update(
            changed=False,
            state=record["state"],
            path=path,
            layer_count=store.get("layers"),
            remove_count=plan.get("remove"),
            remove_bytes=plan.get("remove_bytes"),
            orphan_bytes=plan.get("orphan_bytes"),
            litter_count=plan.get("litter"),
            problem_count=record["problem_count"],
            worst=grade(record),
            verdict=describe_worst(record),
        )
        # A failure in *done* is in the record. It is not a failure of this task if the host answered.
        if record["state"] in ("failed", "unreachable") and not (record["cleanup"] and record["store"]):
            result.update(failed=True, msg=record["message"], hint=record["hint"])
        return result

    def _record(self, host: str, params: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Ask the host, and return its record. Raises AnsibleConnectionFailure."""
        home = {"home": params["home"]} if params["home"] is not None else {}
        subsets = [*SUBSETS, "stores"] if params["stores"] else SUBSETS
        answer = self._ask(FACTS, {**home, "gather_subset": subsets}, task_vars)
        if answer.get("failed"):
            return _failure(host, answer, params)
        facts = mapping(mapping(answer.get("ansible_facts")).get("overlay2"))
        plan: dict[str, t.Any] = {}
        if params["prune"] is not None and (facts.get("exists") or facts.get("managed_by") == "containerd"):
            plan = self._ask(PRUNE, {**home, **params["prune"]}, task_vars)
        failed = bool(plan.get("failed"))
        record = make_record(
            host,
            time.time(),
            facts,
            {} if failed else plan,
            params["done"],
            max_layers=params["max_layers"],
            check=params["done_in_check_mode"],
        )
        if failed:
            add_failure(record, plan)
        return record

    def _ask(self, module: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run a module in check mode, and return its result."""
        predicting = self._task.check_mode
        self._task.check_mode = True
        try:
            answer: dict[str, t.Any] = self._execute_module(module_name=module, module_args=args, task_vars=task_vars)
        finally:
            self._task.check_mode = predicting
        return answer

    def _keep(self, params: dict[str, t.Any], host: str, record: dict[str, t.Any]) -> str:
        """Write the record, and return its path. Raises AnsibleActionFail."""
        directory = os.path.expanduser(params["dest"])
        try:
            return write_record(directory, host, record)
        except OSError as error:
            raise AnsibleActionFail(f"cannot keep the report of {host} in {directory}: {error.strerror}") from error


def _failure(host: str, answer: t.Any, params: dict[str, t.Any], *, unreachable: bool = False) -> dict[str, t.Any]:
    """Return the record of a host whose task failed, with what overlay2_prune did there before."""
    done, check = params["done"], params["done_in_check_mode"]
    return make_failure(host, time.time(), answer, done, unreachable=unreachable, check=check)
