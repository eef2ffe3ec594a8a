# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walk a directory tree by file descriptors alone. PRIVATE to the collection.

No path is resolved, so no symlink can lead out of the tree, and the kernel's limit on a path's length does not count.
"""

from __future__ import annotations

import errno
import os
import typing as t

from .._errors import LayerInUse, NotSupported, printable
from .._linux.noatime import open_quietly
from .whiteouts import OVERLAY_XATTR_KEYS

IS_DIRECTORY = 0
IS_REGULAR = 1
IS_OTHER = 2

# The limits of a directory's path in a layer; the kernel's PATH_MAX is 4096. Memory holds the paths of changes and tar
# entries, and mkdir(1) in a loop makes paths of any depth.
MAX_PATH = 1 << 16  # bytes
MAX_DEPTH = 2048  # directories
SHOWN = 200  # bytes of a too long path in a message

Ignored = t.Callable[[int, bytes, int], bool]

_CAPABILITY = "security.capability"
# The xattrs that matter here. If a file has more than the kernel can list, these are read by name.
_COUNTING = (
    _CAPABILITY,
    "system.posix_acl_access",
    "system.posix_acl_default",
    *(f"{space}.overlay.{key}" for space in ("trusted", "user") for key in OVERLAY_XATTR_KEYS),
)

_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # a listed name is gone or was replaced


def changed_meanwhile_error(path: bytes, what: str) -> LayerInUse:
    """Return the error for a tree that changed while it was read."""
    return LayerInUse(
        f"{printable(path)} {what} while the layer was read",
        hint="something writes to the layer: unmount it, or stop what uses it, and try again",
        path=printable(path),
    )


class Trail:
    """The open directories from a root down to the current one.

    Only the last *keep* stay open. A directory further up is opened again through ``..`` on the way back and must be
    the same inode, so no rename during the walk can lead out of the tree.
    """

    def __init__(self, root: str | bytes | int, keep: int = 64) -> None:
        """Start at *root*, a path or the fd of a directory; the caller closes the fd. Raises OSError."""
        path, start = (b".", root) if isinstance(root, int) else (root, None)
        self.fd = open_quietly(path, os.O_DIRECTORY, start)
        self._keep = keep
        self._above: list[int | tuple[int, int]] = []  # nearest last; an open fd, or (device, inode) of a closed one

    @property
    def depth(self) -> int:
        """The depth of the current directory; 0 at the root."""
        return len(self._above)

    def down(self, name: bytes) -> None:
        """Go into the directory *name*. If it raises OSError, the current directory stays."""
        fd = open_quietly(name, os.O_DIRECTORY | os.O_NOFOLLOW, self.fd)
        self._above.append(self.fd)
        self.fd = fd
        if len(self._above) > self._keep:
            self._close_above(len(self._above) - 1 - self._keep)

    def up(self) -> None:
        """Go back to the directory above. Raises LayerInUse if the current directory was moved."""
        above = self._above.pop()
        fd = above if isinstance(above, int) else _reopen(above, self.fd)
        os.close(self.fd)
        self.fd = fd

    def close(self) -> None:
        """Close every directory."""
        os.close(self.fd)
        while self._above:
            above = self._above.pop()
            if isinstance(above, int):
                os.close(above)

    def __enter__(self) -> Trail:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _close_above(self, index: int) -> None:
        fd = self._above[index]
        if isinstance(fd, int):
            found = os.fstat(fd)
            self._above[index] = (found.st_dev, found.st_ino)
            os.close(fd)


def _reopen(wanted: tuple[int, int], below: int) -> int:
    fd = open_quietly(b"..", os.O_DIRECTORY, below)
    found = os.fstat(fd)
    if (found.st_dev, found.st_ino) != wanted:
        os.close(fd)
        raise LayerInUse(
            "a directory was moved while the layer was read",
            hint="something writes to the layer: unmount it, or stop what uses it, and try again",
        )
    return fd


def children(fd: int, ignored: Ignored | None = None) -> list[tuple[bytes, int]]:
    """Return (name, kind) of each name in the directory *fd*, sorted by the names' bytes.

    kind:    IS_DIRECTORY, IS_REGULAR or IS_OTHER, from the listing.
    ignored: takes the directory's fd, a name and its kind; tells whether the name is left out.
    """
    with os.scandir(fd) as entries:
        found = [(os.fsencode(entry.name), _kind(entry)) for entry in entries]
    if ignored:
        found = [item for item in found if not ignored(fd, *item)]
    found.sort()
    return found


def _kind(entry: os.DirEntry[str]) -> int:
    if entry.is_file(follow_symlinks=False):
        return IS_REGULAR
    return IS_DIRECTORY if entry.is_dir(follow_symlinks=False) else IS_OTHER


def walk(
    trail: Trail, missing_ok: bool = False, ignored: Ignored | None = None
) -> t.Iterator[tuple[bytes, bytes, int]]:
    """Yield (path, name, kind) of all files below the root: sorted by bytes, a directory before its content.

    path:       relative to the root, without trailing slash.
    missing_ok: skip a directory that vanished since it was listed, instead of raising LayerInUse.
    ignored:    see children.
    When a directory is yielded, *trail* is in the directory; for other files *trail* is in the parent. Raises OSError.
    """
    levels = [(b"", iter(children(trail.fd, ignored)))]
    while levels:
        prefix, rest = levels[-1]
        for name, kind in rest:
            path = prefix + name
            if kind != IS_DIRECTORY:
                yield path, name, kind
            elif enter(trail, name, path, missing_ok):
                yield path, name, kind
                levels.append((path + b"/", iter(children(trail.fd, ignored))))
                break
        else:
            levels.pop()
            if levels:
                trail.up()


def too_deep(path: bytes) -> bool:
    """Tell whether the path of a directory exceeds MAX_DEPTH or MAX_PATH."""
    # Most paths need no count: a name and its slash take at least two bytes.
    return len(path) > 2 * MAX_DEPTH and (len(path) > MAX_PATH or path.count(b"/") >= MAX_DEPTH)


def enter(trail: Trail, name: bytes, path: bytes, missing_ok: bool = False) -> bool:
    """Go into the directory *name* from a listing. Return False if it vanished and *missing_ok*.

    raises: LayerInUse if *name* is not a directory any more; NotSupported if its path is too deep; OSError.
    """
    if too_deep(path):
        raise NotSupported(
            f"{printable(path[:SHOWN])}... has more than {MAX_DEPTH} directories or {MAX_PATH} bytes in its path",
            hint="no command can name a path so deep: remove the directory above it from the layer",
            path=printable(path[:SHOWN]),
        )
    try:
        trail.down(name)
    except OSError as error:
        if missing_ok and error.errno in _CHANGED:
            return False
        raise _explained_error(error, path) from error
    return True


def open_listed(name: bytes, path: bytes, dir_fd: int) -> int:
    """Open the regular file *name* from a listing. Raises LayerInUse if *name* is gone or a symlink; OSError."""
    try:  # without O_NONBLOCK, opening a fifo would wait for a writer
        return open_quietly(name, os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd)
    except OSError as error:
        raise _explained_error(error, path) from error


def lstat(name: bytes, path: bytes, dir_fd: int) -> os.stat_result:
    """Stat *name* from a listing. Raises LayerInUse if *name* is gone."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        raise _explained_error(error, path) from error


