# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every process and every mount namespace of the host, as /proc shows them. PRIVATE to the collection.

readlink(2) reads what a process holds. stat(2) would ask the filesystem, and a dead network filesystem would hang the
run. The result leaves out a process that ends meanwhile, and a process that we have no right to read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._linux import kcmp, mountinfo
from ..._linux.user_namespace import belongs_to_us

UNSEEN = (FileNotFoundError, ProcessLookupError, PermissionError)

_KINDS = (kcmp.KCMP_FS, kcmp.KCMP_FILES)
_PATH_ONLY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Thread(t.NamedTuple):
    """A thread, which can have its own root, working directory, open files and mount namespace.

    directory: the thread's directory in /proc.
    first:     the thread is the first live thread of its process; only this one is searched for mapped files.
    files:     the open files are not those of the first thread.
    root:      the root directory, named from our root or, in another mount namespace, from the root of the namespace.
    namespace: inode of the mount namespace.
    program:   the path of the program, named like the root.
    """

    pid: int
    directory: str
    first: bool
    files: bool
    root: str
    namespace: int
    program: str


def threads() -> t.Iterator[Thread]:
    """Yield every thread that has something of its own, ours too; no kernel threads. Raises OSError without /proc."""
    can_compare = os.readlink("/proc/self") == str(os.getpid())  # otherwise /proc shows another pid namespace
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
    """Return the program of a thread; "" for a kernel thread and a dead thread. Raises OSError."""
    return path_of(directory + "/exe")


def _thread(pid: int, directory: str, program: str, first: bool, files: bool) -> Thread:
    namespace = os.readlink(directory + "/ns/mnt")  # mnt:[4026531841]
    return Thread(pid, directory, first, files, path_of(directory + "/root"), int(namespace[5:-1]), program)


def path_of(link: str) -> str:
    """Return the target of a link in /proc; the link itself if the path is too long to be read. Raises OSError."""
    try:
        return os.readlink(link)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return link


def command_of(pid: int) -> str:
    """Return the name of a process's program, as ``ps -o comm`` shows it; "?" if the process is gone.

    Never return the arguments, which may hold secrets.
    """
    with contextlib.suppress(*UNSEEN), open(f"/proc/{pid}/comm", "rb") as file:
        return " ".join(os.fsdecode(file.read()).split())
    return "?"


class MountTable:
    """The mounts of one namespace. Paths are as in Thread.root.

    pid:     a process in the namespace. root: the root directory of this process.
    trusted: only root can mount there: the namespace does not belong to a user namespace below ours.
    whole:   no mount is left out: the table was read from the root of the namespace, or from our root.
    by_id:   the wanted mounts: overlays, and the mounts of one filesystem.
    inner:   by the id of a mount, the mount points that lie on it.
    """

    def __init__(self, pid: int, namespace: int, data: bytes, dev: str, *, root: str = "/", trusted: bool = True):
        """Parse *data*, a mountinfo whose paths start at *root*. Keep overlays and mounts of the filesystem *dev*."""
        self.pid = pid
        self.namespace = namespace
        self.trusted = trusted
        self.root = root
        self.by_id: dict[int, mountinfo.Mount] = {}
        self.inner: dict[int, list[str]] = {}
        self._devs: set[str] = set()
        self._points: dict[str, list[int]] = {}  # by mount point: the ids of its mounts, the topmost last
        self._places: dict[int, tuple[str, int]] = {}  # by mount id: mount point and parent
        for line in os.fsdecode(data).split("\n"):
            if line:
                self._add(line, root, dev)
        self.whole = "/" in self._points

    def _add(self, line: str, root: str, dev: str) -> None:
        """Add a line of mountinfo. Parse few lines in full: a host with many containers has very many."""
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
        """Add a wanted mount that the mountinfo lacks."""
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
        """Tell whether the mount is in this namespace."""
        return mount_id in self._places

    def has_dev(self, dev: str) -> bool:
        """Tell whether a wanted mount of the filesystem *dev* is in this namespace."""
        return dev in self._devs

    def lies_in(self, mount_id: int, directory: str) -> bool:
        """Tell whether the mount point of a mount of this namespace lies in *directory*."""
        return mountinfo.is_below(self._places[mount_id][0], directory)

    def below(self, mount_id: int) -> int:
        """Return the id of the mount below a mount, and below all mounts on the same mount point; may be unlisted."""
        point, parent = self._places[mount_id]
        while parent in self._places and self._places[parent][0] == point:
            parent = self._places[parent][1]
        return parent

    def mount_at(self, path: str) -> int:
        """Return the id of the mount that the absolute *path* lies on, by names alone; 0 if no such mount is listed."""
        while path not in self._points:
            if path in ("", "/"):
                return 0
            path = path.rpartition("/")[0] or "/"
        return self._points[path][-1]


def table_of(thread: Thread, dev: str) -> MountTable | None:
    """Return the mounts of the namespace of *thread*; None if the thread is gone. Raises OSError.

    The kernel leaves out of a process's mountinfo all mounts that do not lie below the process's root. If the root is a
    plain directory, the mount that holds the root is missing, so the namespace is read from its own root.
    """
    try:
        with open(thread.directory + "/mountinfo", "rb") as file:
            data = file.read()
        trusted = belongs_to_us(thread.directory + "/ns/mnt")
    except UNSEEN:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # the thread is ending and has left its namespaces
            return None
        raise
    table = MountTable(thread.pid, thread.namespace, data, dev, root=thread.root, trusted=trusted)
    if thread.root == "/" and table.whole:
        return table
    from ..._linux.namespace import from_its_root  # most hosts have no such process

    with contextlib.suppress(OSError):  # the thread is gone, or belongs to a user namespace above ours
        data, _unused = from_its_root(thread.directory + "/ns/mnt")
        whole = MountTable(thread.pid, thread.namespace, data, dev, trusted=trusted)
        whole.root = thread.root
        return whole
    return table


def inside(mount: mountinfo.Mount, path: str) -> str:
    """Return the path within the filesystem of *path*, which lies on *mount*."""
    point = mount.mount_point
    return join(mount.root, path if point == "/" else path[len(point) :])


def join(directory: str, path: str) -> str:
    """Return *path* below *directory*; either may be "/", and *path* empty."""
    return directory.rstrip("/") + path.rstrip("/") or "/"


def mount_id_of(link: str) -> int:
    """Return the id of the mount that *link* in /proc leads to; 0 if the kernel does not tell it. Raises OSError."""
    directory, _unused, name = link.rpartition("/")
    if directory.endswith("/fd"):
        return mountinfo.mount_id_in(f"{directory}info/{name}")
    fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
    try:
        return mountinfo.mount_id(fd)
    finally:
        os.close(fd)


def name_in(place: str, inside: str) -> str | None:
    """Return the name in a store, usually a layer, that a path within the store's filesystem lies in, or None.

    place: the path of the store within its filesystem, "" for the root.
    """
    return inside[len(place) + 1 :].partition("/")[0] or None if inside.startswith(place + "/") else None


def path_above(fd: int) -> str:
    """Return the path of the nearest directory above the directory *fd* that has one; "" for a file. Raises OSError."""
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
