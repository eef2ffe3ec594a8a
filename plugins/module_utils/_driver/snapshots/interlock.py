# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks of containerd's two databases. PRIVATE to the collection.

containerd holds both locks as long as it runs, and a containerd that starts waits for them without a limit of time. So
while a run has them, no containerd works on the data root.
"""

from __future__ import annotations

import contextlib
import os

from ..._containerd.look import META, SNAPSHOTTER, snapshotter_database
from ..._linux.noatime import open_quietly
from ..._linux.nofollow import open_below
from ..._store.lock import try_lock


def hold_databases(home: str, stack: contextlib.ExitStack) -> bool:
    """Take the locks of both databases for *stack*; tell whether they were free, and are taken.

    home: the directory of a snapshotter. raises: OSError.
    """
    root = open_quietly(os.path.dirname(home), os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.ExitStack() as ours:
            taken = not _lock(root, os.path.basename(home)[len(SNAPSHOTTER) :], ours)
            if taken:
                stack.enter_context(ours.pop_all())
    finally:
        os.close(root)
    return taken


def locked_by_others(root: int, snapshotter: str) -> str:
    """Return the path of a database that another process has locked, "" for none. Keeps no lock.

    root: the open data root. raises: OSError.
    """
    with contextlib.ExitStack() as stack:
        return _lock(root, snapshotter, stack)


def _lock(root: int, snapshotter: str, stack: contextlib.ExitStack) -> str:
    """Take both locks for *stack*. Return the path of a database that another process has locked, "" for none.

    No process has a missing database locked; without it, nothing counts as an orphan.
    """
    for path in (META, snapshotter_database(snapshotter)):
        with contextlib.suppress(FileNotFoundError):
            fd = open_below(root, path)
            stack.callback(os.close, fd)
            still = os.stat(path, dir_fd=root, follow_symlinks=False)
            if not try_lock(fd) or not os.path.samestat(os.fstat(fd), still):
                return path
    return ""
