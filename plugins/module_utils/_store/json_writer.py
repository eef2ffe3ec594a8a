# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes our small JSON files in a store: whole or not at all. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._linux.subject import about
from .._linux.sync import sync_directory, sync_file
from .json_file import FORMAT

_encoder = json.JSONEncoder(sort_keys=True)


_NEW = ".new"  # suffix while a file is written; the writer holds the lock, so one name is enough


def stage_file(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Write *content* to a new file in a hidden directory; the caller syncs it when it publishes. Raises OSError."""
    write_new(path, _encode(content), 0o600)


def write_new(path: str, data: bytes, mode: int) -> None:
    """Write a new small file with *mode*, independent of the umask. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with about(path):
        try:
            os.fchmod(fd, mode)
            while data:  # a filesystem that fills up now writes a part before the error
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)


def replace_file(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Write *content* to *path*, durably: after a crash, the file has the old content or the new. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + _NEW)  # left by a killed run
    with _not_left(path + _NEW):
        stage_file(path + _NEW, content)
        sync_file(path + _NEW)
        os.rename(path + _NEW, path)
    sync_directory(os.path.dirname(path))


def replace_unsynced(path: str, text: str) -> None:
    """Write ASCII *text* to *path* in one step, but not durably: the next boot makes it void. Raises OSError."""
    # One name for all runs: a run overwrites the file that a killed run left.
    fd = os.open(path + _NEW, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with _not_left(path + _NEW):
        with about(path), open(fd, "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path + _NEW, path)


def remove_file(path: str) -> None:
    """Remove our file at *path*, and an unfinished one beside it, if they exist. Raises OSError."""
    for name in (path + _NEW, path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


@contextlib.contextmanager
def _not_left(path: str) -> t.Iterator[None]:
    """Remove *path* if the block raises OSError."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def _encode(content: t.Mapping[str, t.Any]) -> bytes:
    return _encoder.encode({"format": FORMAT, **content}).encode() + b"\n"
