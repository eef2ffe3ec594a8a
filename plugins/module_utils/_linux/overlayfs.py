# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlayfs does when it cannot use a workdir: it mounts read-only, and calls that a success. PRIVATE.

source: ovl_get_workdir() and ovl_make_workdir(), fs/overlayfs/super.c: "mounting read-only".
"""

from __future__ import annotations

import contextlib
import errno
import os


def require_writable(merged: str, work: str) -> None:
    """Raise OSError if the overlay on *merged* is read-only for lack of its *work*/work, on a full filesystem, say."""
    if not os.statvfs(merged).f_flag & os.ST_RDONLY:
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.join(work, "work"), 0)  # fails as it did for the kernel, which tells only its log
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), merged)
