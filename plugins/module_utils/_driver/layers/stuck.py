# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out, without a try, what cannot be deleted, and why. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
import typing as t

from ..._errors import printable
from ..._linux import fsxattr
from ..._linux.mountinfo import mount_id
from ..._linux.noatime import open_quietly
from ..._linux.swaps import swap_files

_DEPTH = 64  # directories below this depth are not read
_KEPT = fsxattr.FS_XFLAG_IMMUTABLE | fsxattr.FS_XFLAG_APPEND


def why_stuck(directory: str) -> str:
    """Return why no part of *directory* can be deleted, with the name of the first file; "" if a part can.

    The reasons: the kernel swaps to a file; a file is immutable or append-only, or a directory is, with all that is in
    it; a mount; a file that cannot be read.
    """
    return _why_stuck(directory, {_inode(path) for path in swap_files()} - {None}, _DEPTH)


def _why_stuck(directory: str, swaps: t.Collection[t.Any], depth: int) -> str:
    if not depth:
        return ""
    try:
        fd = open_quietly(directory, os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return _because(directory, f"it cannot be read: {error.strerror}")
    try:
        if _is_kept(fd):
            return _because(directory, "it is immutable or append-only: run chattr -ia first")
        own = mount_id(fd)
        names = os.listdir(fd)
    except OSError as error:
        return _because(directory, f"it cannot be read: {error.strerror}")
    finally:
        os.close(fd)
    why = ""
    for name in names:
        here = _of_entry(f"{directory}/{name}", own, swaps, depth)
        if not here:
            return ""
        why = why or here
    return why


def _of_entry(path: str, own: int, swaps: t.Collection[t.Any], depth: int) -> str:
    try:
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            mounted = _mount_of(path) != own
            return _because(path, "something is mounted on it") if mounted else _why_stuck(path, swaps, depth - 1)
        if (status.st_dev, status.st_ino) in swaps:
            return _because(path, "the kernel swaps to it: run swapoff first")
        if stat.S_ISREG(status.st_mode):
            fd = open_quietly(path, os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                return _because(path, "it is immutable or append-only: run chattr -ia first") if _is_kept(fd) else ""
            finally:
                os.close(fd)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return _because(path, f"it cannot be read: {error.strerror}")
    return ""


def _mount_of(path: str) -> int:
    fd = open_quietly(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return mount_id(fd)
    finally:
        os.close(fd)


def _is_kept(fd: int) -> bool:
    try:
        return bool(fsxattr.get(fd).xflags & _KEPT)
    except OSError:  # the filesystem does not have these flags
        return False


def _inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _because(path: str, why: str) -> str:
    return f"{printable(path)}: {why}"
