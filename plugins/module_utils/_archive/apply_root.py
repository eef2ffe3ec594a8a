# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory that a layer is unpacked into; no path leads out of it. PRIVATE to the collection.

Each directory of a path is opened from the fd of its parent, without following symlinks. A symlink in the path is read,
and its target is walked in the same way, with the layer's root as ``/`` and as the end of ``..``: the result is the
directory that a process with a chroot there would reach. From Linux 5.6 on, openat2 opens a path without symlinks in
one step, as safely. openat2 could also follow symlinks safely (RESOLVE_IN_ROOT), but it does not report which ones it
followed. This file needs the list: replacing a followed symlink makes the cached directories wrong.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .._linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, has_openat2, openat2
from .._linux.unlink import try_unlink
from .remove_tree import remove_tree
from .walk import list_xattrs, too_deep
from .whiteouts import OPAQUE_VALUE, is_whiteout
from .xattr_ids import ACLS

if t.TYPE_CHECKING:
    from .exact import ExactWriter
    from .manifest import ManifestWriter

MAX_SYMLINKS = 40  # the kernel's MAXSYMLINKS
IMPLIED_MODE = 0o755  # of a directory without an entry of its own

_KEEP = 64  # directories open at once
_NOTED_TIMES = 20_000  # directories whose times are kept in memory; below, the bytes of their paths
_NOTED_BYTES = 16 << 20
_FOLLOWED = 1000  # symlinks whose paths are kept in memory
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ACLS = tuple(map(os.fsdecode, ACLS))
_GONE = (errno.ENODATA, errno.ENOTSUP)


