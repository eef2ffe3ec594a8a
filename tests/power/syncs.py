# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand between a module and its syncs, in its process: leave some out, or do something before one."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.strata.overlay2.plugins.module_utils._linux.libc import libc

FILESYSTEM, FILE, DIRECTORY = KINDS = ("filesystem", "file", "directory")


def watch(before: t.Callable[[str], bool]) -> None:
    """From now on, call *before* with the kind of each sync; it tells whether the sync happens at all."""
    fsync, fdatasync, syncfs = os.fsync, os.fdatasync, libc.syncfs

    def kind(file: t.Any) -> str:
        return DIRECTORY if stat.S_ISDIR(os.fstat(file).st_mode) else FILE

    def watched_fsync(file: t.Any) -> None:
        if before(kind(file)):
            fsync(file)

    def watched_fdatasync(file: t.Any) -> None:
        if before(kind(file)):
            fdatasync(file)

    def watched_syncfs(fd: int) -> int:
        return t.cast("int", syncfs(fd)) if before(FILESYSTEM) else 0

    for owner, name, watched in (
        (os, "fsync", watched_fsync),
        (os, "fdatasync", watched_fdatasync),
        (libc, "syncfs", watched_syncfs),
    ):
        setattr(owner, name, watched)


def leave_out(*kinds: str, number: int = 0) -> t.Callable[[], None]:
    """Return what leaves out the syncs of *kinds* in a process that calls it. number: only this one, the first is 1."""
    done = 0

    def before(kind: str) -> bool:
        nonlocal done
        if kind not in kinds:
            return True
        done += 1
        return number not in (0, done)

    return lambda: watch(before)
