# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dev.d/molecule.py, which decides whether a scenario passed."""

from __future__ import annotations

import importlib.util
import typing as t
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "dev.d/molecule.py"
ROOT = PROGRAM.parents[1]


def load(program: Path) -> t.Any:
    spec = importlib.util.spec_from_file_location(f"program_{program.stem}", program)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


faults = load(PROGRAM).faults
INSTALLED = "/build/collections"
OURS = {"collection": f"{INSTALLED}/ansible_collections/strata/overlay2"}
GOOD = [
    {**OURS, "playbook": "create", "play": "Create", "ok": 3},
    {**OURS, "playbook": "converge", "play": "Converge", "ok": 4, "skipped": 1},
    {**OURS, "playbook": "verify", "play": "Verify", "ok": 2, "asserted": 1},
    {**OURS, "playbook": "destroy", "play": "Destroy", "ok": 1},
]


def test_a_run_that_did_something_counts():
    assert faults(GOOD, "6.1.0-50-cloud-amd64", "6.1", INSTALLED) == []
    assert faults(GOOD, "7.2.12+deb14", "7", INSTALLED) == []


@pytest.mark.parametrize("kernel", ["", "6.12.3", "5.10.0", "6"])
def test_another_kernel_is_a_fault(kernel: str):
    assert faults(GOOD, kernel, "6.1", INSTALLED) == [f"the kernel is {kernel or 'not known'}, not 6.1"]


def changed(playbook: str, **outcomes: int | str) -> list[dict[str, t.Any]]:
    return [{**play, **outcomes} if play["playbook"] == playbook else play for play in GOOD]


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        pytest.param(changed("converge", ok=0), "converge, play 'Converge': no task was run", id="all skipped"),
        pytest.param(changed("verify", unreachable=1), "verify, play 'Verify': 1 tasks unreachable", id="lost"),
        pytest.param(changed("destroy", failed=1), "destroy, play 'Destroy': 1 tasks failed", id="lost at the end"),
        pytest.param(
            changed("converge", collection="/checkout"),
            "converge, play 'Converge': its collection is that in /checkout",
            id="not the tarball",
        ),
        pytest.param(changed("verify", asserted=0), "verify asserted nothing", id="nothing asserted"),
    ],
)
def test_a_run_that_proves_nothing_does_not_count(record: list[dict[str, t.Any]], fault: str):
    assert faults(record, "6.1.0", "6.1", INSTALLED) == [fault]


@pytest.mark.parametrize("playbook", ["create", "converge", "destroy"])
def test_a_playbook_that_is_missing_is_a_fault(playbook: str):
    record = [play for play in GOOD if play["playbook"] != playbook]
    assert faults(record, "6.1.0", "6.1", INSTALLED) == [f"no playbook {playbook} was run"]


def test_nothing_at_all_is_a_fault():
    assert len(faults([], "", "6.1", INSTALLED)) == 6


def test_names_of_scenarios_can_be_names_of_hosts():
    scenarios = [path.parent.name for path in (ROOT / "extensions/molecule").glob("*/molecule.yml")]
    assert scenarios
    assert not [name for name in scenarios if not name.replace("-", "").isalnum()]


def test_every_scenario_is_a_stage_of_the_tests():
    stages = load(ROOT / "dev.d/test.py")
    there = {path.parent.name for path in (ROOT / "extensions/molecule").glob("*/molecule.yml")}
    assert {*stages.SCENARIOS, *stages.LONG_SCENARIOS, *stages.PAIRS} == there
    for pairs in stages.PAIRS.values():
        assert sorted(",".join(pairs).split(",")) == sorted(load(ROOT / "dev.d/machines/suites.py").SUITES)
