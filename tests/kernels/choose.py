# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: select the tests of the kernel with a filesystem of their own, and some of the other kernel tests.

All tests would take hours under QEMU's translation. STRATA_SAMPLE: how many of the others, or "all"; STRATA_CRASH:
the seed that chooses them. A test that asks the kernel nothing gives the same result on every kernel, and is left out.
"""

from __future__ import annotations

import os
import random

import pytest

FIXTURE = "loop_filesystem"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ["STRATA_SAMPLE"] == "all":
        return
    mounting = [item for item in items if FIXTURE in getattr(item, "fixturenames", ())]
    rest = [item for item in items if item not in mounting and item.get_closest_marker("root") is not None]
    count = min(len(rest), int(os.environ["STRATA_SAMPLE"]))
    chosen = set(mounting) | set(random.Random(os.environ["STRATA_CRASH"]).sample(rest, count))
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]
