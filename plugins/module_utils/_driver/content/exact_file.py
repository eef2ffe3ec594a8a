# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact record of a layer: written while the layer is unpacked, and read. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._archive.exact_head import HEAD_SIZE, Head, parse_head
from ..._linux.noatime import open_quietly, read_quietly
from ..._linux.subject import about
from ..._store.layout import EXACT

if t.TYPE_CHECKING:
    from ..._archive.exact import ExactWriter


@contextlib.contextmanager
def new_exact(directory: str, wanted: bool) -> t.Iterator[ExactWriter | None]:
    """Yield the writer of a new exact record in *directory*, which nobody else sees; None if it is not *wanted*.

    The caller finishes it. A record that is not whole is removed. raises: OSError.
    """
    if not wanted:
        yield None
        return
    from ..._archive.exact import ExactWriter  # a run that changes nothing does not need it

    path = os.path.join(directory, EXACT)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        writer = ExactWriter(file)
        try:
            yield writer
        finally:
            if not writer.is_whole:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


def exact_head(home: str, layer_id: str, diff_id: str | None) -> Head | None:
    """Return the head of a layer's exact record; None if there is none, or if it is about another tar than *diff_id*.

    raises: OSError.
    """
    try:
        head = parse_head(read_quietly(f"{home}/{layer_id}/{EXACT}", HEAD_SIZE))
    except FileNotFoundError:
        return None
    return head if head and head.diff_id == diff_id else None


@contextlib.contextmanager
def open_exact(home: str, layer_id: str) -> t.Iterator[t.Callable[[int], bytes]]:
    """Yield a function that reads the exact record of a layer. Raises OSError."""
    path = f"{home}/{layer_id}/{EXACT}"
    with open(open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:

        def read(size: int) -> bytes:
            with about(path):
                return file.read(size) or b""

        yield read