class Directory:
    """An open directory of the layer; *path* leads there from the root without symlinks.

    plain: new files in the directory get our ids and exactly the mode given: it has our group, is not setgid, and has
           no default ACL.
    opaque: it was made opaque through this object.
    A directory that the cache drops stays open while the caller uses the object.
    """

    __slots__ = ("fd", "opaque", "path", "plain")

    def __init__(self, fd: int, path: bytes, plain: bool) -> None:
        self.fd = fd
        self.path = path
        self.plain = plain
        self.opaque = False

    def close(self) -> None:
        """Close the directory, if it is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    __del__ = close

    def child(self, name: bytes) -> bytes:
        """Return the path of *name* in the directory."""
        return self.path + b"/" + name if self.path else name


class Root:
    """The root, and a cache of the directories that were used last.

    owner:    uid and gid of directories without an entry of their own.
    opaque:   the name of the opaque xattr.
    manifest: notes the directories that are made without an entry, or become opaque.
    exact:    notes that content of the tar is removed again.
    Every method may raise OSError. Nothing outside the root is made or removed.
    """

    def __init__(
        self,
        root: str,
        owner: tuple[int, int],
        opaque: str,
        manifest: ManifestWriter | None = None,
        exact: ExactWriter | None = None,
    ) -> None:
        self.manifest = manifest
        self.exact = exact
        self.ours = (os.geteuid(), os.getegid())
        self._has_openat2 = has_openat2()
        self._owner = owner
        self._opaque = opaque
        self._known: dict[bytes, Directory] = {}  # by path, which may lead through symlinks; oldest first
        self.known = self._known.get  # returns the directory that was remembered under a path
        self._followed: set[bytes] = set()  # the symlinks that those paths lead through
        self._times: dict[bytes, int] = {}  # of directories, in ns
        self._noted_bytes = 0  # of their paths
        self._has_set_times = False  # whether directories on disk have their final times already
        self.implied = 0  # directories made without an entry of their own
        self.top = self._wrap(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"")

    def close(self) -> None:
        """Close all directories."""
        for directory in (self.top, *self._known.values()):
            directory.close()

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def remember(self, path: bytes, directory: Directory) -> Directory:
        """Keep *directory* open in the cache under *path*; drop the oldest if the cache is full."""
        if len(self._known) >= _KEEP:
            del self._known[next(iter(self._known))]
        self._known[path] = directory
        return directory

    def directory(self, path: bytes, make: bool = True) -> Directory:
        """Return the directory that *path* leads to: relative, clean, symlinks allowed. make: make missing directories.

        raises: OSError: ENOTDIR if a name of the path is not a directory, ENOENT, ELOOP.
        """
        nearest = path
        while nearest and nearest not in self._known:
            nearest = nearest.rpartition(b"/")[0]
        here = self._known[nearest] if nearest else self.top
        rest = path[len(nearest) :].lstrip(b"/")
        opened = self._open_in_one_step(here, rest) if self._has_openat2 and b"/" in rest else None
        if opened:
            return opened
        todo = rest.split(b"/")[::-1]
        hops = 0
        while todo:
            name = todo.pop()
            if name == b"..":
                here = self.directory(here.path.rpartition(b"/")[0])
            elif name not in (b"", b"."):
                found = self._known.get(here.child(name)) or self._enter(here, name, make)
                if found:
                    here = found
                    continue
                hops += 1
                if hops > MAX_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(name, dir_fd=here.fd)
                self._followed.add(here.child(name))
                here = self.top if target.startswith(b"/") else here
                todo += target.split(b"/")[::-1]
        return here

    def _open_in_one_step(self, here: Directory, rest: bytes) -> Directory | None:
        """Return the directory that *rest* leads to from *here*; None if openat2 cannot open it so."""
        try:
            fd = openat2(rest, _OPEN, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, here.fd)
        except OSError:
            return None
        path = here.child(rest)
        return self.remember(path, self._wrap(fd, path))

    def _enter(self, here: Directory, name: bytes, make: bool) -> Directory | None:
        """Return the directory *name* in *here*, made if missing; None if *name* is a symlink."""
        path = here.child(name)
        try:
            return self.remember(path, self._wrap(os.open(name, _OPEN, dir_fd=here.fd), path))
        except FileNotFoundError:
            if not make:
                raise
        except NotADirectoryError:
            found = os.stat(name, dir_fd=here.fd, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                return None
            if not make or not is_whiteout(found):
                raise
        made, _unused = self.make_directory(here, name, IMPLIED_MODE)
        self.implied += 1
        if not here.plain or self._owner != self.ours:
            os.fchown(made.fd, *self._owner)
            os.fchmod(made.fd, IMPLIED_MODE)
            made.plain = self.is_plain(made.fd)
        if self.manifest:
            self.manifest.add_directory(made.fd, path)
        return self.remember(path, made)

    def make_directory(self, place: Directory, name: bytes, mode: int) -> tuple[Directory, bool]:
        """Return the directory *name* in *place*, and whether it is new: then it has the permissions of *mode* alone.

        If the directory replaces another node, it becomes opaque: that node hid the lowers' *name* too.
        """
        path = place.child(name)
        if too_deep(path):  # symlinks led here; the entry's own name is checked before
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        opaque = False
        try:
            os.mkdir(name, mode & 0o777, dir_fd=place.fd)
        except FileExistsError:
            with contextlib.suppress(NotADirectoryError):
                return self._wrap(os.open(name, _OPEN, dir_fd=place.fd), path), False
            self.remove(place, name)
            os.mkdir(name, mode & 0o777, dir_fd=place.fd)
            opaque = True
        made = Directory(os.open(name, _OPEN, dir_fd=place.fd), path, place.plain)
        if not place.plain:
            shed_acls(made.fd)
        if opaque:
            self.make_opaque(made)
        return made, True

    def make_opaque(self, directory: Directory) -> None:
        """Hide the lowers in *directory*."""
        os.setxattr(directory.fd, self._opaque, OPAQUE_VALUE)
        directory.opaque = True
        if self.manifest:
            self.manifest.add_directory(directory.fd, directory.path)

    def remove(self, place: Directory, name: bytes) -> None:
        """Remove *name* in *place* with all below it. Raises FileNotFoundError."""
        path = place.child(name)
        if self.exact and _has_content(place.fd, name):
            self.exact.lose()
        if try_unlink(name, place.fd):
            if path in self._followed:
                self._forget()
            return
        self._forget()
        for gone in remove_tree(place.fd, name, path):
            self._times.pop(gone, None)

    def set_time(self, directory: Directory, mtime_ns: int) -> None:
        """Note the time that *directory* gets when its content is complete."""
        self._times[directory.path] = mtime_ns
        self._noted_bytes += len(directory.path)

    def save_memory(self) -> None:
        """Set noted times and empty the cache if they take much memory. To be called while no directory is in use.

        From then on, opening a directory notes its time, so that files made in it later do not change the time.
        """
        if len(self._followed) > _FOLLOWED:
            self._forget()
        if len(self._times) > _NOTED_TIMES or self._noted_bytes > _NOTED_BYTES:
            self.set_times()
            self._has_set_times = True

    def set_times(self) -> None:
        """Set the noted times of the directories."""
        self._has_set_times = False  # the loop opens directories that do not have their final time yet
        for path, mtime in sorted(self._times.items()):  # sorted: neighbours share the parent, which is opened once
            parent, _unused, name = path.rpartition(b"/")
            place = self._known.get(parent) or self.directory(parent)
            os.utime(name, ns=(mtime, mtime), dir_fd=place.fd, follow_symlinks=False)
        self._times.clear()
        self._noted_bytes = 0
        self._forget()

    def is_plain(self, fd: int) -> bool:
        """Tell whether new files in the directory *fd* inherit nothing from it; see Directory."""
        return self._is_plain(fd, os.fstat(fd))

    def _is_plain(self, fd: int, found: os.stat_result) -> bool:
        if found.st_gid != self.ours[1] or found.st_mode & stat.S_ISGID:  # the group: a mount with grpid hands it down
            return False
        return _ACLS[1] not in list_xattrs(fd)

    def _wrap(self, fd: int, path: bytes) -> Directory:
        """Return the open directory *fd* as a Directory, and note its time if it is final."""
        found = os.fstat(fd)
        if self._has_set_times and path and path not in self._times:
            self._times[path] = found.st_mtime_ns
            self._noted_bytes += len(path)
        return Directory(fd, path, self._is_plain(fd, found))

    def _forget(self) -> None:
        """Empty the cache: a path in it may be gone, or lead to another directory."""
        self._known.clear()
        self._followed.clear()


def shed_acls(node: int | bytes) -> None:
    """Remove the ACLs that a new node, an fd or a path, inherited. Raises OSError."""
    for name in _ACLS:
        try:
            os.removexattr(node, name) if isinstance(node, int) else os.removexattr(node, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _GONE:
                raise


def _has_content(fd: int, name: bytes) -> bool:
    """Tell whether *name* in *fd* may hold content of the tar: it is a file that is not empty, or a directory."""
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    return stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_size > 0)
