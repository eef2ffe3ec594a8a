# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filesystem that fails in the middle of a run: the power is lost, or the filesystem turns read-only.

Lost power: the filesystem is shut down without writing its log, and mounted again, which replays what had reached the
disk. So, unlike a kill, this tests durability: a change that a run reports as done must be there.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.tests.crash import tracing
from ansible_collections.strata.overlay2.tests.crash.cases import CASES, STORE, Case
from ansible_collections.strata.overlay2.tests.crash.playing import FACTS, Stage
from ansible_collections.strata.overlay2.tests.crash.sampling import sample
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils import conftest

# include/uapi/linux/ext4.h, fs/xfs/libxfs/xfs_fs.h: both have the same
SHUTDOWN = 0x8004587D
WITHOUT_LOG = 2

loop_filesystem = conftest.loop_filesystem  # the fixture

LASTING = [case for case in CASES if not any(call.module == "mount" for call in (*case.before, case.call))]

pytestmark = pytest.mark.skipif(tracing.why_not() is not None, reason=tracing.why_not() or "")


def lose_power(mount_point: Path) -> None:
    fd = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("=I", WITHOUT_LOG))
    finally:
        os.close(fd)


def turn_read_only(mount_point: Path) -> None:
    """Let ext4 find an error, so that it turns read-only."""
    device = subprocess.run(["findmnt", "-no", "SOURCE", mount_point], capture_output=True, text=True, check=True)
    Path(f"/sys/fs/ext4/{os.path.basename(device.stdout.strip())}/trigger_fs_error").write_text("tests/crash")
    with pytest.raises(OSError):  # newer kernels do not show it in any other way
        (mount_point / "written").touch()


def mount_again(mount_point: Path, kind: str) -> None:
    image = mount_point.parent / "image"
    subprocess.run(["umount", mount_point], check=True)
    if kind == "ext4":
        fsck = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True, check=False)
        assert fsck.returncode in (0, 1), fsck.stdout
    subprocess.run(
        ["mount", "-t", kind, "-o", "loop,errors=remount-ro" if kind == "ext4" else "loop", image, mount_point],
        check=True,
    )


@pytest.mark.parametrize(
    ("kind", "fail", "case"),
    [
        pytest.param(kind, fail, case, id=f"{kind} {fail.__name__} {case.name}")
        for kind, fail in (("ext4", lose_power), ("xfs", lose_power), ("ext4", turn_read_only))
        for case in sample(LASTING, f"{kind} {fail.__name__}", 2)
    ],
)
def test_cut_off(loop_filesystem: t.Callable[..., Path], kind: str, fail: t.Callable[[Path], None], case: Case) -> None:
    mount_point = loop_filesystem(kind)
    stage = Stage(mount_point, case)
    stage.make()
    steps = [step for step in tracing.record(case.call.main, case.call.at(stage.home), stage.home) if step.own]
    failures = []
    for step in sample(steps, f"{kind} {fail.__name__} {case.name}", 3):
        stage.make()
        mount_again(mount_point, kind)  # with all on disk
        STORE.run(mount_point / "other")  # looks what this device can do
        result = tracing.pause(case.call.main, case.call.at(stage.home), step, lambda: fail(mount_point))
        try:
            if fail is turn_read_only and (stage.home / "l").exists():
                FACTS.run(stage.home)
            mount_again(mount_point, kind)
            stage.check_cut_off(result)
            stage.finish()
        except AssertionError as error:
            failures.append(f"{step}\n{error}".replace(str(mount_point), ""))
    assert not failures, f"{len(failures)} of {len(steps)}:\n" + "\n\n".join(failures)
