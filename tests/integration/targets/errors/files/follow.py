# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the hint of each error: python3 follow.py WORK FAILURES.json

FAILURES.json: results of the tasks that failed, each with its item, which is as in vars/main.yml. A hint names only
options that the module in question has, and none that was already given so. Where vars/main.yml has cures, each of them
is applied to a condition of its own, and then the same task does not fail so again.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from ansible_collections.strata.overlay2.tests import modules as runner

MODULES = Path(runner.__file__).parents[1] / "plugins/modules"
KEYWORDS = {"become"}  # of tasks, which a hint may name as well

Failure = dict[str, t.Any]


def options_of_modules() -> dict[str, set[str]]:
    """Return the names of the options of each module, by its name."""
    found = {}
    for path in MODULES.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
                found[path.stem] = {"home", "lock_timeout", *yaml.safe_load(ast.literal_eval(node.value))["options"]}
    return found


OPTIONS = options_of_modules()
ALL_NAMES = set().union(*OPTIONS.values())
LONG_NAMES = {name for name in ALL_NAMES if "_" in name}  # in a sentence the others may be plain words


def wrong_options(failure: Failure) -> t.Iterator[str]:
    """Yield what is wrong with options in the hint: in a clause, of the module named there or of the failed one."""
    asked = f"overlay2_{failure['module']}"
    for clause in re.split(r"; (?:or )?|, or ", failure["result"]["hint"]):
        named = re.search(r"strata\.overlay2\.(overlay2_\w+)", clause)
        module = named.group(1) if named else asked
        pairs = re.findall(r"\b([a-z_]+): ([\w.-]+)", clause)
        given = {name: value for name, value in pairs if name in ALL_NAMES or value in ("true", "false")}
        words = LONG_NAMES & set(re.findall(r"\b[a-z]+_[a-z_]+\b", clause))
        for option in {*given, *words} - KEYWORDS:
            if option not in OPTIONS[module]:
                yield f"{module} has no {option}"
            elif module == asked and option in given and str(failure["params"].get(option)).lower() == given[option]:
                yield f"{option} was given so"


class Condition:
    """A condition made anew, with the parameters of the task that fails there."""

    def __init__(self, work: Path, failure: Failure) -> None:
        self.failure = failure
        self.params = dict(failure["params"])
        self.processes: list[subprocess.Popen[bytes]] = []
        self.mnt = work / "mnt"
        self.home = self.mnt / failure["case"]
        place = self.mnt / "follow"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.mnt / "store", place / "store", symlinks=True)
        if failure["case"] in ("missing", "store"):
            self.home = place / failure["case"]
        elif "harm" in failure:
            self.home = place / failure["case"]
            shutil.copytree(self.mnt / "store", self.home, symlinks=True)
            self._harm(failure)
        elif "again" in failure:
            self.step(failure["again"])

    def _harm(self, failure: Failure) -> None:
        """Do to a store of its own what set_up.yml did to that of the case."""
        self.step(failure["harm"])
        if failure["case"] == "used":
            self.step({"mount": {"id": "job"}})
            self._start("cd job/merged && exec sleep 600")
        elif failure["case"] in ("locked", "taken"):
            self._start(f"exec 9<{'.' if failure['case'] == 'locked' else 'job'}; flock 9; echo; exec sleep 600 >&2")

    def _start(self, command: str) -> None:
        process = subprocess.Popen(["sh", "-c", f"{command}"], cwd=self.home, stdout=subprocess.PIPE)
        self.processes.append(process)
        if "echo" in command:
            assert process.stdout and process.stdout.readline()

    def run(self) -> Failure:
        return self._module(self.failure["module"], self.params)

    def _module(self, name: str, params: dict[str, t.Any]) -> Failure:
        module = importlib.import_module(f"ansible_collections.strata.overlay2.plugins.modules.overlay2_{name}")
        defaults = {"home": str(self.home)} | ({} if name == "facts" else {"lock_timeout": 1})
        result = runner.run_module(module.main, {**defaults, **params})
        assert result is not None
        return result

    def step(self, step: t.Any) -> None:
        """Take a step of a cure, or of what makes the condition."""
        if step == "end":
            self._end()
        elif isinstance(step, str):
            where = self.home if self.home.is_dir() else self.home.parent
            subprocess.run(["sh", "-euc", step], cwd=where, check=True)
        elif "set" in step:
            self.params.update(step["set"])
        elif "drop" in step:
            self.params = {name: value for name, value in self.params.items() if name not in step["drop"]}
        else:
            ((name, params),) = step.items()
            result = self._module(name, params)
            assert not result.get("failed"), result

    def _end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()

    def close(self) -> None:
        self._end()
        for home in (self.home, self.mnt / "follow/store"):
            subprocess.run(["umount", "--lazy", home / "job/merged"], check=False, capture_output=True)


def follow(work: Path, failure: Failure, cure: list[t.Any]) -> str:
    """Return what is wrong with a cure; "" for nothing."""
    condition = Condition(work, failure)
    try:
        if not is_same(failure, found := condition.run()):
            return f"the condition could not be made again: {found}"
        for step in cure:
            condition.step(step)
        return f"{cure} does not cure it: {found}" if is_same(failure, found := condition.run()) else ""
    except AssertionError as error:
        return f"{cure} cannot be followed: {error}"
    finally:
        condition.close()


def is_same(failure: Failure, result: Failure) -> bool:
    """Tell whether the task failed as it did before."""
    return result.get("error") == failure["error"] and bool(re.search(failure["msg"], result["msg"]))


def main() -> int:
    work, results = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    failures = [
        {"params": {"layers": [{"id": result["item"].get("id")}]}, **result["item"], "result": result}
        for result in results
    ]
    harms = {
        failure["case"]: failure["harm"] for failure in failures if "harm" in failure
    }  # the first of a case has it
    failures = [
        {"harm": harms[failure["case"]], **failure} if failure["case"] in harms else failure for failure in failures
    ]
    wrong, followed = [], 0
    for failure in failures:
        where = f"{failure['module']} {failure['case']}: {failure['result']['hint']}"
        wrong += [f"{where}: {what}" for what in wrong_options(failure)]
        if not failure.get("cures") and not failure.get("uncured"):
            wrong.append(f"{where}: it has neither cures nor a reason in vars/main.yml")
        for cure in [] if failure.get("uncured") else failure.get("cures", []):
            followed += 1
            what = follow(work, failure, cure)
            wrong += [f"{where}: {what}"] if what else []
    print("\n\n".join([*wrong, f"{len(failures)} hints read, {followed} cures tried"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
