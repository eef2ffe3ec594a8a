# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real filesystems on loop devices."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

MAKERS: dict[str, tuple[list[str], int]] = {  # command and size in MiB; sparse
    "ext4": (["mke2fs", "-q", "-F", "-t", "ext4"], 32),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], 128),
}


@pytest.fixture
def loop_filesystem(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[..., Path]]:
    """Give a function that makes a filesystem, mounts it and returns where; all is gone after the test.

    loop_filesystem(kind, *arguments of its mkfs, options=mount options)
    """
    mounted: list[Path] = []

    def make(kind: str, *arguments: str, options: str = "rw") -> Path:
        command, size = MAKERS[kind]
        if shutil.which(command[0]) is None:
            pytest.skip(f"needs {command[0]}")
        base = tmp_path_factory.mktemp(kind)
        image, mount_point = base / "image", base / "mounted"
        with open(image, "wb") as file:
            file.truncate(size << 20)
        mount_point.mkdir()
        subprocess.run([*command, *arguments, image], check=True, capture_output=True)
        _mount(kind, options, image, mount_point, plain=not arguments and options == "rw")
        mounted.append(mount_point)
        return mount_point

    yield make
    for mount_point in reversed(mounted):
        subprocess.run(["umount", "--recursive", mount_point], check=True)
        (mount_point.parent / "image").unlink()


def _mount(kind: str, options: str, image: Path, mount_point: Path, *, plain: bool) -> None:
    """Mount an image. Skips the test where the kernel lacks the filesystem, or a feature asked for unless *plain*."""
    command = ["mount", "-t", kind, "-o", f"loop,{options}", str(image), str(mount_point)]
    for _attempt in range(5):  # another process may have got the same loop device: there is one list of them for all
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return
    if not plain or kind not in Path("/proc/filesystems").read_text(encoding="ascii").split():
        why = run.stderr.strip().rpartition(f"{mount_point}: ")[2].partition(",")[0]  # without names that differ
        pytest.skip(f"cannot mount {kind} with {options} here: {why}")
    pytest.fail(f"cannot mount {kind}: {run.stderr.strip()}")
