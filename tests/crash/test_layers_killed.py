# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run killed before each of its steps leaves the old state or the new one, and the next run needs no help.

The module runs in a forked child that kills itself, with SIGKILL, before its Nth step that changes a file: for N from 1
until it gets through. This says nothing of durability: the page cache survives a kill.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver import run
from ansible_collections.strata.overlay2.plugins.module_utils._store import staging
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import Store, all_links
from ansible_collections.strata.overlay2.plugins.modules import overlay2_layer
from ansible_collections.strata.overlay2.tests import modules

STEPS = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown"}
STRIDE = 1 if os.environ.get("STRATA_CRASH", "full") == "full" else 3
WRITING = os.O_WRONLY | os.O_RDWR

CHAIN: dict[str, t.Any] = {
    "layers": [{"id": "base", "parent": ""}, {"id": "mid", "parent": "base"}, {"id": "top", "parent": "mid"}]
}
CHILD: dict[str, t.Any] = {"id": "child", "parent": "lone"}
SEAL: dict[str, t.Any] = {"id": "lone", "state": "committed"}
REMOVE: dict[str, t.Any] = {"id": "base", "state": "absent", "recursive": True}


class Killer:
    """Counts steps, and ends the process before number *last*; 0 means never."""

    def __init__(self, home: Path, last: int) -> None:
        self.home = str(home)
        self.last = last
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, args: tuple[t.Any, ...]) -> None:
        if event not in STEPS and not (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
            return
        path = str(args[0])
        # A relative name is one in a tree that is being deleted, or the target of a symlink.
        if path.startswith(self.home) or not path.startswith("/"):
            self.step()

    def before(self, function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def stepping(*args: t.Any) -> t.Any:
            self.step()
            return function(*args)

        return stepping


def run_module(home: Path, params: dict[str, t.Any], last: int = 0) -> dict[str, t.Any] | None:
    """Run overlay2_layer in a child and return its result; None if it was killed before step *last*."""

    def arm() -> None:
        killer = Killer(home, last)
        sys.addaudithook(killer.audit)
        # ctypes calls have no audit event.
        staging.rename_noreplace = killer.before(staging.rename_noreplace)  # type: ignore[attr-defined]
        run.syncfs = killer.before(run.syncfs)  # type: ignore[attr-defined]

    return modules.run_module(overlay2_layer.main, {"home": str(home), **params}, arm)


def new_store(home: Path, *runs: dict[str, t.Any]) -> Path:
    (home / "l").mkdir(parents=True)
    for params in runs:
        result = run_module(home, params)
        assert result and result["changed"], result
    return home


def what_is_there(home: Path) -> dict[str, tuple[t.Any, ...]]:
    """Return the layers, each whole; a half one, or a name in l/ that leads to another, fails."""
    store = Store(str(home))
    found = {}
    for layer_id in store.ids:
        layer = store.layer(layer_id)
        assert layer is not None
        assert all_links(str(home))[layer.link] == layer_id
        assert (home / layer_id / "diff").is_dir()
        assert layer.record.read_write is not None
        found[layer_id] = (store.lowers(layer), layer.marked or bool(store.children.get(layer.link)))
    return found


def assert_no_litter(home: Path) -> None:
    assert not Store(str(home)).unsealed_parents()
    assert not (home / ".staging").exists()
    assert set(all_links(str(home)).values()) == Store(str(home)).ids
    assert len(all_links(str(home))) == len(Store(str(home)).ids)


@pytest.mark.parametrize(
    ("before", "params", "stride"),
    [
        pytest.param([], CHAIN, STRIDE, id="make a chain"),
        pytest.param([{"id": "lone"}], CHILD, STRIDE, id="build on a layer"),
        pytest.param([{"id": "lone"}], SEAL, 1, id="seal"),  # of too few steps to leave any out
        pytest.param([CHAIN], REMOVE, STRIDE, id="remove a chain"),
    ],
)
def test_killed_before_any_step(
    tmp_path: Path, before: list[dict[str, t.Any]], params: dict[str, t.Any], stride: int
) -> None:
    old = what_is_there(new_store(tmp_path / "old", *before))
    finished = new_store(tmp_path / "new", *before)
    assert run_module(finished, params)
    new = what_is_there(finished)
    assert old != new

    for last in itertools.count(1, stride):
        home = new_store(tmp_path / str(last), *before)
        if run_module(home, params, last) is not None:
            break
        states = what_is_there(home)
        for layer_id, (lowers, _committed) in states.items():  # of a list, some layers may have come or gone
            assert lowers == {**new, **old}[layer_id][0]
        assert states.keys() >= old.keys() & new.keys()

        result = run_module(home, params)
        assert result is not None and not result.get("failed"), result
        assert what_is_there(home) == new
        again = run_module(home, params)
        assert again is not None and not again["changed"]
        # A run that had nothing left to change leaves sweeping to the next that has.
        assert run_module(home, {"id": "sweeper"})
        assert run_module(home, {"id": "sweeper", "state": "absent"})
        assert_no_litter(home)
    assert last > 2 * stride
