# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user other than root, for tests. Call this in a child process."""

from __future__ import annotations

import os

from ansible_collections.strata.overlay2.plugins.module_utils._linux.libc import libc

NOBODY = 65534
_PR_SET_DUMPABLE = 4  # include/uapi/linux/prctl.h


def become_nobody() -> None:
    """Be nobody from now on, as a program that nobody started is.

    Who changes its user is not dumpable, and before Linux 5.14 /proc/self/fdinfo is closed to it.
    """
    os.setuid(NOBODY)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
