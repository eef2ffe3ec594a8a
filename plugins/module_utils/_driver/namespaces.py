# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every process and every mount namespace of the host, as /proc tells them. PRIVATE to the collection.

Whatever a process holds is told by readlink(2), never by stat(2): that asks no filesystem, so a dead network filesystem
cannot hang it. A process that ends meanwhile is left out, and so is one that we may not look into.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._linux import mountinfo

UNSEEN = (FileNotFoundError, ProcessLookupError, PermissionError)

_PATH_ONLY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Task(t.NamedTuple):
    """A thread: it can have a root, a working directory and a mount namespace of its own.

    directory: its own in /proc.
    first:     it is the first one alive of its process; open files and mappings are looked for there only.
    root:      its root directory, named from ours or, in another mount namespace, from the root of that.
    namespace: inode of its mount namespace.
    """

    pid: int
    directory: str
    first: bool
    root: str
    namespace: int


def tasks() -> t.Iterator[Task]:
    """Yield every thread but the kernel's, ours too. Raises OSError if there is no /proc."""
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            tids = os.listdir(f"/proc/{pid}/task")
        except UNSEEN:
            continue
        first = True
        for tid in tids:
            with contextlib.suppress(*UNSEEN):
                directory = f"/proc/{pid}/task/{tid}"
                if not _runs_a_program(directory):
                    continue
                task = task_at(int(pid), directory, first)
                first = False
                yield task


def _runs_a_program(directory: str) -> bool:
    """Tell whether a task has one: the kernel's have none, nor have the dead. Raises OSError."""
    try:
        return bool(os.readlink(directory + "/exe"))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return True


def task_at(pid: int, directory: str, first: bool = True) -> Task:
    """Return the task whose directory in /proc this is. Raises OSError."""
    namespace = os.readlink(directory + "/ns/mnt")  # mnt:[4026531841]
    try:
        root = os.readlink(directory + "/root")
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        root = directory + "/root"  # a name that it has by that alone, and no other task
    return Task(pid, directory, first, root, int(namespace[5:-1]))


def command_of(pid: int) -> str:
    """Return the program that a process runs, as ``ps -o comm`` shows it, or "?" if it is gone.

    Never its arguments, which may hold what nobody else is to know.
    """
    with contextlib.suppress(*UNSEEN), open(f"/proc/{pid}/comm", "rb") as file:
        return " ".join(os.fsdecode(file.read()).split())
    return "?"


class Table:
    """The mounts of one namespace that a task can name. Paths are as in Task.root.

    pid:    the task's process, one of those that see them.
    points: by mount point, which of the wanted mounts are on it, the topmost last. Unwanted ones have an empty list:
            they hide what is below.
    by_id:  the wanted mounts.
    inner:  the mount points that lie on a mount, by its id.
    """

    def __init__(self, task: Task, dev: str) -> None:
        """Read them. Wanted are overlays, and mounts of the filesystem *dev*. Raises OSError."""
        self.pid = task.pid
        self.namespace = task.namespace
        self.points: dict[str, list[mountinfo.Mount]] = {}
        self.by_id: dict[int, mountinfo.Mount] = {}
        self.inner: dict[int, list[str]] = {}
        with open(task.directory + "/mountinfo", "rb") as file:
            data = os.fsdecode(file.read())
        for line in data.split("\n"):
            if line:
                self._add(line, task.root, dev)

    def _add(self, line: str, root: str, dev: str) -> None:
        """Take a line in. Few are parsed: a host of many containers has very many."""
        _unused, parent_id, its_dev, _unused, mount_point, _unused = line.split(" ", 5)
        wanted = its_dev == dev or " - overlay " in line
        if wanted or "\\" in mount_point:
            (mount,) = mountinfo.parse(os.fsencode(line))
            mount_point = mount.mount_point
        mount_point = join(root, mount_point)
        mounts = self.points.setdefault(mount_point, [])
        if wanted:
            mount = mount._replace(mount_point=mount_point)
            mounts.append(mount)
            self.by_id[mount.id] = mount
        self.inner.setdefault(int(parent_id), []).append(mount_point)

    def mounts_at(self, path: str) -> list[mountinfo.Mount]:
        """Return the wanted mounts that the absolute *path* may lie on, by names alone: all on the last mount point."""
        while path not in self.points:
            if path in ("", "/"):
                return []
            path = path.rpartition("/")[0] or "/"
        return self.points[path]


def table_of(task: Task, dev: str) -> Table | None:
    """Return the table that *task* sees, or None if it is gone. Raises OSError."""
    try:
        return Table(task, dev)
    except UNSEEN:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # it has left its namespaces, as its last step but one
            return None
        raise


def inside(mount: mountinfo.Mount, path: str) -> str:
    """Return what *path*, a path on *mount*, is called within its filesystem."""
    point = mount.mount_point
    return join(mount.root, path if point == "/" else path[len(point) :])


def join(directory: str, path: str) -> str:
    """Return *path* below *directory*; either may be "/", and *path* empty."""
    return directory.rstrip("/") + path.rstrip("/") or "/"


def path_above(fd: int) -> str:
    """Return the path of the nearest directory above *fd* that can be told; "" if *fd* is none. Raises OSError."""
    try:
        fd = os.open("..", _PATH_ONLY, dir_fd=fd)
    except NotADirectoryError:
        return ""
    while True:
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            above = os.open("..", _PATH_ONLY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = above
