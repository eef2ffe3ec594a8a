# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a tree, whatever lies in it, and for as long as there is time. PRIVATE to the collection."""

from __future__ import annotations

import errno
import os
import typing as t

from .._linux.mountinfo import mount_id
from .._linux.noatime import open_quietly
from .._linux.openat2 import RESOLVE_NO_XDEV, has_openat2, openat2
from .._linux.subject import about
from .._linux.unlink import try_unlink
from .lock import Deadline

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEPTH = 64  # open directories at most; what lies deeper is moved up first


def delete_tree(path: str, until: Deadline | None = None) -> bool:
    """Delete the directory *path* and all below it, by directory fds, never following a symlink or entering a mount.

    What is mounted may be of the same filesystem, and what it shows somebody's data. until: stop then; None to go on to
    the end.
    returns: whether it is gone: False where time was up. A missing *path* is fine.
    raises:  OSError (EBUSY for a mount point), the first of several; what could be deleted is gone then.
    """
    directory, name = os.path.split(path)
    try:
        parent = open_quietly(directory, os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        with about(directory):
            return _delete(parent, name, until)
    finally:
        os.close(parent)


def _delete(parent: int, name: str, until: Deadline | None) -> bool:
    try:
        top = _enter(name, parent)
    except FileNotFoundError:
        return True
    try:
        tree = _Tree(top, until)
        with about(name):
            while tree.empty(top, 0):
                pass
    except _TimeIsUp:
        return False
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)
    return True


def _enter(name: str, parent: int) -> int:
    """Open the directory *name* in *parent*, unless something is mounted on it. Raises OSError, EBUSY for that."""
    try:
        if has_openat2():
            return openat2(os.fsencode(name), _OPEN, RESOLVE_NO_XDEV, parent)
        fd = os.open(name, _OPEN, dir_fd=parent)
        if mount_id(fd) == mount_id(parent):
            return fd
        os.close(fd)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)


class _TimeIsUp(Exception):
    """What is left is for another time."""


class _Tree(t.NamedTuple):
    """What is being deleted. top: fd of its directory."""

    top: int
    until: Deadline | None

    def empty(self, fd: int, depth: int) -> bool:
        """Delete all in *fd*; tell whether something too deep was moved up, so that the top has to be seen to again.

        What cannot be deleted stays, and nothing else does. Raises OSError for the first of that.
        """
        moved = False
        failed: OSError | None = None
        for name in os.listdir(fd):
            if self.until is not None and self.until.passed:
                raise _TimeIsUp()
            try:
                moved |= self._delete(name, fd, depth)
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return moved

    def _delete(self, name: str, fd: int, depth: int) -> bool:
        """Delete *name* in *fd*; tell whether it, or something in it, was moved up instead. Raises OSError."""
        if try_unlink(name, fd):
            return False
        if depth == _DEPTH:
            os.rename(name, os.urandom(8).hex(), src_dir_fd=fd, dst_dir_fd=self.top)
            return True
        below = _enter(name, fd)
        try:
            with about(name):
                moved = self.empty(below, depth + 1)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=fd)
        return moved
