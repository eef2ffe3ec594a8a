# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place at which root writes a file, in a directory that other users may write to. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._errors import InvalidInput, printable
from ..._linux.noatime import open_quietly

_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_SYMLINKS = 40  # the limit of the kernel


class Place:
    """A name in a directory, which stays open: a rename of the path does not change the directory.

    path:    absolute, for messages. name: its last component.
    private: only root may put a file there.
    """

    def __init__(self, path: str) -> None:
        """Open the directory of *path*, which is absolute and without ``..``.

        raises: InvalidInput if the directory does not exist, if *path* is a directory, or if the path leads through a
                symlink that another user may replace; OSError.
        """
        self.path = path
        directory, self.name = os.path.split(path)
        self.fd = _open_directory(directory, path)
        self.private = not _is_open_to_others(os.fstat(self.fd))
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(self.name, dir_fd=self.fd).st_mode):
                raise InvalidInput(f"dest {printable(path)} is a directory", hint="give the path of a file")

    def __del__(self) -> None:
        """Close the directory if it is open."""
        if hasattr(self, "fd"):
            os.close(self.fd)

    @contextlib.contextmanager
    def opened(self) -> t.Iterator[t.BinaryIO | None]:
        """Open the regular file at the place for reading; None without a file, or for a symlink.

        raises: InvalidInput for any other kind of file, OSError. Never opens anything but a regular file.
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
                message = f"dest {printable(self.path)} is not a regular file"
                raise InvalidInput(message, hint="give a regular file, or the name of a new file")
            found = open_quietly(f"/proc/self/fd/{fd}", os.O_NONBLOCK)
        finally:
            os.close(fd)
        with open(found, "rb", buffering=0) as file:
            yield t.cast(t.BinaryIO, file)

    def sync(self) -> None:
        """Make the renames in the directory durable. Raises OSError."""
        os.fsync(self.fd)


def _open_directory(directory: str, path: str) -> int:
    """Open *directory*, name by name. Raises as Place."""
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
        raise _no_directory_error(path) from None
    except OSError as error:
        error.filename = path  # so that the error has one file name only
        raise
    finally:
        os.close(fd)


def _target(symlink: int, directory: os.stat_result, name: str, path: str, followed: int) -> str:
    """Return the target of a symlink that only root can have made. Raises InvalidInput, OSError."""
    if followed > _MAX_SYMLINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if _is_open_to_others(directory):
        raise InvalidInput(
            f"dest {printable(path)} leads through the symlink {printable(name)}, which others than root may replace",
            hint="give the path without the symlink",
        )
    return os.readlink("", dir_fd=symlink)


def _is_open_to_others(directory: os.stat_result) -> bool:
    """Tell whether another user than root may make a name there. The group's bits include the grants of an ACL."""
    return directory.st_uid != 0 or bool(directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _no_directory_error(path: str) -> InvalidInput:
    message = f"the directory of dest {printable(path)} does not exist"
    return InvalidInput(message, hint="give the path of a file in a directory that exists")
