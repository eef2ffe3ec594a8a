# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated fleet through playbooks/cleanup.yml and the page: python3 fleet.py [HOSTS...]

Each host is a store on this machine, with a local connection. All hosts share the machine's kernel and processors, so
a host's own work counts as the controller's time. Three hosts have trouble: one fails, one is unreachable, and one has
a store of Docker's. Prints the greatest memory of Ansible's own process (VmHWM), and with all its children (sampled sum
of proportional set sizes), and the time per host. The results are asserted, the figures are not.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.modules import overlay2_layer
from ansible_collections.strata.overlay2.plugins.plugin_utils._fleet import records
from ansible_collections.strata.overlay2.tests.driver import Driver

FORKS = 20
LAYERS = 40  # of a store: a base, and as many jobs as not unused for long as for long
OLD = 30 * 86400  # seconds


class Cost(t.NamedTuple):
    seconds: float
    own: int  # KiB
    together: int  # KiB
    page: int  # bytes


def make_store(home: Path) -> None:
    """Make the store that all hosts get a copy of."""
    driver = Driver(home)
    jobs = [{"id": f"job-{number}", "parent": "base", "read_write": True} for number in range(LAYERS - 1)]
    driver.ok(overlay2_layer, layers=[{"id": "base"}, *jobs])
    for number in range(LAYERS - 1):
        layer = home / f"job-{number}"
        (layer / "diff/result").write_bytes(os.urandom(4096))
        if number % 2:
            os.utime(layer / ".strata.json", (time.time() - OLD,) * 2)


def make_fleet(place: Path, count: int) -> Path:
    """Give each of *count* hosts a store, three of them trouble; return the inventory."""
    make_store(place / "store")
    hosts: dict[str, dict[str, t.Any]] = {}
    for number in range(count):
        host = f"host-{number:04}"
        home = place / host / "overlay2"
        shutil.copytree(place / "store", home, symlinks=True)
        hosts[host] = {}
    names = list(hosts)
    hosts[names[1]] = {"layer_cleanup_home": "/etc"}
    hosts[names[2]] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    (place / names[3] / "image/overlay2/layerdb").mkdir(parents=True)
    variables = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "layer_cleanup_home": f"{place}/{{{{ inventory_hostname }}}}/overlay2",
        "layer_cleanup_prune": {"unused_for": "7d"},
        "layer_cleanup_max_remove": "60%",
        "layer_cleanup_dest": str(place / "report"),
    }
    inventory = place / "hosts.json"
    inventory.write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}), encoding="utf-8")
    return inventory


def clean_up(inventory: Path) -> Cost:
    """Run the playbook and watch it."""
    command = ["ansible-playbook", "--forks", str(FORKS), "--inventory", str(inventory), "strata.overlay2.cleanup"]
    start, own, together = time.monotonic(), 0, 0
    with open(inventory.with_name("log"), "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            own = max(own, value_of(f"/proc/{process.pid}/status", "VmHWM"))
            together = max(together, sum(value_of(f"/proc/{pid}/smaps_rollup", "Pss") for pid in family(process.pid)))
            time.sleep(0.3)
    seconds = time.monotonic() - start
    if process.returncode != 2:  # the three
        sys.exit(inventory.with_name("log").read_text(encoding="utf-8") + f"\nexit code {process.returncode}")
    return Cost(seconds, own, together, (inventory.parent / "report/index.html").stat().st_size)


def value_of(path: str, name: str) -> int:
    """Return a figure of a process in KiB, 0 once it is gone."""
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return next((int(line.split()[1]) for line in file if line.startswith(f"{name}:")), 0)
    return 0


def family(pid: int) -> list[int]:
    """Return a process with all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError), open(f"/proc/{each}/task/{each}/children", encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


def check(place: Path, count: int) -> None:
    """See that each host had what it should, whatever the others had."""
    hosts = [f"host-{number:04}" for number in range(count)]
    trouble = {hosts[1]: "failed", hosts[2]: "unreachable"}
    for record in records(str(place / "report/records"), hosts, 1.0):
        host = record["host"]
        assert record["state"] == trouble.get(host, "ok"), record
        if host == hosts[3]:
            assert record["store"]["managed_by"] == "docker" and record["plan"]["remove"] == 0, record
        elif host not in trouble:
            assert record["cleanup"]["remove"] == (LAYERS - 1) // 2, record
        left = len(list((place / host / "overlay2").glob("job-*")))
        assert left == LAYERS - 1 - (0 if host in [*trouble, hosts[3]] else (LAYERS - 1) // 2), (host, left)


def main() -> int:
    counts = [int(word) for word in sys.argv[1:]] or [20, 200]
    print(
        f"hosts of one kernel, local connections, {FORKS} forks, {LAYERS} layers each, on {os.cpu_count()} processors"
    )
    print("hosts   seconds   a host   Ansible's own   with children   page")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            cost = clean_up(make_fleet(Path(name), count))
            check(Path(name), count)
        print(
            f"{count:5} {cost.seconds:9.1f} {cost.seconds / count:8.2f} {cost.own / 1024:11.1f} MiB"
            f" {cost.together / 1024:11.1f} MiB {cost.page / 1024:6.0f} KiB",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
