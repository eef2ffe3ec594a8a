# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of finding the layer stores of a host, and of a look at containerd's store beside ctr.

python3 stores.py [ROUNDS]: CPU and greatest memory of a process that does nothing else, the least of the rounds. It
finds the stores of a host with 200 further processes and 50 homes with a store, and looks at a containerd with 1,000
snapshots, beside `ctr snapshots ls`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._containerd.look import look_at
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import homes
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.observe import stores_of_host
from ansible_collections.strata.overlay2.tests.containerd import Containerd
from ansible_collections.strata.overlay2.tests.engines import ENGINES, environment

PROCESSES, HOMES, SNAPSHOTS = 200, 50, 1000


class Cost(t.NamedTuple):
    cpu: float  # ms
    memory: float  # MiB


def cost(deed: t.Callable[[], object]) -> Cost:
    """Return the cost of *deed* in a child; children of the child count, too."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        deed()
        cpu, memory = 0.0, 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(who)
            cpu += (used.ru_utime + used.ru_stime) * 1000
            memory = max(memory, used.ru_maxrss / 1024)
        os.write(writes, json.dumps([cpu, memory]).encode())
        os._exit(0)
    os.close(writes)
    with open(reads, "rb") as answer:
        told = json.load(answer)
    os.waitpid(pid, 0)
    return Cost(*told)


def least(rounds: int, deed: t.Callable[[], object]) -> Cost:
    return min(cost(deed) for _round in range(rounds))


def show(name: str, found: Cost) -> None:
    print(f"{name:<45} {found.cpu:8.1f} ms {found.memory:8.1f} MiB", flush=True)


@contextlib.contextmanager
def processes(number: int) -> t.Iterator[None]:
    started = [subprocess.Popen(["sleep", "1000"]) for _number in range(number)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def make_homes(directory: Path) -> None:
    for number in range(HOMES):
        root = directory / f"user{number}/.local/share/containers/storage"
        for name in ("overlay/l", "overlay-layers"):
            (root / name).mkdir(parents=True)
        (root / "overlay-layers/layers.json").write_text(json.dumps([{"id": "a" * 64, "diff-size": 5}] * 20))


def discover() -> None:
    found = stores_of_host([], "records")
    assert len(found.stores) + found.left_out >= HOMES, len(found.stores)


def bench_discovery(rounds: int, area: Path) -> None:
    make_homes(area / "home")
    homes._HOME = str(area / "home")
    show("nothing", least(rounds, lambda: None))
    show(f"stores, {HOMES} homes", least(rounds, discover))
    with processes(PROCESSES):
        show(f"stores, {HOMES} homes, {PROCESSES} processes more", least(rounds, discover))


def look(root: Path) -> None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    assert len(look_at(fd).snapshotters["overlayfs"].records) == SNAPSHOTS
    os.close(fd)


def bench_containerd(rounds: int, area: Path) -> None:
    containerd = Containerd(area / "root", collects=False)
    with containerd.running():
        commands = "; ".join(f'"$@" snapshots prepare s{number} "" >/dev/null' for number in range(SNAPSHOTS))
        subprocess.run(["sh", "-euc", commands, "sh", *containerd.command()], check=True, env=environment())
        ctr = containerd.command("snapshots", "ls")
        show(
            f"ctr snapshots ls, {SNAPSHOTS} snapshots",
            least(rounds, lambda: subprocess.run(ctr, check=True, env=environment(), stdout=subprocess.DEVNULL)),
        )
        show(f"a look, {SNAPSHOTS} snapshots", least(rounds, lambda: look(containerd.root)))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="strata-stores-") as name:
        bench_discovery(rounds, Path(name))
        if ENGINES:
            bench_containerd(rounds, Path(name))


if __name__ == "__main__":
    main()
