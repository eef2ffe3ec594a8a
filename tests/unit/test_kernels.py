# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dev.d/kernels.py, which evaluates the results of ./dev kernels."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "dev.d/kernels.py"
ROW = {"Linux": "6.1", "Python": "3.11", "index": "yes, off by default"}
JUNIT = "<testsuites><testsuite>{}</testsuite></testsuites>"
PASSED = '<testcase classname="a" name="good"/>'
FAILED = '<testcase classname="a" name="bad"><failure message="no"/></testcase>'
SKIPPED = '<testcase classname="a" name="left out"><skipped message="{}"/></testcase>'


def load() -> t.Any:
    spec = importlib.util.spec_from_file_location("kernels", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kernels = load()


def test_a_page_is_read_as_it_was_written():
    rows = {"bookworm": ROW, "trixie": {**ROW, "Linux": "6.12"}}
    assert kernels.parse(kernels.page(rows)) == rows


def test_a_row_replaces_its_own_alone_and_the_order_is_that_of_the_kernels():
    text = ""
    for suite, linux in (("trixie", "6.12"), ("bullseye", "5.10"), ("trixie", "6.13")):
        text = kernels.with_row(text, suite, {**ROW, "Linux": linux})
    assert list(kernels.parse(text).items()) == [
        ("bullseye", {**ROW, "Linux": "5.10"}),
        ("trixie", {**ROW, "Linux": "6.13"}),
    ]


def test_rows_with_other_columns_are_dropped():
    text = kernels.with_row("", "bullseye", {"Linux": "5.10"})
    assert list(kernels.parse(kernels.with_row(text, "trixie", ROW))) == ["trixie"]


def run(tmp_path: Path, row: dict[str, str] | None, *cases: str) -> t.Any:
    """Return how the program ends, and what it says."""
    (tmp_path / "unit.xml").write_text(JUNIT.format("".join(cases)))
    if row is not None:
        (tmp_path / "kernel.json").write_text(json.dumps(row))
    words = ["bookworm", tmp_path, tmp_path / "page.md", tmp_path / "note"]
    return subprocess.run([sys.executable, PROGRAM, *words], capture_output=True, text=True, check=False)


def test_what_passed_is_said_with_its_kernel(tmp_path: Path):
    done = run(tmp_path, ROW, PASSED, PASSED)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "note").read_text().startswith("bookworm, Linux 6.1, Python 3.11")
    assert "2 passed, 0 failed, 0 skipped" in (tmp_path / "note").read_text()
    assert kernels.parse((tmp_path / "page.md").read_text()) == {"bookworm": ROW}


@pytest.mark.parametrize(
    ("cases", "row", "says"),
    [
        pytest.param([PASSED, FAILED], ROW, "failed: a.bad", id="a test failed"),
        pytest.param([PASSED, SKIPPED.format("cannot mount xfs")], ROW, "must not be", id="a test was skipped"),
        pytest.param([PASSED], {**ROW, "Linux": "6.12"}, "kernel is 6.12, not 6.1", id="another kernel"),
        pytest.param([PASSED], None, "returned no facts about its kernel", id="no probe"),
        pytest.param([], ROW, "no test was run", id="no test"),
    ],
)
def test_what_proves_nothing_fails(tmp_path: Path, cases: list[str], row: dict[str, str] | None, says: str):
    done = run(tmp_path, row, *cases)
    assert done.returncode == 1
    assert says in done.stderr


def test_what_depends_on_the_kernel_may_be_skipped(tmp_path: Path):
    done = run(tmp_path, ROW, PASSED, SKIPPED.format("no module has a parameter that is N"))
    assert done.returncode == 0, done.stderr
