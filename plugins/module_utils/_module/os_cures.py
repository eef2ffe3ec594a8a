# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about an error of the system. PRIVATE to the collection."""

from __future__ import annotations

import errno

_CURES = {
    errno.EROFS: "mount the filesystem read-write; the kernel's log says why, if it turned read-only by itself",
    errno.EIO: "the kernel's log names the device: check it, and its filesystem, before anything else",
    errno.ENOTDIR: "give a path that leads through directories alone",
    errno.EACCES: "see what forbids it to root: a security module, a network filesystem",
    errno.EPERM: "see what forbids it to root: an immutable file (lsattr), a security module, a container",
    errno.EBUSY: "end what uses it, or unmount what is mounted there, and run the task again",
}
_CURE = "the kernel's log may say why; mend that and run the task again"


def cure_of(number: int | None) -> str:
    """Return the hint for an error with this errno."""
    return _CURES.get(number or 0, _CURE)
