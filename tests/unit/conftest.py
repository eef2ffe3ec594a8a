# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit tests run on targets' Pythons, which have no Ansible, and on the controller's, which has it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import hypothesis
import pytest

# Tests that import Ansible, or what Ansible brings along.
NEED_ANSIBLE = [
    *("plugins/action", "plugins/lookup", "plugins/modules", "plugins/module_utils/_module"),
    "test_documented_twice.py",  # it reads YAML
    "test_image_laws.py",
]

HAS_ANSIBLE = importlib.util.find_spec("ansible") is not None

collect_ignore = [] if HAS_ANSIBLE else NEED_ANSIBLE

# A slow machine is no failure, and CI gives the same answer twice.
hypothesis.settings.register_profile(
    "strata",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # a busy machine is no finding
)
hypothesis.settings.load_profile("strata")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what targets' Pythons run, if ./dev unit ansible asks for the rest."""
    if os.environ.get("STRATA_UNIT") != "ansible":
        return
    here = Path(__file__).parent
    needing = {item for item in items if item.path.relative_to(here).as_posix().startswith(tuple(NEED_ANSIBLE))}
    config.hook.pytest_deselected(items=[item for item in items if item not in needing])
    items[:] = [item for item in items if item in needing]


def pytest_report_header() -> list[str]:
    return [] if HAS_ANSIBLE else [f"no Ansible on this Python, so not collected: {', '.join(NEED_ANSIBLE)}"]
