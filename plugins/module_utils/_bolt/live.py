# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a bbolt database that an engine has open, without its lock. PRIVATE to the collection.

A reader cannot have the lock while the engine runs, and the engine could not start while a reader has it. Without a
lock, one rule makes a copy whole: after the copy, the newest meta page is still the same.

Transaction n+1 writes only to pages that n and n-1 do not use. It writes its meta page last. So nothing overwrites the
pages of n before the meta page of n+1 can be seen; n+2 may overwrite them. A copy that is one transaction late may be
torn, because n+2 can be under way. Source: bbolt tx.go, internal/freelist; tried.
"""

from __future__ import annotations

import mmap
import os
import stat
import typing as t

from .meta import HEAD, Data, Meta, Unreadable, newest_meta
from .tree import Bucket, root_bucket

LIMIT = 256 << 20  # bytes of a database that are read into memory
_TRIES = 50


class Busy(Exception):
    """The engine wrote during each try."""


class Database(t.NamedTuple):
    """A copy of a database, as one transaction left it."""

    root: Bucket
    txid: int
    tries: int  # copies that it took


def read_live(fd: int, limit: int = LIMIT) -> Database:
    """Return a copy of the database that the file *fd* is. The caller checks that its path still leads to this file.

    raises: Unreadable if it is not a database, or needs more than *limit* bytes; Busy; OSError.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Unreadable("it is not a regular file")
    for tries in range(1, _TRIES + 1):
        meta = _meta_of(fd)
        data = _copy(fd, meta, limit)
        if _meta_of(fd) == meta:
            return Database(root_bucket(data, meta), meta.txid, tries)
    raise Busy(f"its engine wrote to it during each of {_TRIES} tries to read it")


def _meta_of(fd: int) -> Meta:
    return newest_meta(os.pread(fd, HEAD, 0))


def _copy(fd: int, meta: Meta, limit: int) -> Data:
    """Return the pages in use. The file may end before them: bbolt can leave out a tail that is free."""
    size = min(os.fstat(fd).st_size, meta.pages * meta.page_size)
    if size > limit:
        raise Unreadable(f"it needs {size} bytes, and at most {limit} are read")
    data = mmap.mmap(-1, size)  # goes back to the system with the copy
    with memoryview(data) as view:
        done = 0
        while done < size:
            got = os.preadv(fd, [view[done:]], done)
            if not got:  # the file was cut since; what is missing are zeros, which no bucket's page is
                break
            done += got
    return data
