# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of putting an image into a store, beside docker load and skopeo copy: python3 images.py [ROUNDS]

The image has 400 MiB in 8 layers that are not compressed. In each round, each side has a fresh XFS and its turn, in
random order, and each step ends with `sync -f`, which is part of the step. Figures are medians of the ratios of pairs.
CPU is that of all processes of a side; Docker's is that of the client and the daemon. Other work of the machine changes
wall times, and hardly CPU.

Our side is a module that Ansible sent: its files are compiled in each run. Environment: STRATA_ENGINES, the directory
of the unpacked programs.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from pathlib import Path

from ansible_collections.strata.overlay2.tests import engines
from ansible_collections.strata.overlay2.tests.bench.archives import Cost, shell
from ansible_collections.strata.overlay2.tests.bench.image_input import SIZES, make_images

TICK = os.sysconf("SC_CLK_TCK")
SIDE = Path(__file__).with_name("image_side.py")
COLLECTION, OURS = Path(__file__).resolve().parents[2], "ansible_collections/strata/overlay2"
Place = t.Callable[[], t.ContextManager[Path]]
Costs = dict[str, Cost]  # by the name of the step


class Goal(t.NamedTuple):
    """A figure of the table: what is measured, the most that it may be; None for a figure without a goal."""

    name: str
    value: float
    most: float | None
    unit: str = ""


def make_inputs(place: Path) -> int:
    """Write the images, and modules.zip, which has the files that Ansible sends. Return the size of the last layer."""
    missing = make_images(place)
    ansible = importlib.util.find_spec("ansible")
    assert ansible and ansible.origin
    with zipfile.ZipFile(place / "modules.zip", "w") as archive:
        archive.writestr("ansible/__init__.py", f"__version__ = {importlib.metadata.version('ansible-core')!r}")
        for root, prefix in ((Path(ansible.origin).parent, "ansible"), (COLLECTION, OURS)):
            for part in ("module_utils", "plugins/module_utils", "plugins/modules"):
                for path in (root / part).rglob("*.py"):
                    archive.write(path, prefix / path.relative_to(root))
        plugins = Path(OURS, "plugins")
        for package in (plugins / "modules", plugins / "module_utils", plugins, *list(plugins.parents)[:-1]):
            if f"{package}/__init__.py" not in archive.namelist():
                archive.writestr(f"{package}/__init__.py", "")
    return missing


def side(place: Path, *words: str) -> str:
    """Return the command of our side."""
    return f"PYTHONPATH={place}/modules.zip {sys.executable} {SIDE} {shlex.join(words)}"


def ours(target: Path, place: Path, workers: int = 2) -> Costs:
    """Return what the steps cost us on the fresh filesystem *target*."""
    found = {}
    for step, start in (("cold", ""), ("7 of 8", "base.tar")):
        home = target / step.replace(" ", "-")
        shell(f"mkdir -p {home}/l; echo '{{\"format\": 1}}' >{home}/.strata.json")
        params = {"home": str(home), "platform": "linux/amd64", "workers": workers}
        if start:
            shell(side(place, "present", json.dumps({**params, "src": f"{place}/{start}"})))
        shell("sync -f ", D=str(target))
        command = side(place, "present", json.dumps({**params, "src": f"{place}/image.tar"}))
        found[step] = shell(f"{command}; sync -f ", D=str(target))
        if not start:
            found["all there"] = shell(f"{command}; sync -f ", D=str(target))
            shell(f"rm -rf {home}; sync -f ", D=str(target))
    found["empty"] = shell(side(place, "empty"))
    return found


def skopeo(target: Path, place: Path) -> Costs:
    """As ours, for skopeo and containers-storage."""
    env = shlex.join(["env", *(f"{name}={value}" for name, value in engines.environment(HOME="/").items())])
    found = {}
    for step, start in (("cold", ""), ("7 of 8", "base.tar")):
        store = f"[overlay@{target}/{step[0]}g+{target}/{step[0]}r]"

        def copied(archive: str, store: str = store) -> str:
            words = [f"oci-archive:{place}/{archive}", f"containers-storage:{store}bench:latest"]
            return f"{env} skopeo --insecure-policy copy -q {shlex.join(words)}"

        if start:
            shell(copied(start))
        shell("sync -f ", D=str(target))
        found[step] = shell(f"{copied('image.tar')}; sync -f ", D=str(target))
        if not start:
            found["all there"] = shell(f"{copied('image.tar')}; sync -f ", D=str(target))
    return found


def docker(target: Path, place: Path) -> Costs:
    """As ours, for docker load; the daemon runs already."""
    found = {}
    for step, start in (("cold", ""), ("7 of 8", "base.tar")):
        engine = engines.Docker(target / step.replace(" ", "-"))
        with engine.running():
            if start:
                _load(engine, target, place / start)
            found[step] = _load(engine, target, place / "image.tar")
            if not start:
                found["all there"] = _load(engine, target, place / "image.tar")
    return found


