# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supported versions are the same in all files, and are the versions that are tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def found(pattern, path):
    match = re.search(pattern, text(path), re.MULTILINE)
    assert match, f"{path} has no {pattern}"
    return match.groups()


def test_the_lowest_ansible_core():
    (lowest,) = found(r'^requires_ansible: ">=([\d.]+)"$', "meta/runtime.yml")
    series = lowest.rpartition(".")[0]
    assert found(r"ansible-core ([\d.]+) or newer", "README.md") == (series,)
    assert found(r"^ansible-core==([\d.]+)$", "requirements/lowest.txt") == (lowest,)
    assert found(r"^ansible-core==([\d.]+)\.\d+; python_version <", "requirements/run.txt") == (series,)
    assert "lowest.txt" in text("dev.d/examples.sh")
    assert 'Stage("examples"' in text("dev.d/test.py")


def test_the_controllers_lowest_python():
    (lowest,) = found(r"\((3\.\d+) or newer\)", "README.md")
    assert found(r"sys\.version_info < \((\d), (\d+)\)", "dev.d/setup.sh") == tuple(lowest.split("."))


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("README.md", r"Targets need Python ([\d.]+) or newer"),
        ("README.md", r"Python ([\d.]+) to"),
        ("CONTRIBUTING.md", r"runs on Python ([\d.]+)"),
        ("tests/config.yml", r'python_requires: ">=([\d.]+)"'),
        ("pyproject.toml", r'^python_version = "([\d.]+)"$'),
        ("dev.d/test.py", r'"unit ([\d.]+)", "unit tests on the lowest'),
        ("dev.d/unit.sh", r"^pythons='([\d.]+) "),
    ],
)
def test_the_targets_lowest_python(path, pattern):
    assert found(pattern, path) == ("3.9",)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("README.md", r"Python [\d.]+ to ([\d.]+)"),
        ("dev.d/test.py", r'"unit ([\d.]+)", "unit tests on the newest'),
        ("dev.d/unit.sh", r"^pythons='[\d.]+ ([\d.]+) "),
    ],
)
def test_the_targets_newest_python(path, pattern):
    assert found(pattern, path) == ("3.14",)
