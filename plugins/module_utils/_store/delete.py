# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete a tree with any content, within a limit of time. PRIVATE to the collection."""

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
_DEPTH = 64  # open directories at most; deeper directories are moved up first


def delete_tree(path: str, until: Deadline | None = None) -> bool:
    """Delete the directory *path* and all below it, by directory fds, never following a symlink or entering a mount.

    A mount may be of the same filesystem, and show data of others. until: when to stop; None for no limit.
    returns: True if *path* is gone or was missing, False if the time was up.
    raises:  OSError (EBUSY for a mount point), the first of several; all else is deleted then.
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
    """Open the directory *name* in *parent*. Raises OSError; EBUSY if something is mounted on it."""
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
    """The time is up; a later run deletes the rest."""


class _Tree(t.NamedTuple):
    """A tree that is being deleted. top: fd of its directory."""

    top: int
    until: Deadline | None

    def empty(self, fd: int, depth: int) -> bool:
        """Delete all in *fd*; tell whether a deep directory was moved up, so that *top* must be emptied again.

        Only what cannot be deleted stays. Raises OSError for the first failure.
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
        """Delete *name* in *fd*; tell whether it, or a directory in it, was moved up instead. Raises OSError."""
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
