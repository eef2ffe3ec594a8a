# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of made-up hosts, and the page that role store_report makes from them."""

from __future__ import annotations

import json
import random
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_failure, make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import write_record

NOW = 1_750_000_000.0
GIB = 1 << 30
HOSTILE = "\"><img src=x onerror=\"document.title='broken'\"></script><script>document.title='broken'</script>\u202e"

DAMAGED = {
    "code": "link_empty",
    "message": "layer web is damaged: its link file is empty",
    "hint": "run strata.overlay2.overlay2_repair",
    "repair": "write the name ABC to web/link",
    "certain": True,
}
CONTAINERD = {
    "engine": "containerd",
    "kind": "overlayfs",
    "home": "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs",
    "state": "active",
    "layers": 40,
    "bytes": 3 * GIB,
    "unneeded": [
        {"by": "engine", "count": 3, "bytes": 1024},
        {"by": "overlay2_prune", "count": 1, "bytes": None},
    ],
}
PODMAN = {
    "engine": "containers-storage",
    "kind": "overlay",
    "home": "/var/lib/containers/storage/overlay",
    "state": "unknown",
    "layers": None,
    "bytes": None,
    "unneeded": None,
}


def facts(chance: random.Random, **more: t.Any) -> dict[str, t.Any]:
    size = chance.randrange(50, 4000) * GIB
    return {
        "home": "/var/lib/overlay2",
        "exists": True,
        "managed_by": None,
        "supported": True,
        "backing_fs": chance.choice(["xfs", "extfs", "btrfs"]),
        "kernel": "6.1.0-40-amd64",
        "layer_count": chance.randrange(1, 400),
        "mount_count": 3,
        "filesystem": {"mount_point": "/var", "size": size, "free": int(size * chance.uniform(0.02, 0.6))},
        "problems": [],
        "health": [],
        "summary": {"lineages": [{"base": "debian-12", "layers": 300, "depth": 3, "mounted": 3, "held": 3}]},
        **more,
    }


def plan(chance: random.Random, count: int = 300) -> dict[str, t.Any]:
    """A plan about *count* layers on one base, some of which go."""
    layers = [{"id": "debian-12", "parent": "", "decision": "keep", "reason": "layer x, which stays, is built on it"}]
    for number in range(1, count):
        goes = chance.random() < 0.4
        parent = layers[chance.randrange(0, min(number, 5))]["id"]
        decision, reason = ("remove", "selected by unused_for") if goes else ("keep", "used within unused_for")
        layers.append({"id": f"{number:064x}", "parent": parent, "decision": decision, "reason": reason})
    for layer in layers:
        layer.update(bytes_exclusive=chance.randrange(GIB), bytes_shared=0, unused_seconds=chance.randrange(10**7))
    freed = sum(layer["bytes_exclusive"] for layer in layers if layer["decision"] == "remove")
    return {"layers": layers, "remove_bytes": freed, "litter": []}


def make_fleet(directory: Path, count: int) -> list[str]:
    """Write the records of *count* hosts; of 200 there is one of each kind of trouble. Return their names."""
    chance = random.Random(count)
    hosts = [f"build-{number:04}" for number in range(count)]
    records = directory / "records"
    for number, host in enumerate(hosts):
        told = facts(chance)
        if count >= 200 and number % 50 == 19:
            told = facts(chance, health=[{**DAMAGED, "certain": number % 100 == 19}])
        if number % 50 == 7:
            problem = {"code": "nearly_full", "message": "/var has 5 of 100 bytes left", "hint": "prune it"}
            told = facts(chance, problems=[problem])
        if number % 4 == 3:
            told["stores"] = [CONTAINERD, PODMAN]
        done = {**plan(chance, 40), "pending_bytes": 0} if number % 3 == 0 else None
        planned = plan(chance, 300 if count <= 200 else 50)
        record = make_record(host, NOW + number, told, planned, done, max_layers=60)
        write_record(str(records), host, record)
    if count >= 200:
        trouble = {
            hosts[11]: make_failure(hosts[11], NOW, {"msg": "no space left", "error": "no_space", "hint": "free some"}),
            hosts[12]: make_failure(hosts[12], NOW, {"msg": "no route to host"}, unreachable=True),
            hosts[13]: make_record(
                hosts[13], NOW, facts(chance, managed_by="docker", home="/var/lib/docker/overlay2"), {}, max_layers=60
            ),
            HOSTILE: hostile(chance),
        }
        hosts[14] = HOSTILE
        for host, record in trouble.items():
            write_record(str(records), host, record)
    return hosts


def hostile(chance: random.Random) -> dict[str, t.Any]:
    """A host all of whose texts are markup."""
    finding = {"code": HOSTILE, "message": HOSTILE, "hint": HOSTILE, "repair": HOSTILE}
    layers = [{"id": HOSTILE, "parent": "", "decision": "remove", "reason": HOSTILE, "bytes_exclusive": 5}]
    told = facts(chance, home=HOSTILE, backing_fs=HOSTILE, kernel=HOSTILE, managed_by=HOSTILE, problems=[finding])
    told["summary"]["lineages"][0]["base"] = HOSTILE
    told["stores"] = [{**CONTAINERD, "engine": HOSTILE, "kind": HOSTILE, "home": HOSTILE}]
    return make_record(HOSTILE, NOW, told, {"layers": layers, "remove_bytes": 5}, max_layers=60)


def render(directory: Path, hosts: list[str], title: str = "overlay2 stores") -> Path:
    """Have the role make the page, and return it."""
    variables = {
        "store_report_dest": str(directory),
        "store_report_hosts": hosts,
        "store_report_since": 1.0,
        "store_report_title": title,
    }
    task = {
        "name": "r",
        "ansible.builtin.import_role": {"name": "strata.overlay2.store_report", "tasks_from": "render"},
    }
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}
    book = directory / "book.json"
    book.write_text(json.dumps([play]), encoding="utf-8")
    run = subprocess.run(["ansible-playbook", str(book)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return directory / "index.html"
