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
    assert "core lowest " in text("dev.d/examples.sh")
    assert 'Stage("examples"' in text("dev.d/test.py")


def test_the_newest_ansible_core():
    newest = found(r"^ansible-core==([\d.]+)$", "requirements/newest.txt")
    assert found(r"^ansible-core==([\d.]+); python_version >=", "requirements/run.txt") == newest
    assert "core newest " in text("dev.d/examples.sh")


def test_the_controllers_lowest_python():
    """ansible-core 2.16 needs Python 3.10. The checkout takes the newest ansible-core, and so a newer Python."""
    assert found(r"\((3\.\d+) or newer\)", "README.md") == ("3.10",)
    assert found(r"sys\.version_info < \(3, (\d+)\)", "dev.d/setup.sh") == ("11",)
    assert found(r"needs Python (3\.\d+) or newer, which", "dev.d/setup.sh") == ("3.11",)


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
