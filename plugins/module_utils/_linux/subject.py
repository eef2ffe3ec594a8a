# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path in an OSError. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .libc import Path

_BY_DESCRIPTOR = "/proc/self/fd/"  # how the xattr calls are led to what only a descriptor names


@contextlib.contextmanager
def about(path: Path) -> t.Iterator[None]:
    """Let an OSError that is raised in here name *path*, or what lies below it.

    The kernel names nothing: Python knows a path only where it was given one. A call on a descriptor has none, and one
    on a name in an open directory has that name alone, which is then one below *path*. An absolute path stays.
    """
    try:
        yield
    except OSError as error:
        found = error.filename
        name = os.fsdecode(found) if isinstance(found, (str, bytes)) else ""
        if name.startswith(_BY_DESCRIPTOR):  # /proc/self/fd/N/name
            name = name[len(_BY_DESCRIPTOR) :].partition("/")[2]
        error.filename = os.path.join(os.fsdecode(path), name) if name else os.fsdecode(path)
        raise
