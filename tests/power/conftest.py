# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the tests, at the end of the output."""

from __future__ import annotations

import time
import typing as t

import pytest

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> t.Callable[[str], None]:
    """Give a function that adds a line to the figures: what was tried, after the name of the test and its seconds."""
    start = time.monotonic()

    def add(line: str) -> None:
        name = request.node.name.partition("[")[2].rstrip("]")
        figures = request.config.stash.setdefault(_FIGURES, [])
        figures.append(f"{name:<40} {time.monotonic() - start:6.1f} s  {line}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("power cuts")
        for line in figures:
            terminalreporter.write_line(line)
