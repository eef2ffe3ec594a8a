# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose KVM where it really works; otherwise QEMU translates."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import qemu

LIMIT = 30  # seconds for a kernel to boot under KVM, which usually takes two


def choose(image: Path) -> str:
    """Return "kvm" if the image's kernel boots under KVM, else "tcg". Tries once per image and boot of this host."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    answer = image / f"accelerator-{boot}"
    try:
        return answer.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    chosen = "kvm" if os.path.exists("/dev/kvm") and comes_up("kvm", image, LIMIT) else "tcg"
    new = answer.with_name(f"{answer.name}.new")
    new.write_text(chosen, encoding="ascii")
    new.rename(answer)
    return chosen


def comes_up(accelerator: str, image: Path, limit: float) -> bool:
    """Tell whether the image's kernel panics for lack of a root filesystem within *limit* seconds.

    An existing /dev/kvm can refuse a guest, or accept a guest that never runs.
    """
    with tempfile.TemporaryDirectory() as directory:
        argv = qemu.bare(accelerator, image / "vmlinuz", Path("/dev/null"), "root=/dev/none")
        argv = [word for word in argv if word not in ("-initrd", "/dev/null")]
        process = subprocess.Popen(
            argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # then it hangs in the kernel, and nobody can end it
                process.wait(5)
            return False
        console = Path(directory, "console.log")
        return process.returncode == 0 and b"Kernel panic" in console.read_bytes()
