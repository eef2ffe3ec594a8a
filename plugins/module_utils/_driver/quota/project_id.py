# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project id of a directory, and whether new files inherit it. Needs no quota. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from ..._linux import fsxattr
from ..._linux.noatime import open_quietly
from ..._linux.subject import about

_NO_ATTRIBUTES = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL)


def project_of(directory: str) -> int:
    """Return the project id of *directory*; 0 without project, or on a filesystem without projects. Raises OSError."""
    with opened(directory) as fd:
        return project_of_fd(fd)


def stop_inheritance(*directories: str) -> None:
    """Stop the inheritance of a project id by new files in *directories*. Raises OSError.

    A home with a project id gives the id to new files, and rename(2) refuses to move other files there (EXDEV).
    """
    for directory in directories:
        with contextlib.suppress(FileNotFoundError), opened(directory) as fd:
            found = _attributes(fd)
            if found and found.xflags & fsxattr.FS_XFLAG_PROJINHERIT:
                fsxattr.put(fd, found._replace(xflags=found.xflags & ~fsxattr.FS_XFLAG_PROJINHERIT))


@contextlib.contextmanager
def opened(directory: str) -> t.Iterator[int]:
    """Yield a descriptor of *directory*, and let errors name the directory. Raises OSError."""
    fd = open_quietly(directory, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with about(directory):
            yield fd
    finally:
        os.close(fd)


def project_of_fd(fd: int) -> int:
    """Return the project id of *fd*, as project_of does. Raises OSError."""
    found = _attributes(fd)
    return found.project_id if found else 0


def _attributes(fd: int) -> fsxattr.FsXattr | None:
    """Return the attributes of *fd*; None on a filesystem without project ids. Raises OSError."""
    try:
        return fsxattr.get(fd)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise
        return None
