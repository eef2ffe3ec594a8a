# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import fcntl
import gc
import os
import subprocess
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.plan import Action, Plan
from ansible_collections.strata.overlay2.plugins.module_utils._driver.task import Task
from ansible_collections.strata.overlay2.plugins.module_utils._errors import InvalidInput
from ansible_collections.strata.overlay2.plugins.module_utils._module import engine
from ansible_collections.strata.overlay2.plugins.module_utils._module.arguments import home_argument, lock_argument
from ansible_collections.strata.overlay2.plugins.module_utils._store.lock import is_free
from ansible_collections.strata.overlay2.tests import modules

pytestmark = pytest.mark.root


class LookingTask(Task):
    """Tells whether the layer app is there, and whether others could take its lock, while the store's is held."""

    layers = ("app",)

    def __init__(self, home):
        self.home = home

    def observe(self, store, predicting):
        layer = os.path.join(self.home, "app")
        return {"there": os.path.isdir(layer), "free": is_free(layer)}

    def plan(self, have, predicting):
        return Plan((), have)

    def difference(self, before, after):
        return {}, {}

    def report(self, outcome):
        return outcome.have


def main():
    engine.run_module(lambda params: LookingTask(params["home"]), argument_spec={**home_argument(), **lock_argument()})


def remove(layer):
    layer.rename(layer.parent / "removed")


def make_anew(layer):
    remove(layer)
    layer.mkdir()


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        pytest.param(lambda layer: None, {"there": True, "free": False}, id="nothing"),
        pytest.param(remove, {"there": False, "free": True}, id="removed"),
        pytest.param(make_anew, {"there": True, "free": False}, id="made anew"),
    ],
)
def test_the_layer_that_is_there_once_the_store_is_locked_is_locked(tmp_path, meanwhile, told):
    layer = tmp_path / "app"
    layer.mkdir()
    todo = [meanwhile]

    def before_the_store_is_locked(event, arguments):
        if event == "fcntl.flock" and os.path.samestat(os.fstat(arguments[0]), os.stat(tmp_path)) and todo:
            todo.pop()(layer)

    result = modules.run_module(
        main, {"home": str(tmp_path)}, prepare=lambda: sys.addaudithook(before_the_store_is_locked)
    )
    assert {key: result[key] for key in told} == told, result


FORGED = "\x1b[2J\r\n\u202e\x9bfatal: [web]\udcff"
SHOWN = r"\x1b[2J\x0d\x0a\u202e\u009bfatal: [web]\xff"


class ForgingTask(LookingTask):
    """Puts a name as it is wherever there is a place for text; *how* it ends."""

    def __init__(self, home, how):
        self.home = home
        self.how = how

    def plan(self, have, predicting):
        if self.how == "error":
            raise InvalidInput(FORGED, hint=FORGED, id=FORGED, users=[{FORGED: FORGED}])
        if self.how == "os error":
            raise OSError(5, FORGED, FORGED)
        action = Action()
        action.describe = lambda: FORGED
        return Plan((action,), have, warnings=(FORGED,))

    def difference(self, before, after):
        return {FORGED: FORGED}, {}

    def report(self, outcome):
        return {"names": {FORGED: [FORGED, 1, None, True]}}


