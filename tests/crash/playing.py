# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play one case again and again; check the store after the failed run, and after the next run."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo
from ansible_collections.strata.overlay2.tests.crash import snapshot, tracing
from ansible_collections.strata.overlay2.tests.crash.cases import STORE, Call, Case, layer, make_tars

# Findings of health after a failed run: the next run sweeps or repairs each of them.
LITTER = {"dangling_link", "staging_leftover", "dead_holder", "unsealed_parent", "stale_volatile"}
FACTS = Call("facts", {"gather_subset": ["layers", "health"]})


class Stage:
    """The store of a case in *area*, made anew for each run.

    old, new: the store before and after an undisturbed run; result: the result of that run.
    damaged:  the subjects of what health finds before the run. One damage of a layer can hide another one.
    """

    def __init__(self, area: Path, case: Case) -> None:
        self.case = case
        self.home = area / "home"
        self._template = area / "template"
        make_tars(area)
        STORE.run(area / "other")  # from now on it is known what the filesystem can do
        for call in case.before:
            if call.module != "mount":
                call.run(self._template)
        self.make()
        self.old = self.take()
        self.damaged = {finding["subject"] for finding in self.health()}
        self.result = case.call.run(self.home)
        self.new = self.take()
        assert self.old != self.new and not self.new.litter

    def make(self) -> None:
        """Restore the store before the run."""
        self.restore()
        self.mount()

    def restore(self) -> None:
        """Restore the files of the store before the run."""
        unmount_below(self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        if self._template.exists():
            subprocess.run(["cp", "-a", self._template, self.home], check=True)

    def mount(self) -> None:
        """Mount what is mounted before the run."""
        for call in self.case.before:
            if call.module == "mount":
                call.run(self.home)

    def take(self) -> snapshot.Snapshot:
        """Return a snapshot of the whole case."""
        return snapshot.take(self.home)

    def check(
        self, result: dict[str, t.Any] | None, code: str, *, certain: bool = True, removing: bool = False
    ) -> None:
        """Fail unless the store is as *result* says; after a kill, which is None, it may be the old or the new.

        code:     of the error, if it is one.
        certain:  False after a failed sync: the state on disk is unknown, so both are allowed.
        removing: a removal failed, so its file may still be there.
        """
        found = self.take()
        if result is None:
            snapshot.assert_between(found, self.old, self.new)
            return
        if not result.get("failed"):
            # Litter is told by a warning; with the controller's code in the process, that goes to its display.
            snapshot.assert_same(found._replace(litter=[]), self.new)
            return
        assert_told(result, code)
        done = result["actions"]
        assert done == self.result["actions"][: len(done)] and result["changed"] == bool(done)
        if done or not certain:
            snapshot.assert_between(found, self.old, self.new)
        else:
            snapshot.assert_same(found._replace(litter=self.old.litter) if removing else found, self.old)

    def check_true(self, result: dict[str, t.Any] | None, code: str) -> None:
        """Fail unless the store is consistent after a lasting error, even if the run could undo nothing.

        code: of the error, if the run reports one.
        """
        found = self.take()
        assert result is not None
        if not result.get("failed"):
            snapshot.assert_same(found._replace(litter=[]), self.new)
            return
        assert_told(result, code)
        snapshot.assert_between(found, self.old, self.new)
        snapshot.assert_records_true(found, self.old, self.new)
        self.assert_healthy(LITTER, done=False)

    def assert_healthy(self, allowed: t.AbstractSet[str] = frozenset(), *, done: bool = True) -> None:
        """Fail if health finds anything but the codes *allowed*, and unless *done* in what was damaged before."""
        found = [finding for finding in self.health() if finding["code"] not in allowed]
        assert not [finding for finding in found if done or finding["subject"] not in self.damaged], found

    def health(self) -> list[dict[str, t.Any]]:
        """Return what health finds; nothing where nothing is."""
        if not self.home.exists():
            return []
        found: list[dict[str, t.Any]] = FACTS.run(self.home)["ansible_facts"]["overlay2"].get("health", [])
        return found

    def check_cut_off(self, result: dict[str, t.Any] | None) -> None:
        """Fail unless the store fits a run whose filesystem failed: complete, if the run reports success."""
        found = self.take()
        if result is None or result.get("failed"):
            if result is not None:
                assert_told(result, "os_error")
            snapshot.assert_between(found, self.old, self.new)
        else:
            snapshot.assert_same(found._replace(litter=[]), self.new)

    def finish(self) -> None:
        """Run the case again, undisturbed; fail unless the store is the new one."""
        self.case.call.run(self.home)
        found = self.take()
        snapshot.assert_same(found._replace(litter=[]), self.new)
        assert self.case.call.params.get("merge") or not self.case.call.run(self.home)["changed"]
        if self.home.exists():
            self.sweep(found)
            snapshot.assert_same(self.take(), self.new)
            self.assert_healthy()

    def sweep(self, found: snapshot.Snapshot) -> None:
        """Sweep the leftovers of killed runs in the store *found*."""
        if found.litter:  # the next run that makes, fills or removes a layer sweeps it
            layer(id="sweeper").run(self.home)
            layer(id="sweeper", state="absent").run(self.home)


def means_full(step: tracing.Step, fault: str) -> bool:
    """Tell whether the *fault* means that the filesystem is full, if it is ENOSPC.

    ext4 also returns ENOSPC if an xattr of the archive does not fit into the inode and its block. The module tells
    both apart by the free space, which these filesystems have.
    """
    return fault != "ENOSPC" or "setxattr" not in step.name or '"user.' not in step.text


def assert_told(result: dict[str, t.Any], code: str) -> None:
    """Fail unless the result of a failed run names the subject, the place, the cause and the cure."""
    assert result["error"] == code and result["hint"], result
    subject = result["id"] if "size_limit" in result else result["path"]  # of a layer that is full: its id
    assert subject in result["msg"] and ("id" in result or subject.startswith("/")), result


def unmount_below(directory: Path) -> None:
    """Unmount all mounts below *directory*."""
    for mount in reversed(mountinfo.read()):
        if mount.mount_point.startswith(f"{directory}/"):
            subprocess.run(["umount", mount.mount_point], check=True)
