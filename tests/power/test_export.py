# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power is cut while a layer is exported: the destination is the old file or the new, and new after the return."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Call
from ansible_collections.strata.overlay2.tests.power import recorder, syncs
from ansible_collections.strata.overlay2.tests.power.bench import Bench
from ansible_collections.strata.overlay2.tests.power.choosing import choose
from ansible_collections.strata.overlay2.tests.power.cutting import Recording, prepared, record
from ansible_collections.strata.overlay2.tests.power.devices import MAKERS, Image
from ansible_collections.strata.overlay2.tests.power.levels import LEVEL
from ansible_collections.strata.overlay2.tests.power.states import State

pytestmark = pytest.mark.skipif(recorder.why_not() is not None, reason=recorder.why_not() or "")

OLD = b"old" * 50_000


class Export:
    """The export of a layer to a file, on a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.dest = bench.area / "exported.tar"
        self.home = bench.area / "home"
        self._call = Call("diff", {"id": "lone", "state": "exported", "dest": self.dest.name})

    def record(self, image: Image, spoil: t.Callable[[], object]) -> Recording:
        """Export over an old file on a recorded device."""

        def run() -> dict[str, t.Any] | None:
            return modules.run_module(self._call.main, self._call.at(self.home), spoil)

        return record(self.bench, image, lambda: self.dest.write_bytes(OLD), run)

    def exported(self, image: Image) -> bytes:
        """Return what an undisturbed export writes."""
        with self.bench.mounted(image):
            self._call.run(self.home)
            return self.dest.read_bytes()

    def why_wrong(self, recording: Recording, state: State, new: bytes) -> str:
        """Return what is wrong in a state, "" if all is right."""
        with self.bench.mounted(recording.image(state)):
            found = self.dest.read_bytes()
            if found != new and (found != OLD or recording.is_done(state)):
                return f"{state}: a file of {len(found)} bytes, of which {found.count(0)} are 0"
            self._call.run(self.home)
            if self.dest.read_bytes() != new:
                return f"{state}: the next export wrote something else"
        return ""


def export(tmp_path: Path, kind: str, spoil: t.Callable[[], object] = lambda: None) -> list[str]:
    """Export, and return what is wrong in the states that a cut can leave."""
    filled = next(case for case in CASES if case.name == "replace content")
    with Bench(tmp_path, kind).opened() as bench:
        _stage, image = prepared(bench, filled)
        play = Export(bench)
        new = play.exported(image)
        recording = play.record(image, spoil)
        assert recording.result is not None and recording.result["changed"], recording.result
        chosen = choose(recording, LEVEL.kept, f"export {kind}")
        return [why for state in chosen if (why := play.why_wrong(recording, state, new))]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_power_cut_leaves_the_old_or_the_new_export(tmp_path: Path, kind: str) -> None:
    failures = export(tmp_path, kind)
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("kind", MAKERS)
def test_an_export_without_syncs_is_found(tmp_path: Path, kind: str) -> None:
    assert export(tmp_path, kind, syncs.leave_out(*syncs.KINDS))
