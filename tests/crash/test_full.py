# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A really full filesystem: a run fails as the contract says, and a run that removes something succeeds.

Each run gets a little more space than the run before, until the space is enough. So space runs out at each step once.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests import modules
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, Case
from ansible_collections.strata.overlay2.tests.crash.playing import Stage
from ansible_collections.strata.overlay2.tests.crash.sampling import SEED, sample
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils import conftest

loop_filesystem = conftest.loop_filesystem  # the fixture

GIVES_SPACE = {"remove a store", "unmount a store", "remove a chain", "remove a mounted layer", "unmount"}


class Filler:
    """Takes all the space of a filesystem, or all its inodes, and gives some back."""

    def __init__(self, mount_point: Path) -> None:
        self._file = mount_point / "filler"
        self._many = mount_point / "fillers"
        self._block = os.statvfs(mount_point).f_bsize

    def leave_blocks(self, count: int) -> None:
        """Fill the filesystem but for *count* blocks."""
        size = 0
        step = 1 << 30
        with open(self._file, "wb") as file:
            while step >= self._block:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    file.truncate(size)
                    step //= 2
            file.truncate(max(0, size - count * self._block))

    def leave_inodes(self, count: int) -> None:
        """Use all inodes but *count*."""
        self._many.mkdir()
        made = 0
        with contextlib.suppress(OSError):
            while True:
                (self._many / str(made)).touch()
                made += 1
        for number in range(max(0, made - count), made):
            (self._many / str(number)).unlink()

    def free(self) -> None:
        """Give all back."""
        self._file.unlink(missing_ok=True)
        if self._many.exists():
            for path in self._many.iterdir():
                path.unlink()
            self._many.rmdir()


def play(stage: Stage, fill: t.Callable[[int], None], filler: Filler, count: int) -> bool:
    """Run with space for *count*; tell whether that was enough."""
    stage.make()
    fill(count)
    result = modules.run_module(stage.case.call.main, stage.case.call.at(stage.home))
    filler.free()
    assert result is not None
    stage.check(result, "no_space")
    stage.finish()
    return not result.get("failed")


def counts() -> t.Iterator[int]:
    """Yield 0, 1, 2 and so on, in ever greater steps."""
    count = 0
    while count < 1000:
        yield count
        count += 1 + count // (8 if SEED == "full" else 2)


@pytest.mark.parametrize(
    ("kind", "what", "case"),
    [
        pytest.param(kind, what, case, id=f"{kind} {what} {case.name}")
        for kind, what in (("ext4", "blocks"), ("ext4", "inodes"), ("xfs", "blocks"))
        for case in sample(CASES, f"{kind} {what}", 2)
    ],
)
def test_full(loop_filesystem: t.Callable[..., Path], kind: str, what: str, case: Case) -> None:
    arguments = {"ext4": ["-m", "0", "-N", "256"], "xfs": []}[kind]
    mount_point = loop_filesystem(kind, *arguments)
    stage = Stage(mount_point, case)
    filler = Filler(mount_point)
    fill = filler.leave_blocks if what == "blocks" else filler.leave_inodes
    for count in counts():
        if play(stage, fill, filler, count):
            break
    else:
        pytest.fail("there was never enough space")
    if case.name in GIVES_SPACE:
        assert count == 0
