# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A removal of orphans from containerd's store that is killed at a step, or whose step fails: the next run ends it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_prune
from ansible_collections.strata.overlay2.tests import containerd_records as records
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash import tracing
from ansible_collections.strata.overlay2.tests.crash.sampling import sample

FAULTS = (tracing.KILL, "EIO", "ENOSPC")

pytestmark = pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")


def make(home: Path) -> None:
    """Make a store anew, with one snapshot and two orphans."""
    shutil.rmtree(home.parent, ignore_errors=True)
    space = records.namespace(snapshots={"base": records.snapshot("default/1/base")})
    records.make_root(
        home.parent, records.metadata(default=space), {"default/1/base": records.record(1)}, ["1", "7", "new-123"]
    )
    for name in ("1", "7"):
        (home / "snapshots" / name / "fs").mkdir()
        (home / "snapshots" / name / "fs/file").write_bytes(b"x" * 10_000)


def names(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


def test_interrupted_at_any_step(tmp_path: Path) -> None:
    home = tmp_path / "root" / records.OVERLAYFS
    params = {"home": str(home), "orphans_only": True, "foreign": "remove"}
    make(home)
    old = names(home)
    steps = tracing.record(overlay2_prune.main, params, home)
    new = names(home)
    assert new == {"metadata.db", "snapshots", "snapshots/1", "snapshots/1/fs", "snapshots/1/fs/file"}
    for step, fault in sample([(step, fault) for step in steps for fault in FAULTS], "snapshots", 12):
        make(home)
        outcome = tracing.interrupt(overlay2_prune.main, params, step, fault)
        assert outcome.hit
        left = names(home)
        assert new <= left
        assert {name for name in left if not name.startswith(".staging-")} <= old
        databases = (home / "metadata.db", home.parent / records.META)
        before = [path.read_bytes() for path in databases]
        found = modules.run_module(overlay2_prune.main, params)
        assert found is not None and not found.get("failed"), found
        assert names(home) == new, f"{fault} at {step}"
        assert [path.read_bytes() for path in databases] == before
        again = modules.run_module(overlay2_prune.main, params)
        assert again is not None and not again["changed"]
