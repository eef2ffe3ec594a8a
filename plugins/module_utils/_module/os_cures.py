# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hints for errors of the operating system. PRIVATE to the collection."""

from __future__ import annotations

import errno

_CURES = {
    errno.EROFS: "mount the filesystem read-write; if an error made it read-only, the kernel's log tells the error",
    errno.EIO: "the kernel's log names the device: check it, and its filesystem, before anything else",
    errno.ENOTDIR: "a part of the path is not a directory: give another path",
    errno.EACCES: "find what denies root the access: a security module, a network filesystem",
    errno.EPERM: "find what denies root the change: an immutable file (lsattr), a security module, a container",
    errno.ECHILD: "something ended a process of the task, perhaps for lack of memory; the kernel's log may tell it",
    errno.ENOMEM: "the host, or the container, has too little memory: give it more, and run the task again",
    errno.EBUSY: "end the processes that use the path, or unmount what is mounted on it, and run the task again",
}
_CURE = "the kernel's log may tell the cause; remove the cause and run the task again"


def cure_of(number: int | None) -> str:
    """Return the hint for the errno *number*."""
    return _CURES.get(number or 0, _CURE)
