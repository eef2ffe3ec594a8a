# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own mount namespace, and the place of a store within its filesystem. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os

from ..._linux import mountinfo
from . import proc


class OwnMounts:
    """Our own mounts.

    dev:    the device of the filesystem of *home*, as in mountinfo. place: the path of home in the filesystem, "" for
            its root.
    table:  our mounts, named from our root. tables: *table* and, if we run in a chroot, all mounts of the namespace,
            named from the namespace's root, because a process outside may hold files that our root does not lead to.
    raises: OSError.
    """

    def __init__(self, home: str, known: mountinfo.Snapshot) -> None:
        space = int(os.readlink("/proc/self/ns/mnt")[5:-1])
        fd = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount_id = mountinfo.mount_id(fd)
            data = known.data
            if _find(data, mount_id) is None:  # another process may have mounted something on home meanwhile
                data = mountinfo.Snapshot().data
            whole, path = _whole(data, fd)
        finally:
            os.close(fd)
        backing = _find(data, mount_id)
        path = home if backing else path
        backing = backing or _find(whole, mount_id)
        # Neither lists the mount if we may not enter our own namespace: then only our own names are understood.
        backing = backing or mountinfo.Mount(mount_id, 0, "", "/", "/", "", (), "", "", "")
        self.dev = backing.dev
        self.place = proc.inside(backing, path or home).rstrip("/")
        self.table = proc.MountTable(os.getpid(), space, data, self.dev)
        if not self.table.has(mount_id):
            root = self.place[: -len(home)] if self.place.endswith(home) else "/"
            self.table.add(backing._replace(root=root or "/", mount_point="/"))
        self.tables = [self.table]
        if whole:
            self.tables.append(proc.MountTable(os.getpid(), space, whole, self.dev))


def _whole(data: bytes, fd: int) -> tuple[bytes, str]:
    """Return all mounts of our namespace, and the path of *fd* there; b"" and "" if our mountinfo has all mounts."""
    if _has_root(data) and not _is_chrooted():
        return b"", ""
    from ..._linux.namespace import from_its_root  # few runs are in a chroot

    try:
        return from_its_root("/proc/self/ns/mnt", fd)
    except OSError:
        return b"", ""


def _has_root(data: bytes) -> bool:
    return any(line.split(b" ", 5)[4] == b"/" for line in data.split(b"\n") if line)


def _is_chrooted() -> bool:
    """Tell whether our root seems to differ from the root of the host or the container."""
    with contextlib.suppress(OSError):
        its, ours = os.stat("/proc/1/root"), os.stat("/")
        return (its.st_dev, its.st_ino) != (ours.st_dev, ours.st_ino)
    return False


def _find(data: bytes, mount_id: int) -> mountinfo.Mount | None:
    start = b"%d " % mount_id
    lines = [line for line in data.split(b"\n") if line.startswith(start)]
    return mountinfo.parse(lines[0])[0] if lines else None
