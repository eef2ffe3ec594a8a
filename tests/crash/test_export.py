# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is killed, or fails, at each step of writing an image to a file: the file is the old one or the new one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests.crash import snapshot, tracing
from ansible_collections.strata.overlay2.tests.crash.cases import STORE, image, make_tars
from ansible_collections.strata.overlay2.tests.crash.sampling import sample

pytestmark = pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")

OLD = b"old" * 50_000
FAULTS = ("ENOSPC", "EIO", tracing.KILL)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_file_is_the_old_one_or_the_new_one(tmp_path: Path, compression: str) -> None:
    home, dest = tmp_path / "home", tmp_path / "to/out.tar"
    make_tars(tmp_path)
    for call in (STORE, image(src="image.tar")):
        call.run(home)
    dest.parent.mkdir()
    export = image(state="exported", image="app:1", dest="to/out.tar", compression=compression)
    dest.write_bytes(OLD)
    steps = tracing.record(export.main, export.at(home), tmp_path)
    new, store = dest.read_bytes(), snapshot.take(home)
    assert new != OLD and steps
    for step, fault in sample([(step, fault) for step in steps for fault in FAULTS], compression, 12):
        dest.write_bytes(OLD)
        outcome = tracing.interrupt(export.main, export.at(home), step, fault)
        where = f"{fault} at {step}"
        assert outcome.hit, where
        found = dest.read_bytes()
        assert found in (OLD, new), where
        if outcome.result and not outcome.result.get("failed"):
            assert found == new, where
        snapshot.assert_same(snapshot.take(home), store)
        export.run(home)
        assert dest.read_bytes() == new, where
        assert not export.run(home)["changed"]
