# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that the kernel cannot read or stat affects only its own layer or leftover. Messages have its path."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_facts,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
    overlay2_prune,
)
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash import tracing

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(tracing.why_not()), reason=str(tracing.why_not()))]

STAT, OPEN, LIST, LINK = "newfstatat,fstatat64,statx,lstat", "open,openat,openat2", "getdents64", "readlink,readlinkat"
LEFT = ".staging/0123456789abcdef"
# What cannot be read, from home, and by which calls. j is the layer that it is about.
SPOTS = [
    ("j", OPEN),
    ("j/diff", OPEN),
    ("j/diff", STAT),
    ("j/diff", LIST),
    ("j/diff/deep", OPEN),
    ("j/diff/deep", LIST),
    ("j/diff/deep", STAT),
    ("j/link", OPEN),
    ("j/link", STAT),
    ("j/link", "read"),
    ("j/.strata.json", OPEN),
    ("j/.strata.json", STAT),
    ("j/.strata-holders", OPEN),
    ("j/committed", STAT),
    (LEFT, OPEN),
    (LEFT, LIST),
    (LEFT, STAT),
    (f"{LEFT}/gone", LIST),
    (f"{LEFT}/gone", OPEN),
    ("l/NAME", LINK),
    ("j/.staging", OPEN),
    ("j/.staging", LIST),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with b, on it j, which is held, and k; and a leftover."""
    home = tmp_path / "store"
    chain = [{"id": "b"}, {"id": "j", "parent": "b", "read_write": True}, {"id": "k", "parent": "b"}]
    run(overlay2_init, home)
    run(overlay2_layer, home, layers=chain)
    run(overlay2_mount, home, id="j", holder="somebody")
    run(overlay2_mount, home, id="j", holder="another")
    run(overlay2_mount, home, id="j", holder="somebody", state="unmounted")
    run(overlay2_mount, home, id="j", holder="another", state="unmounted")
    (home / "j/.strata-holders").write_text("{}")
    (home / "j/diff/deep").mkdir()
    (home / "j/diff/deep/file").write_text("x" * 5000)
    (home / "j/.staging/0123456789abcdef/diff").mkdir(parents=True)
    (home / LEFT / "gone/diff").mkdir(parents=True)
    (home / LEFT / "gone/diff/file").write_text("x" * 5000)
    return home


def run(module: t.Any, home: Path, **params: t.Any) -> dict[str, t.Any]:
    result = modules.run_module(module.main, {"home": str(home), **params})
    assert result is not None and not result.get("failed"), result
    return result


def spoiled(module: t.Any, home: Path, where: str, calls: str, error: str, **params: t.Any) -> tuple[t.Any, bool]:
    name = os.path.join(home, where.replace("NAME", (home / "j/link").read_text()))
    outcome = tracing.spoil(module.main, {"home": str(home), **params}, name, calls, error)
    return outcome.result, bool(outcome.hit)


@pytest.mark.parametrize("error", ["EIO", "EUCLEAN", "ESTALE"])
@pytest.mark.parametrize(("where", "calls"), SPOTS)
def test_one_file_that_cannot_be_read_stops_nothing_else(home, where, calls, error):
    told, hit = spoiled(
        overlay2_facts, home, where, calls, error, gather_subset=["layers", "mounts", "usage", "summary", "quotas"]
    )
    assert not told.get("failed"), told
    found = told["ansible_facts"]["overlay2"]
    assert {"b", "k"} <= {*found["layers"]} and {"b", "k"} <= {*found["usage"]}
    assert None not in {**found["usage"]["b"], **found["usage"]["k"]}.values()
    if hit and where.startswith("j/diff"):
        assert found["usage"]["j"] == {"bytes": None, "apparent_bytes": None, "inodes": None}
        assert any(f"{home}/j/diff" in problem["message"] for problem in found["problems"])

    told, hit = spoiled(overlay2_facts, home, where, calls, error, gather_subset=["health"])
    assert not told.get("failed"), told

    plan, _hit = spoiled(overlay2_prune, home, where, calls, error, match=["k", "j"], _ansible_check_mode=True)
    assert not plan.get("failed"), plan
    assert "remove layer k" in plan["actions"]
    done, hit = spoiled(overlay2_prune, home, where, calls, error, match=["k", "j"])
    assert not done.get("failed"), done
    assert done["actions"] == plan["actions"] and not (home / "k").exists()
    if hit and not where.startswith((".staging", "j/.staging")) and where != "j/committed":
        (layer,) = [layer for layer in done["layers"] if layer["id"] == "j"]
        assert layer["decision"] == "keep", layer
        assert (str(home) if where != "l/NAME" else "l/") in layer["reason"]
    elif hit and where.startswith(LEFT):
        assert [found["code"] for found in done["litter"] if found["path"] == str(home / LEFT)]


@pytest.mark.parametrize(("where", "calls"), SPOTS)
def test_it_does_not_stop_the_removal_of_another_layer(home, where, calls):
    told, _hit = spoiled(overlay2_layer, home, where, calls, "EIO", id="k", state="absent")
    assert not told.get("failed"), told
    assert not (home / "k").exists()
