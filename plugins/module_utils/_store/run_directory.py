# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of this collection that the next boot removes, and the rule by which it is trusted. PRIVATE.

    /run/strata-overlay2/<major>-<minor>-<kind>.json      results of trial mounts (probe/cache.py)
    /run/strata-overlay2/projects-<major>:<minor>/        lock of the runs that pick a project id (quota/projects.py)

The directory is trusted while only the user of the task can enter it. Otherwise another user may have written the
results, or may hold the lock.
"""

from __future__ import annotations

import contextlib
import os
import stat

RUN_DIRECTORY = "/run/strata-overlay2"


def make_private(directory: str) -> bool:
    """Make *directory* with mode 0700 if it is missing. Return whether it is private. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    return is_private(directory)


def is_private(directory: str) -> bool:
    """Tell whether *directory* is a directory of our user that nobody else can enter. Raises OSError."""
    found = os.lstat(directory)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
