# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes use one store at once: no change is lost, no process hangs, and every result is true.

The processes act at random. The seed of ./dev crash --sample repeats the choices of a failed run, but not their order,
and starts fewer processes.
"""

from __future__ import annotations

import collections
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import time
import traceback
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.layer import LayerFiles
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
)
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.sampling import SEED
from ansible_collections.strata.overlay2.tests.crash.worker import FILLED, ROOT, SHARED, Log, Worker

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]

WORKERS, EACH = (20, 50) if SEED == "full" else (8, 25)
PATIENCE = 600  # seconds for all of it: only a deadlock takes so long
MAKERS = {"ext4": ["mke2fs", "-q", "-F", "-t", "ext4"], "xfs": ["mkfs.xfs", "-q", "-f"]}


@pytest.fixture(params=MAKERS)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[Path]:
    """A store on a filesystem of its own, with one layer in it; all of it goes by the modules alone."""
    image, mount_point = tmp_path / "image", tmp_path / "mounted"
    with open(image, "wb") as file:
        file.truncate(512 << 20)
    mount_point.mkdir()
    subprocess.run([*MAKERS[request.param], image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount_point], check=True)
    home = mount_point / "store"
    ok(overlay2_init, home)
    ok(overlay2_layer, home, id=ROOT, state="committed")
    yield home
    ok(overlay2_init, home, state="absent", force=True)
    assert not home.exists()
    subprocess.run(["umount", mount_point], check=True)  # so nothing is left mounted, or running, in there
    shutil.rmtree(tmp_path)


def ok(module: t.Any, home: Path, **params: t.Any) -> dict[str, t.Any]:
    result = modules.run_module(module.main, {"home": str(home), **params})
    assert result is not None
    assert not result.get("failed"), result
    return result


@pytest.mark.parametrize("killing", [False, True], ids=["all live", "some are killed"])
def test_many_at_once(home: Path, tmp_path: Path, killing: bool) -> None:
    seed = SEED if SEED != "full" else os.urandom(4).hex()
    logs = run_workers(home, tmp_path, seed, killing)
    for field in ("runs", "killed", "refused"):
        print(field, sum(getattr(log, field) for log in logs.values()))
    assert any(log.made for log in logs.values())
    assert any(log.killed for log in logs.values()) is killing
    for field in ("made", "removed", "holds", "written"):
        print(field, sum(len(getattr(log, field)) for log in logs.values()))
    ok(overlay2_layer, home, id="sweeper")
    ok(overlay2_layer, home, id="sweeper", state="absent")
    check_layers(home, logs.values())
    check_mounts(home, logs)
    check_content(home, logs.values())
    facts = ok(overlay2_facts, home, gather_subset=["all"])["ansible_facts"]["overlay2"]
    left = [finding for finding in facts["health"] if not (killing and is_left_of_apply(finding))]
    assert not left
    assert facts["layers"].keys() == LayerFiles(str(home)).ids
    assert not (home / ".staging").exists()


def is_left_of_apply(finding: dict[str, t.Any]) -> bool:
    """Tell whether a finding is content that a killed run unpacked: it lies there until more is applied."""
    return finding["code"] == "staging_leftover" and finding["subject"] in FILLED


def run_workers(home: Path, directory: Path, seed: str, killing: bool) -> dict[str, Log]:
    """Let the workers work, all at once, and return their logs by name; fail with what one found, or hung in."""
    with open(directory / "stacks", "w+") as stacks:
        faulthandler.register(signal.SIGUSR1, stacks)  # theirs too, and that of the runs they start
        try:
            pids = {start(f"w{n}", home, directory, seed, killing): f"w{n}" for n in range(WORKERS)}
            hung = wait_for(set(pids))
        finally:
            faulthandler.unregister(signal.SIGUSR1)
        stacks.seek(0)
        assert not hung, f"{[pids[pid] for pid in hung]} have not ended:\n{stacks.read()}"
    told = {name: json.loads((directory / f"{name}.json").read_text()) for name in pids.values()}
    failures = [f"{name}: {found['failure']}" for name, found in told.items() if "failure" in found]
    assert not failures, "\n".join([f"seed {seed}", *failures])
    return {name: Log(**found) for name, found in told.items()}


def start(name: str, home: Path, directory: Path, seed: str, killing: bool) -> int:
    """Start a worker, in a process group of its own, and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgrp()
        room = directory / name
        room.mkdir()
        try:
            told = Worker(name, home, room, seed, killing).work(EACH)._asdict()
        except BaseException:
            told = {"failure": traceback.format_exc()}
        (directory / f"{name}.json").write_text(json.dumps(told))
    finally:
        os._exit(0)


def wait_for(pids: set[int]) -> set[int]:
    """Wait until all have ended, and return those that had to be killed, having written where they were."""
    end = time.monotonic() + PATIENCE
    left = set(pids)
    while left and time.monotonic() < end:
        left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
        time.sleep(0.05)
    for number in (signal.SIGUSR1, signal.SIGKILL):
        for pid in left:
            os.killpg(pid, number)
        time.sleep(1 if left else 0)
    for pid in left:
        os.waitpid(pid, 0)
    return left


def check_layers(home: Path, logs: t.Collection[Log]) -> None:
    """A layer was made once more than removed if it is there, else as often: of what was reported nothing is lost."""
    store = LayerFiles(str(home))
    made, maybe_made, removed, maybe_removed = (
        collections.Counter(id for log in logs for id in getattr(log, field))
        for field in ("made", "maybe_made", "removed", "maybe_removed")
    )
    for id in SHARED + FILLED:
        balance = made[id] - removed[id]
        possible = range(balance - maybe_removed[id], balance + maybe_made[id] + 1)
        assert (id in store.ids) in possible, (id, made[id], removed[id], maybe_made[id], maybe_removed[id])
    for id in store.ids:
        layer = store.layer(id)
        assert layer is not None
        store.lowers(layer)  # raises where it leads nowhere


def check_mounts(home: Path, logs: t.Mapping[str, Log]) -> None:
    """Each mounted layer is held and each held layer is mounted, by the holders whose results say so."""
    store = LayerFiles(str(home))
    mountinfo = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in mountinfo if " - overlay " in line]
    held = {}
    for id in store.ids:
        layer = store.layer(id)
        assert layer is not None
        file = home / id / ".strata-holders"
        held[id] = json.loads(file.read_text())["holders"] if file.exists() else []
        assert held[id] == sorted(name for name, log in logs.items() if id in log.holds), id
        assert points.count(f"{home}/{id}/merged") == bool(held[id] and layer.lowers), id
    assert {id for log in logs.values() for id in log.holds} <= store.ids


def check_content(home: Path, logs: t.Collection[Log]) -> None:
    """Files written into a layer exist as long as the layer exists."""
    store = LayerFiles(str(home))
    by_link = {layer.link: layer.id for layer in map(store.layer, store.ids) if layer}
    for log in logs:
        for link, name, text in log.written:
            if link in by_link:
                assert (home / by_link[link] / "diff" / name).read_text() == text
