# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store must be after a power cut."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._store.layout import DIFF, HOLDERS, VOLATILE_MARKER, WORK
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash import snapshot
from ansible_collections.strata.overlay2.tests.crash.cases import Case
from ansible_collections.strata.overlay2.tests.crash.playing import LITTER, Stage, unmount_below

STAYS = {"dead_holder", "stale_volatile"}  # what health may find until the layer is mounted again
WRITTEN = "written"  # a file that is written through a volatile mount, unsynced


class PowerStage(Stage):
    """As Stage, for what outlives a power cut. later: the store after an undisturbed run that follows a boot."""

    def __init__(self, area: Path, case: Case, boot: t.Callable[[], object]) -> None:
        super().__init__(area, case)
        self.make()
        unmount_below(self.home)
        boot()
        self.next_run()
        self.later = self.take()

    def make(self) -> None:
        """Restore the store before the run, with what was written through a volatile mount."""
        super().make()
        self.write()

    def write(self) -> None:
        """Write through each volatile mount, unsynced."""
        for call in self.case.before:
            if call.module == "mount" and call.params.get("volatile"):
                (self.home / call.params["id"] / "merged" / WRITTEN).write_bytes(b"z" * 50_000)

    def compare(self, *, done: bool, again: bool = False) -> None:
        """Fail unless the store is the old or the new, or is the new if *done*; and unless it is whole.

        again: the run was one after a cut. The cut may have left the marker of a volatile mount, which only the user
               may have removed.
        """
        found = self.take()
        loose = volatile(found)
        was, old, new = (lasting(each, loose) for each in (found, self.old, self.later if again else self.new))
        if done:
            snapshot.assert_same(was._replace(litter=[]), new)
            assert again or loose <= volatile(self.new), f"the marker of volatile layers is still there: {loose}"
        else:
            snapshot.assert_between(was, old, new)
        self.assert_healthy(LITTER, done=done)

    def next_run(self) -> dict[str, t.Any] | None:
        """Run the case again, after a cut."""
        call = self.case.call
        params = call.at(self.home)
        if call.module == "mount" and volatile(self.take()):
            refused = modules.run_module(call.main, params)  # content may be lost: the user must say that it may be
            if refused is not None and refused.get("failed"):
                assert refused["error"] == "store_corrupt" and "force" in refused["hint"], refused
                params["force"] = True
        result = modules.run_module(call.main, params)
        assert result is not None and not result.get("failed"), result
        return result

    def finish(self) -> None:
        """Let the next run go to its end; fail unless the store is the new one, and clean."""
        self.next_run()
        self.compare(done=True, again=True)
        found = self.take()
        if not self.case.call.params.get("merge"):
            again = self.case.call.run(self.home)
            assert not again["changed"], again
        if self.home.exists():
            self.sweep(found)
            assert self.take().litter == []
            self.compare(done=True, again=True)
            self.assert_healthy(STAYS)


def lasting(found: snapshot.Snapshot, loose: t.Container[str]) -> snapshot.Snapshot:
    """Return what a power cut must leave: no mounts and what they need, and of *loose* layers no content."""

    def stays(path: str) -> bool:
        layer, _slash, rest = path.partition("/")
        return not (
            path.startswith("mount ")
            or rest == HOLDERS
            or (rest.startswith(f"{WORK}/") and rest != f"{WORK}/")
            or (layer in loose and rest.startswith(f"{DIFF}/"))
        )

    return found._replace(entries={path: entry for path, entry in found.entries.items() if stays(path)})


def volatile(found: snapshot.Snapshot) -> set[str]:
    """Return the layers with the kernel's marker of a volatile mount."""
    return {path.partition("/")[0] for path in found.entries if path.partition("/")[2] == f"{VOLATILE_MARKER}/"}
