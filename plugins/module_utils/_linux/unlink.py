# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""unlink(2) of a name that may be a directory. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat


def try_unlink(name: str | bytes, dir_fd: int) -> bool:
    """Unlink *name* in the directory *dir_fd*. Return False if *name* is a directory, which stays. Raises OSError.

    To try costs less than to stat the name first.
    """
    try:
        os.unlink(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):  # EPERM: the answer of POSIX for a directory
            raise
        if error.errno == errno.EPERM and not stat.S_ISDIR(os.lstat(name, dir_fd=dir_fd).st_mode):
            raise
        return False
    return True
