# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of tasks, against Ansible's own tasks in the same run: python3 run.py [ROUNDS]

Each figure is the median of several rounds. Their order is shuffled, so that other load on the machine hits all alike.
The command names each missed goal, and then fails.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

CHAIN = 10  # layers
CARRIER = """\
import json
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"path": {"type": "path"}})
with open(module.params["path"]) as file:
    facts = json.load(file)
module.exit_json(ansible_facts={"overlay2": facts})
"""  # what a module of two lines costs that has the same facts to give


class Case(t.NamedTuple):
    """A task; prepare is run before each round, outside of what is timed."""

    task: dict[str, t.Any]
    prepare: t.Callable[[], object] = lambda: None


def chains(count: int) -> list[dict[str, t.Any]]:
    return [{"id": f"n{n}", "parent": "" if n % CHAIN == 0 else f"n{n - 1}"} for n in range(count)]


def run_task(task: dict[str, t.Any], directory: Path) -> float:
    """Run one task on localhost and return the seconds Ansible takes for the play."""
    book = directory / "play.json"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    start = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "--module-path", str(directory), str(book)], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return seconds


def fresh_filesystem(directory: Path) -> Path:
    """Mount a new XFS: on an ext4 that has just lost many files, making new ones is slow for minutes."""
    image, target = directory / "image", directory / "mnt"
    target.mkdir()
    for command in (
        ["truncate", "--size", "2G", image],
        ["mkfs.xfs", "-q", image],
        ["mount", "-o", "loop", image, target],
    ):
        subprocess.run(command, check=True)
    return target


def fresh_home(home: Path) -> None:
    subprocess.run(["rm", "-rf", str(home)], check=True)
    (home / "l").mkdir(parents=True)
    os.sync()


def make_store(home: Path, count: int, directory: Path) -> None:
    fresh_home(home)
    run_task({"strata.overlay2.overlay2_layer": {"home": str(home), "layers": chains(count)}}, directory)


def measure(cases: dict[str, Case], rounds: int, directory: Path) -> dict[str, float]:
    """Return the median seconds of each case; one round before the first warms everything."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name in random.sample(sorted(cases), len(cases)):
            cases[name].prepare()
            seconds = run_task(cases[name].task, directory)
            if number:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def facts(home: Path, *subsets: str) -> dict[str, t.Any]:
    return {"strata.overlay2.overlay2_facts": {"home": str(home), "gather_subset": [*subsets]}}


def make_carrier(home: Path, directory: Path) -> Path:
    """Make the module ``carrier``, and return the file with what it gives: the facts about the layers of *home*."""
    (directory / "carrier.py").write_text(CARRIER, encoding="utf-8")
    path = directory / "facts"
    ask = ["ansible", "localhost", "-m", "strata.overlay2.overlay2_facts", "-a", f"home={home} gather_subset=layers"]
    done = subprocess.run([*ask, "--tree", str(directory)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    answer = json.loads((directory / "localhost").read_text(encoding="utf-8"))
    path.write_text(json.dumps(answer["ansible_facts"]["overlay2"]), encoding="utf-8")
    return path


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        directory = fresh_filesystem(Path(name))
        new, small, large = directory / "new", directory / "small", directory / "large"
        make_store(small, CHAIN, directory)
        make_store(large, 10_000, directory)
        facts_file = make_carrier(large, directory)
        many = {"strata.overlay2.overlay2_layer": {"home": str(new), "layers": chains(1000)}}
        found = measure(
            {
                "empty": Case({"ansible.builtin.ping": {}}),
                "stat": Case({"ansible.builtin.stat": {"path": str(small)}}),
                "1,000 layers": Case(many, lambda: fresh_home(new)),
                "facts, 10 layers": Case(facts(small, "status")),
                "facts, 10,000 layers": Case(facts(large, "status")),
                "layers of 10,000": Case(facts(large, "layers")),
                "the same, only carried": Case({"carrier": {"path": str(facts_file)}}),
            },
            rounds,
            directory,
        )
        subprocess.run(["umount", directory], check=True)
    for label, seconds in found.items():
        print(f"{label:<24} {seconds:6.2f} s   {seconds / found['empty']:5.2f} x an empty task")
    limits = {
        "1,000 layers over an empty task": (found["1,000 layers"] - found["empty"], 1.0),
        "status of 10,000 layers over that of 10": (found["facts, 10,000 layers"] - found["facts, 10 layers"], 0.1),
        "layers of 10,000 over carrying them": (found["layers of 10,000"] - found["the same, only carried"], 1.5),
        "warm facts against stat (ratio)": (found["facts, 10 layers"] / found["stat"], 1.5),
    }
    for label, (value, limit) in limits.items():
        print(f"{label:<42} {value:6.2f}  (at most {limit}) {'ok' if value <= limit else 'MISSED'}")
    return any(value > limit for value, limit in limits.values())


if __name__ == "__main__":
    sys.exit(main())
