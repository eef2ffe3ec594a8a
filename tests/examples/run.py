# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every example of the modules' documentation unchanged: python3 run.py COUNTS

The examples come from the modules, and assertions follow each. An example without a place in examples.yml is a failure.
Run this in a separate mount namespace: it covers /etc, /srv and /var/lib, so that the examples can use their paths.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PLACES = Path(__file__).with_name("examples.yml")

Task = dict[str, t.Any]


def examples(module: Path) -> dict[str, Task]:
    """Return a module's examples by name."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            return {task["name"]: task for task in yaml.safe_load(ast.literal_eval(node.value))}
    raise SystemExit(f"{module.name} has no EXAMPLES")


def tasks(places: list[Task], found: dict[str, Task]) -> t.Iterator[Task]:
    """Yield what is to be run: what an example needs, the example, and what it must have done."""
    for place in places:
        task = dict(found[place["example"]])
        yield from place.get("given", [])
        yield {"register": "result", "ignore_errors": bool(place.get("fails")), **task}
        checks = [f"{task.get('register', 'result')} is {'failed' if place.get('fails') else 'not failed'}"]
        yield {
            "name": f"So it is: {task['name']}",
            "ansible.builtin.assert": {"that": [*checks, *place.get("then", [])], "quiet": True},
        }


def cover_directories(scratch: Path) -> None:
    """Give the examples' paths to them; what is there now comes back when the namespace goes."""
    for name in ("upper", "work"):
        (scratch / name).mkdir()
    data = f"lowerdir=/etc,upperdir={scratch}/upper,workdir={scratch}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", "/etc"], check=True)
    for directory in ("/srv", "/var/lib"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory], check=True)


def main() -> int:
    places = yaml.safe_load(PLACES.read_text(encoding="utf-8"))
    found: dict[str, Task] = {}
    for module in sorted((ROOT / "plugins/modules").glob("*.py")):
        found.update(examples(module))
    placed = [place["example"] for place in places]
    if sorted(placed) != sorted(found):
        sys.exit(f"not both in the modules and in {PLACES.name}: {sorted({*placed} ^ {*found})}")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        cover_directories(scratch)
        book = scratch / "examples.json"
        defaults = {"group/strata.overlay2.overlay2": {"home": "/var/lib/overlay2"}}
        play = {"hosts": "localhost", "gather_facts": False, "module_defaults": defaults}
        book.write_text(json.dumps([{**play, "tasks": [*tasks(places, found)]}]), encoding="utf-8")
        code = subprocess.run(["ansible-playbook", str(book)], check=False).returncode
        subprocess.run(["umount", "--recursive", "--lazy", "/etc", "/srv", "/var/lib"], check=True)
    passed = 0 if code else len(found)
    Path(sys.argv[1]).write_text(f"{passed} {int(code != 0)} 0\n", encoding="utf-8")
    version = subprocess.run(["ansible", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    print(f"{len(found)} examples", "failed" if code else "run", "with", version)
    return code


if __name__ == "__main__":
    sys.exit(main())
