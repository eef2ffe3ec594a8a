# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether the filesystem of a store is writable. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os


def check_writable(home: str) -> None:
    """Raise OSError (EROFS) if *home*, or the directory to make it in, is on a filesystem mounted read-only."""
    place = home
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), home)
