# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in a bbolt database of another engine, without what its free pages still hold. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._bolt.live import Busy, read_live
from .._bolt.meta import Unreadable

if t.TYPE_CHECKING:
    from .._bolt.tree import Bucket
    from .name_search import NameSearch

_AT_ONCE = 1 << 20  # bytes that are searched together


def names_in_database(fd: int, search: NameSearch) -> set[str] | None:
    """Return the names that occur in the keys and values of the open database; None if it cannot be read so.

    raises: OSError.
    """
    found: set[str] = set()
    waiting: list[bytes] = []
    size = 0
    try:
        for piece in _pieces(read_live(fd).root):
            waiting.append(piece)
            size += len(piece)
            if size > _AT_ONCE:
                found |= search.names_in(b"\0".join(waiting))
                waiting, size = [], 0
    except (Unreadable, Busy):
        return None
    return found | search.names_in(b"\0".join(waiting))


def _pieces(root: Bucket) -> t.Iterator[bytes]:
    """Yield the keys and values of a bucket, and of those in it. Raises Unreadable."""
    todo = [root]
    while todo:
        for key, value in todo.pop().items():
            yield key
            if isinstance(value, bytes):
                yield value
            else:
                todo.append(value)