def below(fd: int, name: bytes) -> bytes:
    """Return a path to *name* in the directory *fd*, for the xattr calls: they take no directory fd. Needs /proc."""
    return b"/proc/self/fd/%d/%s" % (fd, name)


def list_xattrs(node: int | bytes, some: bool = False, path: bytes | None = None) -> list[str]:
    """Return the names of the xattrs of an fd or a path, symlinks not followed; none if the filesystem has no xattrs.

    A file may have more names than the kernel can list, 64 KiB. For such a file:
    some:   return the names in _COUNTING that it has: they define a layer's content or are in Docker's tars.
    path:   the path in the layer, for the message; without *some*.
    raises: NotSupported without *some*; OSError.
    """
    try:
        return os.listxattr(node) if isinstance(node, int) else os.listxattr(node, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        if error.errno != errno.E2BIG or not (some or path):
            raise
    if not some:
        shown = printable((path or b"")[:SHOWN])
        raise NotSupported(
            f"{shown} has more extended attributes than the kernel can list",
            hint="export the layer without them: leave out the option xattrs",
            path=shown,
        )
    return [name for name in _COUNTING if _has_xattr(node, name)]


def _has_xattr(node: int | bytes, name: str) -> bool:
    try:
        get_xattr(node, name)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return False
    return True


def get_xattr(node: int | bytes, name: str) -> bytes:
    """Return the xattr *name* of an fd or a path, symlinks not followed. Raises OSError.

    b"" for a malformed file capability: the kernel lets a container set one without bytes, but never returns it.
    """
    try:
        return os.getxattr(node, name) if isinstance(node, int) else os.getxattr(node, name, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EINVAL or name != _CAPABILITY:
            raise
        return b""


def _explained_error(error: OSError, path: bytes) -> Exception:
    if error.errno in _CHANGED:
        return changed_meanwhile_error(path, "vanished or was replaced")
    error.filename = os.fsdecode(path)  # the error has the last name only
    return error