def texts(value):
    """Yield every text in a result."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("how", ["result", "error", "os error"])
def test_nothing_that_steers_a_terminal_gets_out(tmp_path, how, capfd):
    def forge():
        engine.run_module(
            lambda params: ForgingTask(params["home"], how), argument_spec={**home_argument(), **lock_argument()}
        )

    result = modules.run_module(forge, {"home": str(tmp_path)})
    result.pop("invocation", None)  # not of each ansible-core
    assert all(text.isprintable() for text in texts(result)), result
    if how == "result":
        assert result["actions"] == [SHOWN] and result["diff"]["before"] == {SHOWN: SHOWN}
        assert result["names"] == {SHOWN: [SHOWN, 1, None, True]}
        assert f"{SHOWN}\n" in capfd.readouterr().err  # the warning
    else:
        assert result["failed"] and result["actions"] == [] and SHOWN in result["msg"]


def test_a_parameter_that_ansible_refuses_is_shown_so_too(tmp_path):
    def forge():
        choice = {"state": {"choices": ["present"]}}
        engine.run_module(lambda params: None, argument_spec={**home_argument(), **lock_argument(), **choice})

    result = modules.run_module(forge, {"home": str(tmp_path), "state": FORGED[:-1]})  # JSON holds no single byte
    result.pop("invocation", None)
    assert SHOWN[:-4] in result["msg"] and all(text.isprintable() for text in texts(result))


def test_a_process_that_goes_on_collects_its_garbage_again(tmp_path):
    """Mitogen runs one module after the other in one process."""

    def twice():
        try:
            main()
        except SystemExit:
            assert gc.isenabled()
            raise

    assert not modules.run_module(twice, {"home": str(tmp_path)}).get("failed")


class ActingTask(LookingTask):
    """Does one thing; twice, if told to, as a task that has to look at what it did."""

    layers = ()
    rounds = 0

    def plan(self, have, predicting):
        return Plan((Step(self.home),), have)

    def report(self, outcome):
        ActingTask.rounds += 1
        return {"rounds": ActingTask.rounds}

    def next_round(self, outcome, result):
        return self if result["rounds"] < 3 else None


class Step(Action):
    def __init__(self, home):
        self.home = home

    def describe(self):
        return "step"


def act():
    engine.run_module(lambda params: ActingTask(params["home"]), argument_spec={**home_argument(), **lock_argument()})


def test_what_all_rounds_have_done_is_told(tmp_path):
    assert modules.run_module(act, {"home": str(tmp_path)})["actions"] == ["step"] * 3
    assert modules.run_module(act, {"home": str(tmp_path), "_ansible_check_mode": True})["actions"] == ["step"]


def test_every_run_that_changes_something_sweeps(tmp_path):
    (tmp_path / "l").mkdir()
    for path in (".staging/left/layer", "app/.staging/left/diff", "app/diff"):
        (tmp_path / path).mkdir(parents=True)
    assert modules.run_module(act, {"home": str(tmp_path), "_ansible_check_mode": True})["changed"]
    assert (tmp_path / ".staging/left").exists()
    assert modules.run_module(act, {"home": str(tmp_path)})["changed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "l"]
    assert [path.name for path in (tmp_path / "app").iterdir()] == ["diff"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("home", ["store", "not/made/yet"])
def test_on_a_read_only_filesystem_check_mode_refuses_as_the_run_does(loop_filesystem, check, home):
    mounted = loop_filesystem("ext4")
    (mounted / "store/l").mkdir(parents=True)
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    told = modules.run_module(act, {"home": str(mounted / home), "_ansible_check_mode": check})
    assert told["errno"] == errno.EROFS and told["path"] == str(mounted / home) and not told["changed"]


class MakeApp(Action):
    """Make the layer app; locked: meanwhile another run takes the store's lock, and keeps it."""

    def __init__(self, locked):
        self.locked = locked

    def describe(self):
        return "make app"

    def prepare(self, run):
        if not self.locked:
            return
        self.others = os.open(run.home, os.O_RDONLY)
        fcntl.flock(self.others, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def commit(self, run):
        os.mkdir(os.path.join(run.home, "app"))


class MakeLocked(Action):
    """Notes, as names in home, during which of its steps the store was locked."""

    def prepare(self, run):
        self._note(run, "prepare")

    def commit(self, run):
        self._note(run, "commit")

    def _note(self, run, step):
        if not is_free(run.home, shared=True):
            os.mkdir(os.path.join(run.home, f"{step}-locked"))


class LockedTask(LookingTask):
    """Has long work done, and commits it. relocked: with the store's lock."""

    layers = ()

    def __init__(self, home, relocked):
        super().__init__(home)
        self.relocked = relocked

    def plan(self, have, predicting):
        return Plan((MakeLocked(),), have, prepares_unlocked=True, commits_locked=self.relocked)


@pytest.mark.parametrize(("relocked", "noted"), [(True, ["commit-locked", "l"]), (False, ["l"])])
def test_the_store_is_locked_again_for_commits_that_need_the_lock(tmp_path, relocked, noted):
    (tmp_path / "l").mkdir()
    spec = {**home_argument(), **lock_argument()}
    result = modules.run_module(
        lambda: engine.run_module(lambda params: LockedTask(params["home"], relocked), argument_spec=spec),
        {"home": str(tmp_path), "lock_timeout": 1},
    )
    assert result["changed"]
    assert "warnings" not in result
    assert sorted(os.listdir(tmp_path)) == noted


class MakingTask(LookingTask):
    """Has app made. fails: what raises an error once that is done: to lock the store, observe() or report()."""

    layers = ()

    def __init__(self, home, fails):
        super().__init__(home)
        self.fails = fails

    def observe(self, store, predicting):
        have = super().observe(store, predicting)
        if have["there"] and self.fails == "observe":
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.home)
        return have

    def plan(self, have, predicting):
        return Plan(
            (MakeApp(self.fails == "lock"),), {"there": True, "free": None}, prepares_unlocked=self.fails == "lock"
        )

    def report(self, outcome):
        if not outcome.predicted and self.fails in ("report", "every report"):
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), self.home)
        if self.fails == "every report":
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.home)
        return outcome.after


@pytest.mark.parametrize("fails", ["lock", "observe", "report", "every report"])
def test_what_is_done_is_no_failure_where_it_cannot_be_looked_at(tmp_path, capfd, fails):
    def main():
        arguments = {**home_argument(), **lock_argument()}
        engine.run_module(lambda params: MakingTask(params["home"], fails), argument_spec=arguments)

    result = modules.run_module(main, {"home": str(tmp_path), "lock_timeout": 0})
    assert not result.get("failed"), result
    assert (result["changed"], result["actions"]) == (True, ["make app"])
    assert fails == "every report" or result["there"] is True
    assert (tmp_path / "app").is_dir()
    told = f"{result.get('warnings')} {capfd.readouterr().err}"  # with the controller's code here, to its display
    assert "could not look at the result" in told and str(tmp_path) in told


def test_an_error_of_the_system_without_a_path_is_of_the_home(tmp_path):
    class Failing(LookingTask):
        def observe(self, store, predicting):
            os.close(1000)

    def main():
        arguments = {**home_argument(), **lock_argument()}
        engine.run_module(lambda params: Failing(params["home"]), argument_spec=arguments)

    result = modules.run_module(main, {"home": str(tmp_path)})
    assert (result["error"], result["errno"], result["path"]) == ("os_error", errno.EBADF, str(tmp_path))
    assert result["msg"] == f"{os.strerror(errno.EBADF)}: {tmp_path}"
