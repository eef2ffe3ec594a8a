# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going through a directory tree by file descriptors alone. PRIVATE to the collection.

So there is no path that could lead astray, and the kernel's limit on its length does not count.
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

# Of a directory's path in a layer; the kernel's PATH_MAX is 4096. What is known by its path, as a change or an entry of
# a tar, takes the more memory the deeper it lies, and mkdir(1) in a loop goes as deep as it likes.
MAX_PATH = 1 << 16  # bytes
MAX_DEPTH = 2048  # directories
SHOWN = 200  # bytes of a path that is too long

Ignored = t.Callable[[int, bytes, int], bool]

# The xattrs that mean something, by name: of a file that has more than can be listed, these can still be asked for.
_COUNTING = (
    "security.capability",
    "system.posix_acl_access",
    "system.posix_acl_default",
    *(f"{space}.overlay.{key}" for space in ("trusted", "user") for key in OVERLAY_XATTR_KEYS),
)

_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # what was listed is gone, or something else by now


def changed_meanwhile_error(path: bytes, what: str) -> LayerInUse:
    """Return the error for a tree that did not hold still while it was read."""
    return LayerInUse(
        f"{printable(path)} {what} while the layer was read",
        hint="something writes to the layer: unmount it, or stop what uses it, and try again",
        path=printable(path),
    )


class Trail:
    """The open directories from a root down to the current one.

    Only the last *keep* stay open. One further up is opened again through ``..`` on the way back and must be
    the same inode, so neither the depth of a tree nor a rename during the walk can lead anywhere else.
    """

    def __init__(self, root: str | bytes | int, keep: int = 64) -> None:
        """Begin at *root*, a path or the fd of a directory, which stays the caller's. Raises OSError."""
        path, start = (b".", root) if isinstance(root, int) else (root, None)
        self.fd = open_quietly(path, os.O_DIRECTORY, start)
        self._keep = keep
        self._above: list[int | tuple[int, int]] = []  # nearest last; an open fd, or (device, inode) of a closed one

    @property
    def depth(self) -> int:
        """How many directories below the root the current one is."""
        return len(self._above)

    def down(self, name: bytes) -> None:
        """Go into the directory *name*. Raises OSError and stays where it is."""
        fd = open_quietly(name, os.O_DIRECTORY | os.O_NOFOLLOW, self.fd)
        self._above.append(self.fd)
        self.fd = fd
        if len(self._above) > self._keep:
            self._close_above(len(self._above) - 1 - self._keep)

    def up(self) -> None:
        """Go back to the directory above. Raises LayerInUse where it is not above any more."""
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
    """Return (name, kind) of all that lies in the directory *fd*, sorted by the names' bytes.

    kind:    IS_DIRECTORY, IS_REGULAR or IS_OTHER, as the listing says it.
    ignored: tells of the directory's fd, a name and its kind whether that is left out.
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
    """Yield (path, name, kind) of all below the root: children sorted by bytes, a directory before what is in it.

    path:       relative to the root, without trailing slash.
    missing_ok: pass over a directory that vanished since it was listed, instead of raising LayerInUse.
    ignored:    as children takes it.
    While a directory is yielded, *trail* is in it already; for anything else it is in the parent. Raises OSError.
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
    """Tell whether a directory lies deeper than one may."""
    # Without a count in most cases: a name takes two bytes at least.
    return len(path) > 2 * MAX_DEPTH and (len(path) > MAX_PATH or path.count(b"/") >= MAX_DEPTH)


def enter(trail: Trail, name: bytes, path: bytes, missing_ok: bool = False) -> bool:
    """Go into the directory *name*, known from a listing.

    raises: LayerInUse where it is none any more, NotSupported where it lies too deep, OSError.
    """
    if too_deep(path):
        raise NotSupported(
            f"{printable(path[:SHOWN])}... lies more than {MAX_DEPTH} directories, or {MAX_PATH} bytes, deep",
            hint="no command can name what lies there: remove the directory that it lies in from the layer",
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
    """Open the regular file *name*, known from a listing. Raises LayerInUse where it is none any more."""
    try:  # without O_NONBLOCK a fifo put in its place would hang us
        return open_quietly(name, os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd)
    except OSError as error:
        raise _explained_error(error, path) from error


def lstat(name: bytes, path: bytes, dir_fd: int) -> os.stat_result:
    """Stat *name*, known from a listing. Raises LayerInUse where it is gone."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        raise _explained_error(error, path) from error


def below(fd: int, name: bytes) -> bytes:
    """Return a path to *name* in the directory *fd*, for the xattr calls, which take no directory fd. Needs /proc."""
    return b"/proc/self/fd/%d/%s" % (fd, name)


def list_xattrs(node: int | bytes, some: bool = False, path: bytes | None = None) -> list[str]:
    """Return the names of the xattrs of an fd or a path, symlinks not followed; none where the filesystem has none.

    A file may have more than the kernel lists, 64 KiB of names. Of such a one:
    some:   return those that tell what a layer holds, and that Docker has in a tar.
    path:   where each counts, its path in the layer, for the message.
    raises: NotSupported where each counts, OSError.
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
            hint="export it without them: leave xattrs out",
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
    """Return the xattr *name* of an fd or a path, symlinks not followed. Raises OSError."""
    return os.getxattr(node, name) if isinstance(node, int) else os.getxattr(node, name, follow_symlinks=False)


def _explained_error(error: OSError, path: bytes) -> Exception:
    if error.errno in _CHANGED:
        return changed_meanwhile_error(path, "vanished or was replaced")
    error.filename = os.fsdecode(path)  # it has the last component only
    return error
