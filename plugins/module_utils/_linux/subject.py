# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path in an OSError. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .libc import Path

_BY_DESCRIPTOR = "/proc/self/fd/"  # the prefix of paths that lead the xattr calls through a descriptor


@contextlib.contextmanager
def about(path: Path) -> t.Iterator[None]:
    """Make an OSError that is raised inside the block name *path*, or a file below *path*.

    Python puts into an OSError only the name that the caller passed. A call on a descriptor has no name; a call on a
    name in an open directory has that name alone, which is taken as a name in *path*. A whole path stays. For a
    symlink the path is the second name: the first one is the target.
    """
    try:
        yield
    except OSError as error:
        name, other = _text(error.filename), _text(error.filename2)
        if _is_path(other) and not _is_path(name):
            error.filename = other
        elif not _is_path(name):
            if name.startswith(_BY_DESCRIPTOR):  # /proc/self/fd/N/name
                name = name[len(_BY_DESCRIPTOR) :].partition("/")[2]
            error.filename = os.path.join(os.fsdecode(path), name) if name else os.fsdecode(path)
        raise


def names_a_path(error: OSError) -> bool:
    """Tell whether *error* is about one file and has the whole path of the file."""
    return error.filename2 is None and _is_path(_text(error.filename))


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else ""


def _is_path(name: str) -> bool:
    return os.path.isabs(name) and not name.startswith(_BY_DESCRIPTOR)
