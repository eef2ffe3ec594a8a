# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the content of a layer with its manifest. Only reads. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ..._archive.checksum import crc32_of_file
from ..._archive.manifest import DIRECTORY, FILE, HARDLINK, NONE, SYMLINK, TYPES, digest_of_xattrs
from ..._archive.manifest_reader import Expected
from ..._archive.walk import IS_DIRECTORY, Trail, below, lstat, open_listed, walk

# What differs.
LOST, ADDED, TYPE, CONTENT, UNREADABLE = "lost", "added", "type", "content", "unreadable"
MODE, OWNER, SIZE, XATTRS, TARGET, DEVICE, LINKS = "mode", "owner", "size", "xattrs", "target", "device", "links"

DAMAGED = (errno.EIO, errno.EUCLEAN, errno.EBADMSG)  # how the kernel refuses to read what is damaged


class Difference(t.NamedTuple):
    """One difference between a layer and its manifest. what: LOST, ADDED, ...; path: from the root of the layer."""

    path: bytes
    what: str


class Verified(t.NamedTuple):
    """The result for a layer.

    files, size: the regular files that were read, and their bytes. differences: the first ones.
    truncated:   there are more differences.
    after:       the path up to which the layer was compared; None if it was compared to its end.
    """

    files: int
    size: int
    differences: tuple[Difference, ...]
    truncated: bool
    after: bytes | None = None


def verify_layer(
    upper: str,
    expected: t.Iterable[Expected],
    *,
    most: int = 1000,
    after: bytes = b"",
    is_late: t.Callable[[], bool] = bool,
) -> Verified:
    """Compare the directory *upper* with what its manifest says.

    expected: in the order of walk(). most: differences to tell; the comparison goes on behind them.
    after:    skip the paths up to this one, which an earlier call compared.
    is_late:  tells whether to stop; asked before each path.
    raises:   LayerInUse if the layer changes meanwhile; NotSupported for a path that is too deep; OSError.
    """
    comparison = _Comparison(most, after)
    with Trail(upper) as trail:
        wanted = iter(expected)
        one = next(wanted, None)
        for path, name, kind in walk(trail):
            if is_late() and comparison.is_new(path):
                return comparison.result(comparison.last)
            while one and one.path != path and _key(one.path) < _key(path):
                comparison.tell_whole(one.path, LOST)
                one = next(wanted, None)
            if one and one.path == path:
                comparison.compare(one, trail.fd, b"." if kind == IS_DIRECTORY else name)
                one = next(wanted, None)
            else:
                comparison.tell_whole(path, ADDED)
        while one:
            comparison.tell_whole(one.path, LOST)
            one = next(wanted, None)
    return comparison.result(None)


def _key(path: bytes) -> bytes:
    """Return what sorts paths in the order of walk()."""
    return path.replace(b"/", b"\0")


class _Comparison:
    """Collects differences. after: the paths up to this one do not count."""

    def __init__(self, most: int, after: bytes) -> None:
        self._most = most
        self._after = _key(after)
        self._found: list[Difference] = []
        self._truncated = False
        self._files = self._size = 0
        self._inodes: dict[int, int] = {}  # by group of names
        self._told = b"\0"  # the directory that differs as a whole, with a slash: what is below it does not count
        self.last = after  # the path that was compared last

    def result(self, after: bytes | None) -> Verified:
        """Return what was found so far."""
        return Verified(self._files, self._size, tuple(self._found), self._truncated, after)

    def is_new(self, path: bytes) -> bool:
        """Tell whether a path counts."""
        return not self._after or _key(path) > self._after

    def compare(self, wanted: Expected, fd: int, name: bytes) -> None:
        """Compare the file *name* in the directory *fd*; "." for the directory itself. Raises OSError."""
        found = lstat(name, wanted.path, fd)
        is_other = wanted.group and self._inodes.setdefault(wanted.group, found.st_ino) != found.st_ino
        if not self.is_new(wanted.path):
            return
        self.last = wanted.path
        if is_other:
            self._tell(wanted.path, LINKS)
        for what in _differences(wanted, found, fd, name):
            if what == TYPE:
                self._told = wanted.path + b"/"
            self._tell(wanted.path, what)
        if stat.S_ISREG(found.st_mode) and wanted.kind == FILE:
            self._files += 1
            self._size += found.st_size
            self._compare_content(wanted, found, fd, name)

    def tell_whole(self, path: bytes, what: str) -> None:
        """Tell that *path* with all below it is lost or added."""
        if not self.is_new(path):
            return
        self.last = path
        if not path.startswith(self._told):
            self._told = path + b"/"
            self._tell(path, what)

    def _compare_content(self, wanted: Expected, found: os.stat_result, fd: int, name: bytes) -> None:
        if wanted.size != b"%d" % found.st_size or wanted.checksum == NONE:
            return  # a difference in size is told already
        try:
            file = open_listed(name, wanted.path, fd)
            try:
                crc = crc32_of_file(file, found.st_size)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno not in DAMAGED:
                raise
            self._tell(wanted.path, UNREADABLE)
            return
        if crc != int(wanted.checksum, 16):
            self._tell(wanted.path, CONTENT)

    def _tell(self, path: bytes, what: str) -> None:
        if len(self._found) < self._most:
            self._found.append(Difference(path, what))
        else:
            self._truncated = True


def _differences(wanted: Expected, found: os.stat_result, fd: int, name: bytes) -> t.Iterator[str]:
    """Yield what differs at *name* in *fd*, without the content. Raises OSError."""
    kind = TYPES[stat.S_IFMT(found.st_mode)]
    if wanted.kind not in (kind, HARDLINK):
        yield TYPE
        return
    if stat.S_IMODE(found.st_mode) != wanted.mode:
        yield MODE
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
        yield OWNER
    if wanted.kind in (FILE, HARDLINK) and wanted.size != b"%d" % found.st_size:
        yield SIZE
    if wanted.kind == HARDLINK:
        return  # the record of the name that it was made from says the rest
    if kind == SYMLINK and os.readlink(name, dir_fd=fd) != wanted.target:
        yield TARGET
    if kind in (b"b", b"c") and b"%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev)) != wanted.size:
        yield DEVICE
    if digest_of_xattrs(fd if kind == DIRECTORY else below(fd, name)) != wanted.xattrs:
        yield XATTRS
