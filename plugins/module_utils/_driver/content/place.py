# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file of root's is written, in a directory that others may write to, too. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._errors import InvalidInput, printable
from ..._linux.noatime import open_quietly

_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_SYMLINKS = 40  # as the kernel follows


class Place:
    """A name in a directory, which is held open: whatever happens to its path, it stays the same directory.

    path:    absolute, for messages. name: its last component.
    private: nobody but root may put a file there.
    """

    def __init__(self, path: str) -> None:
        """Open the directory of *path*, which is absolute and without ``..``.

        raises: InvalidInput if there is none, if a directory is at *path*, or if the way leads through a symlink that
                somebody else than root may replace; OSError.
        """
        self.path = path
        directory, self.name = os.path.split(path)
        self.fd = _open_directory(directory, path)
        self.private = not _is_open_to_others(os.fstat(self.fd))
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(self.name, dir_fd=self.fd).st_mode):
                raise _in_none(path)

    def __del__(self) -> None:
        """Close the directory, if it was opened."""
        if hasattr(self, "fd"):
            os.close(self.fd)

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[t.BinaryIO | None]:
        """Open the regular file of that name for reading; None if there is none, or a symlink.

        raises: InvalidInput for anything else, OSError. Nothing but a regular file is opened, however it got there.
        """
        try:
            fd = os.open(self.name, _WALK, dir_fd=self.fd)
        except FileNotFoundError:
            yield None
            return
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode):
                yield None
                return
            if not stat.S_ISREG(mode):
                message = f"dest {printable(self.path)} is no regular file"
                raise InvalidInput(message, hint="give a file, or the name of a new one")
            found = open_quietly(f"/proc/self/fd/{fd}", os.O_NONBLOCK)
        finally:
            os.close(fd)
        with open(found, "rb", buffering=0) as file:
            yield t.cast(t.BinaryIO, file)

    def sync(self) -> None:
        """Make durable what was renamed in the directory. Raises OSError."""
        os.fsync(self.fd)


def _open_directory(directory: str, path: str) -> int:
    """Open *directory*, one name after the other. Raises as Place."""
    names = directory.split("/")[::-1]
    symlinks = 0
    fd = os.open("/", _WALK | os.O_DIRECTORY)
    try:
        while names:
            name = names.pop() or "."
            found = os.open(name, _WALK, dir_fd=fd)
            st = os.fstat(found)
            if not stat.S_ISLNK(st.st_mode):
                fd, above = found, fd
                os.close(above)
                continue
            try:
                symlinks += 1
                target = _target(found, os.fstat(fd), name, path, symlinks)
            finally:
                os.close(found)
            if target.startswith("/"):
                fd, above = os.open("/", _WALK | os.O_DIRECTORY), fd
                os.close(above)
            names += target.split("/")[::-1]
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    except (FileNotFoundError, NotADirectoryError):
        raise _in_none(path) from None
    except OSError as error:
        error.filename = path  # it has one name only
        raise
    finally:
        os.close(fd)


def _target(symlink: int, directory: os.stat_result, name: str, path: str, followed: int) -> str:
    """Return where a symlink leads, if only root can have made it so. Raises InvalidInput, OSError."""
    if followed > _MAX_SYMLINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if _is_open_to_others(directory):
        raise InvalidInput(
            f"dest {printable(path)} leads through the symlink {printable(name)}, which others than root may replace",
            hint="give the path without it",
        )
    return os.readlink("", dir_fd=symlink)


def _is_open_to_others(directory: os.stat_result) -> bool:
    """Tell whether somebody else than root may make a name there. The group's bits have what an ACL grants, too."""
    return directory.st_uid != 0 or bool(directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _in_none(path: str) -> InvalidInput:
    message = f"dest {printable(path)} is a directory, or in none"
    return InvalidInput(message, hint="give a file in a directory that exists")
