# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/<pid>/mountinfo. PRIVATE to the collection.

source: proc_pid_mountinfo(5). Paths are str as os.fsdecode makes them.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import typing as t

_OCTAL = re.compile(r"\\([0-7]{3})")
OPTION = re.compile(r'((?:fs|def|root)?context)="([^"]*)"|[^,]+')  # SELinux puts quotes around a label with commas


class Mount(t.NamedTuple):
    """One line of mountinfo.

    dev:           "major:minor" of the superblock: st_dev of the mount's files, except on btrfs.
    root:          the directory of the filesystem that is visible at mount_point.
    propagation:   "shared:N", "master:N", "propagate_from:N", "unbindable"; empty for a private mount.
    super_options: the field as it is, still escaped: a comma in a value is ``\\054``.
    """

    id: int
    parent_id: int
    dev: str
    root: str
    mount_point: str
    options: str
    propagation: tuple[str, ...]
    fstype: str
    source: str
    super_options: str


def read(pid: int | str = "self") -> list[Mount]:
    """Return the mounts that process *pid* sees. Raises OSError."""
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return parse(file.read())


def parse(data: bytes) -> list[Mount]:
    """Return a Mount for each line of *data*."""
    return [_parse_line(line) for line in os.fsdecode(data).split("\n") if line]


def _parse_line(line: str) -> Mount:
    own, _unused, filesystem = line.partition(" - ")  # no field holds a space
    mount_id, parent_id, dev, root, mount_point, options, *propagation = own.split(" ")
    fstype, source, super_options = filesystem.split(" ", 2)
    return Mount(
        int(mount_id),
        int(parent_id),
        dev,
        unescape(root),
        unescape(mount_point),
        options,
        tuple(propagation),
        fstype,
        unescape(source),
        super_options,
    )


class Snapshot:
    """The mounts that this process sees, as the kernel lists them when a caller first asks; the file is read once.

    Make a new Snapshot to see changes. Each attribute raises OSError.
    """

    @functools.cached_property
    def data(self) -> bytes:
        """The lines of /proc/self/mountinfo."""
        with open("/proc/self/mountinfo", "rb") as file:
            return file.read()

    @functools.cached_property
    def mounts(self) -> list[Mount]:
        """The mounts, in the kernel's order."""
        return parse(self.data)


class Below(t.NamedTuple):
    """The mounts whose mount points lie in a directory, by name.

    seen:   mounts that a path through the directory reaches, or would reach without a later mount on the same point.
    hidden: mounts below a directory that another mount covers.
    """

    seen: list[Mount]
    hidden: list[Mount]


def below(directory: str, known: Snapshot | None = None) -> Below:
    """Return the mounts in *directory*, absolute and normalised; none if the directory is missing.

    The names of mount points are not enough: a mount keeps its name when a later mount hides its directory. If this
    process may not open the directory, all mounts count as seen. known: None to read the mounts now. Raises OSError.
    """
    known = known or Snapshot()
    try:
        fd = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Below([], [])
    except PermissionError:
        return Below(_in(directory, known.mounts), [])
    try:
        return split(directory, mount_id(fd), known.mounts)
    finally:
        os.close(fd)


def split(directory: str, own_id: int, mounts: t.Iterable[Mount]) -> Below:
    """Return those of *mounts* that lie in *directory*, which is itself on the mount *own_id*. Pure."""
    inner: dict[int, list[Mount]] = {}
    found = _in(directory, mounts)
    for mount in found:
        inner.setdefault(mount.parent_id, []).append(mount)
    seen: list[Mount] = []
    todo = [own_id]
    while todo:
        on_it = inner.get(todo.pop(), ())
        points = {mount.mount_point for mount in on_it}
        free = [mount for mount in on_it if points.isdisjoint(_above(mount.mount_point, directory))]
        seen += free
        todo += [mount.id for mount in free]
    known = {mount.id for mount in seen}
    return Below([mount for mount in found if mount.id in known], [mount for mount in found if mount.id not in known])


def _in(directory: str, mounts: t.Iterable[Mount]) -> list[Mount]:
    return [mount for mount in mounts if _is_in(mount.mount_point, directory)]


def _above(path: str, directory: str) -> t.Iterator[str]:
    """Yield the directories above *path* that are below *directory*."""
    while True:
        path = path.rpartition("/")[0]
        if len(path) <= len(directory):
            return
        yield path


def _is_in(path: str, directory: str) -> bool:
    return path != directory and is_below(path, directory)


def mount_of_fd(fd: int, mounts: t.Iterable[Mount]) -> Mount | None:
    """Return the mount that *fd* was opened on, found by its id; None if the mount is detached. Raises OSError."""
    found = mount_id(fd)
    return next((mount for mount in mounts if mount.id == found), None)


def mount_id(fd: int) -> int:
    """Return the id of the mount that *fd* was opened on. Raises OSError."""
    return mount_id_in(f"/proc/self/fdinfo/{fd}")


def mount_id_in(fdinfo: str) -> int:
    """Return the mount id in *fdinfo*, a file of /proc about an open file; 0 if the file has none. Raises OSError."""
    with open(fdinfo, "rb") as file:
        return next((int(line.split()[1]) for line in file if line.startswith(b"mnt_id:")), 0)


def paths_to(directory: str, known: Snapshot | None = None) -> t.Iterator[str]:
    """Yield the paths that lead to *directory*, which is absolute and without symlinks: *directory* first.

    The other paths lead through bind mounts, further mounts of the same filesystem and mounts of subvolumes, if this
    process can see these. A path counts, too, if a mount covers its last name: the directory above is still there. A
    directory that is missing or cannot be reached has one path. known: None to read the mounts now.
    """
    yield directory
    try:
        mounts = (known or Snapshot()).mounts
        dev, within = place_of(directory, mounts)
    except OSError:
        return
    for mount in mounts:
        if mount.dev != dev or not is_below(within, mount.root):
            continue
        path = _joined(mount.mount_point, os.path.relpath(within, mount.root))
        above = [os.path.dirname(path)] if within != mount.root else []
        if path != directory and any(_lies_on(place, mount) for place in (path, *above)):
            yield path


def place_of(directory: str, mounts: t.Iterable[Mount]) -> tuple[str, str]:
    """Return the ``dev`` of the filesystem of *directory*, and the path within the filesystem. Raises OSError.

    directory: absolute, and without symlinks.
    """
    with _open_directory(directory) as fd:
        mine = mount_of_fd(fd, mounts)
    if mine is None or not is_below(directory, mine.mount_point):
        raise FileNotFoundError(errno.ENOENT, "this process cannot see the mount that the directory is on", directory)
    return mine.dev, _joined(mine.root, os.path.relpath(directory, mine.mount_point))


def _joined(directory: str, relative: str) -> str:
    return os.path.normpath(os.path.join(directory, relative))


def _lies_on(path: str, mount: Mount) -> bool:
    """Tell whether *path* leads to a file on *mount*, not on another mount that hides it."""
    try:
        with _open_directory(path) as fd:
            return mount_id(fd) == mount.id
    except OSError:
        return False


@contextlib.contextmanager
def _open_directory(directory: str) -> t.Iterator[int]:
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def is_below(path: str, directory: str) -> bool:
    """Tell whether *path* is *directory* or lies in it, by whole names. Both are absolute and normalised."""
    return path == directory or directory == "/" or path.startswith(directory + "/")


def unescape(field: str) -> str:
    """Return *field* with the kernel's octal escapes decoded."""
    return _OCTAL.sub(lambda code: chr(int(code.group(1), 8)), field) if "\\" in field else field
