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

from ..._linux import kcmp, mountinfo, namespace

UNSEEN = (FileNotFoundError, ProcessLookupError, PermissionError)

_KINDS = (kcmp.KCMP_FS, kcmp.KCMP_FILES)
_PATH_ONLY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Thread(t.NamedTuple):
    """A thread: it can have a root, a working directory, open files and a mount namespace of its own.

    directory: its own in /proc.
    first:     it is the first one alive of its process; what is mapped is looked for there only.
    files:     its open files are not those of the first one.
    root:      its root directory, named from ours or, in another mount namespace, from the root of that.
    namespace: inode of its mount namespace.
    program:   the path of the program that it runs, named likewise.
    """

    pid: int
    directory: str
    first: bool
    files: bool
    root: str
    namespace: int
    program: str


def threads() -> t.Iterator[Thread]:
    """Yield every thread that has something of its own but the kernel's, ours too. Raises OSError without a /proc."""
    can_compare = os.readlink("/proc/self") == str(os.getpid())  # otherwise it is that of another pid namespace
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            tids = os.listdir(f"/proc/{pid}/task")
        except UNSEEN:
            continue
        first = 0
        for tid in tids:
            shares = {kind: bool(first) and can_compare and kcmp.shares(kind, first, int(tid)) for kind in _KINDS}
            if all(shares.values()):
                continue
            with contextlib.suppress(*UNSEEN):
                directory = f"/proc/{pid}/task/{tid}"
                program = _program(directory)
                if program:
                    yield _thread(int(pid), directory, program, not first, not shares[kcmp.KCMP_FILES])
                    first = first or int(tid)


def _program(directory: str) -> str:
    """Return what program a thread runs, "" for none: the kernel's have none, nor have the dead. Raises OSError."""
    return path_of(directory + "/exe")


def thread_at(pid: int, directory: str) -> Thread:
    """Return the thread whose directory in /proc this is. Raises OSError."""
    return _thread(pid, directory, _program(directory), True, True)


def _thread(pid: int, directory: str, program: str, first: bool, files: bool) -> Thread:
    namespace = os.readlink(directory + "/ns/mnt")  # mnt:[4026531841]
    return Thread(pid, directory, first, files, path_of(directory + "/root"), int(namespace[5:-1]), program)


def path_of(link: str) -> str:
    """Return where a link in /proc leads; itself where that has a path too long to be told. Raises OSError."""
    try:
        return os.readlink(link)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return link


def command_of(pid: int) -> str:
    """Return the program that a process runs, as ``ps -o comm`` shows it, or "?" if it is gone.

    Never its arguments, which may hold what nobody else is to know.
    """
    with contextlib.suppress(*UNSEEN), open(f"/proc/{pid}/comm", "rb") as file:
        return " ".join(os.fsdecode(file.read()).split())
    return "?"


class MountTable:
    """The mounts of one namespace. Paths are as in Thread.root.

    pid:     a process that is in it. root: that one's root directory.
    trusted: none but root can mount there: it is no namespace of a user namespace below ours.
    whole:   nothing is left out: it was read from the root of the namespace, or from our own.
    by_id:   the wanted mounts: overlays, and those of one filesystem.
    inner:   the mount points that lie on a mount, by its id.
    """

    def __init__(self, pid: int, namespace: int, data: bytes, dev: str, *, root: str = "/", trusted: bool = True):
        """Read *data*, a mountinfo as *root* has it. dev: of the filesystem that is wanted."""
        self.pid = pid
        self.namespace = namespace
        self.trusted = trusted
        self.root = root
        self.by_id: dict[int, mountinfo.Mount] = {}
        self.inner: dict[int, list[str]] = {}
        self._devs: set[str] = set()
        self._points: dict[str, list[int]] = {}  # the ids of the mounts on each, the topmost last
        self._places: dict[int, tuple[str, int]] = {}  # mount point and parent of each
        for line in os.fsdecode(data).split("\n"):
            if line:
                self._add(line, root, dev)
        self.whole = "/" in self._points

    def _add(self, line: str, root: str, dev: str) -> None:
        """Take a line in. Few are parsed: a host of many containers has very many."""
        mount_id, parent_id, its_dev, _unused, mount_point, _unused = line.split(" ", 5)
        wanted = its_dev == dev or " - overlay " in line
        if wanted or "\\" in mount_point:
            (mount,) = mountinfo.parse(os.fsencode(line))
            mount_point = mount.mount_point
        mount_point = join(root, mount_point)
        self._put(int(mount_id), int(parent_id), mount_point)
        if wanted:
            self._want(mount._replace(mount_point=mount_point))

    def add(self, mount: mountinfo.Mount) -> None:
        """Take in a wanted mount that its mountinfo does not have."""
        self._put(mount.id, mount.parent_id, mount.mount_point)
        self._want(mount)

    def _put(self, mount_id: int, parent_id: int, mount_point: str) -> None:
        self._points.setdefault(mount_point, []).append(mount_id)
        self._places[mount_id] = mount_point, parent_id
        self.inner.setdefault(parent_id, []).append(mount_point)

    def _want(self, mount: mountinfo.Mount) -> None:
        self.by_id[mount.id] = mount
        self._devs.add(mount.dev)

    def has(self, mount_id: int) -> bool:
        """Tell whether a mount is in this namespace."""
        return mount_id in self._places

    def has_dev(self, dev: str) -> bool:
        """Tell whether a wanted mount of the filesystem *dev* is."""
        return dev in self._devs

    def lies_in(self, mount_id: int, directory: str) -> bool:
        """Tell whether a mount, which is in this namespace, has its mount point in *directory*."""
        return mountinfo.is_below(self._places[mount_id][0], directory)

    def below(self, mount_id: int) -> int:
        """Return the id of the mount that a mount lies on, or all that are on its mount point; not always listed."""
        point, parent = self._places[mount_id]
        while parent in self._places and self._places[parent][0] == point:
            parent = self._places[parent][1]
        return parent

    def mount_at(self, path: str) -> int:
        """Return the id of the mount that the absolute *path* leads to, going by names alone; 0 if none is listed."""
        while path not in self._points:
            if path in ("", "/"):
                return 0
            path = path.rpartition("/")[0] or "/"
        return self._points[path][-1]


def table_of(thread: Thread, dev: str) -> MountTable | None:
    """Return the table of the namespace that *thread* is in, or None if it is gone. Raises OSError.

    The kernel leaves out of a process's mountinfo what does not lie below its root. Where that is a plain directory,
    the mount that holds it is left out, so the namespace is read from its own root then.
    """
    try:
        with open(thread.directory + "/mountinfo", "rb") as file:
            data = file.read()
        trusted = namespace.belongs_to_us(thread.directory + "/ns/mnt")
    except UNSEEN:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # it has left its namespaces, as its last step but one
            return None
        raise
    table = MountTable(thread.pid, thread.namespace, data, dev, root=thread.root, trusted=trusted)
    if thread.root == "/" and table.whole:
        return table
    with contextlib.suppress(OSError):  # it is gone, or belongs to a user namespace above ours
        data, _unused = namespace.from_its_root(thread.directory + "/ns/mnt")
        whole = MountTable(thread.pid, thread.namespace, data, dev, trusted=trusted)
        whole.root = thread.root
        return whole
    return table


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