def _load(engine: engines.Docker, target: Path, archive: Path) -> Cost:
    shell("sync -f ", D=str(target))
    before = _used(engine.pid)
    client = shlex.join(engine.command("load", "-q", "-i", str(archive)))
    env = shlex.join(["env", *(f"{name}={value}" for name, value in engines.environment(HOME="/").items())])
    cost = shell(f"{env} {client}; sync -f ", D=str(target))
    return cost._replace(cpu=cost.cpu + _used(engine.pid) - before)


def _used(pid: int) -> float:
    """Return the seconds of CPU of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / TICK


@contextlib.contextmanager
def fresh(place: Path) -> t.Iterator[Path]:
    """Yield a new XFS."""
    image, target = place / "image.xfs", place / "mnt"
    target.mkdir(exist_ok=True)
    shell(f"rm -f {image}; truncate -s 6G {image}; mkfs.xfs -q {image}; mount -o loop {image} {target}")
    try:
        yield target
    finally:
        engines.unmount_below(str(target))
        shell(f"umount --recursive {target}; rm -f {image}")


def measure(rounds: int, place: Path) -> list[dict[str, Costs]]:
    """Return the costs of all sides, by side and step, for each round."""
    sides: dict[str, t.Callable[[Path], Costs]] = {
        "ours": lambda target: ours(target, place),
        "one worker": lambda target: ours(target, place, 1),
        "docker": lambda target: docker(target, place),
        "skopeo": lambda target: skopeo(target, place),
    }
    found = []
    for number in range(rounds):
        costs = {}
        for name in random.sample(sorted(sides), len(sides)):
            with fresh(place) as target:
                costs[name] = sides[name](target)
            for step, cost in costs[name].items():
                print(f"round {number + 1}, {name:<10} {step:<9} {cost.cpu:6.2f} s CPU {cost.wall:6.2f} s", flush=True)
        found.append(costs)
    return found


def goals(found: list[dict[str, Costs]], place: Path, missing: int) -> t.Iterator[Goal]:
    """Yield the figures. missing: bytes of the blob that a store with 7 of 8 layers lacks."""

    def ratio(step: str, peer: str, what: str) -> float:
        values = [getattr(each["ours"][step], what) / getattr(each[peer][step], what) for each in found]
        return statistics.median(values)

    def median(value: t.Callable[[dict[str, Costs]], float]) -> float:
        return statistics.median(map(value, found))

    yield Goal("cold / docker load, CPU", ratio("cold", "docker", "cpu"), 0.35)
    yield Goal("cold / docker load, wall", ratio("cold", "docker", "wall"), 0.6)
    yield Goal("cold / skopeo, CPU", ratio("cold", "skopeo", "cpu"), 0.35)
    yield Goal("cold / skopeo, wall", ratio("cold", "skopeo", "wall"), None)
    yield Goal("cold, two workers / one, CPU", ratio("cold", "one worker", "cpu"), None)
    yield Goal("cold, two workers / one, wall", ratio("cold", "one worker", "wall"), None)
    yield Goal("7 of 8 there / docker load, CPU", ratio("7 of 8", "docker", "cpu"), 0.2)
    yield Goal("7 of 8 there / skopeo, CPU", ratio("7 of 8", "skopeo", "cpu"), None)
    yield Goal("all there / docker load, CPU", ratio("all there", "docker", "cpu"), None)
    over = median(lambda each: each["ours"]["all there"].cpu - each["ours"]["empty"].cpu)
    yield Goal("all there, CPU over an empty module", over, 0.15, "s")
    shell(f"PYTHONPATH={os.environ['PYTHONPATH']} {sys.executable} {SIDE} delta {place}/image.tar {place}/delta.tar")
    yield Goal("delta / missing blobs, bytes", (place / "delta.tar").stat().st_size / missing, 1.02)
    memory = max(cost.memory for each in found for cost in each["ours"].values())
    yield Goal("memory of a process", memory / 1024, 40, "MiB")


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores, {names[0] if names else os.uname().machine}"


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        place = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8G", "tmpfs", place], check=True)
        try:
            missing = make_inputs(place)
            found = list(goals(measure(rounds, place), place, missing))
        finally:
            subprocess.run(["umount", place], check=True)
    print(f"{sum(SIZES)} MiB in {len(SIZES)} layers; {rounds} rounds; {processor()}")
    for goal in found:
        kept = goal.most is None or goal.value <= goal.most
        wanted = "" if goal.most is None else f"   at most {goal.most:.2f} {'ok' if kept else 'MISSED'}"
        print(f"{goal.name:<40} {goal.value:6.2f} {goal.unit:<3}{wanted}")
    return not all(goal.most is None or goal.value <= goal.most for goal in found)


if __name__ == "__main__":
    sys.exit(main())
