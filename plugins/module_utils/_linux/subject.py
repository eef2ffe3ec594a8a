# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path in an OSError. PRIVATE to the collection."""

from __future__ import annotations

import os

from .libc import Path

_BY_DESCRIPTOR = "/proc/self/fd/"  # the prefix of paths that lead the xattr calls through a descriptor


def about(path: Path) -> _About:
    """Make an OSError that is raised inside the block name *path*, or a file below *path*.

    Python puts into an OSError only the name that the caller passed. A call on a descriptor has no name; a call on a
    name in an open directory has that name alone, which is taken as a name in *path*. A whole path stays. For a
    symlink the path is the second name: the first one is the target.
    """
    return _About(path)


class _About:
    """The block of about(). A generator would cost as much as a system call, and a run enters thousands of blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, OSError):
            return
        name, other = _text(error.filename), _text(error.filename2)
        if _is_path(other) and not _is_path(name):
            error.filename = other
        elif not _is_path(name):
            if name.startswith(_BY_DESCRIPTOR):  # /proc/self/fd/N/name
                name = name[len(_BY_DESCRIPTOR) :].partition("/")[2]
            error.filename = os.path.join(os.fsdecode(self._path), name) if name else os.fsdecode(self._path)


def names_a_path(error: OSError) -> bool:
    """Tell whether *error* is about one file and has the whole path of the file."""
    return error.filename2 is None and _is_path(_text(error.filename))


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else ""


def _is_path(name: str) -> bool:
    return os.path.isabs(name) and not name.startswith(_BY_DESCRIPTOR)
