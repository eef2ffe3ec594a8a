# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in a directory. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._linux.noatime import open_quietly
from .._linux.subject import about


class Name(t.NamedTuple):
    """An entry of a directory; a symlink does not count as a directory."""

    name: str
    is_directory: bool
    is_symlink: bool


def names_in(directory: str) -> list[Name]:
    """Return the entries of *directory*, without a change of its access time. Raises OSError."""
    with entries_of(directory) as entries:
        return [Name(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]


def directories_in(directory: str) -> list[str]:
    """Return the names of the directories in *directory*, as names_in does; costs less. Raises OSError."""
    with entries_of(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@contextlib.contextmanager
def entries_of(directory: str) -> t.Iterator[t.Iterator[os.DirEntry[str]]]:
    fd = open_quietly(directory, os.O_DIRECTORY)
    with about(directory):
        try:
            with os.scandir(fd) as entries:
                yield entries
        finally:
            os.close(fd)
