# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""renameat2(2): exchange two names; rename without replacing. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os

from .libc import AT_FDCWD, Path, libc, syscall_number

# include/uapi/linux/fs.h
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


def exchange(src: Path, dst: Path, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
    """Swap two names in one step. Raises OSError with both names; EINVAL if the filesystem cannot do this."""
    _renameat2(src, dst, src_dir_fd, dst_dir_fd, RENAME_EXCHANGE)


def rename_noreplace(src: Path, dst: Path, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
    """Rename *src* to *dst*, which must not exist; os.rename would replace an empty directory.

    Raises OSError with both names: FileExistsError; EINVAL if the filesystem cannot do this.
    """
    _renameat2(src, dst, src_dir_fd, dst_dir_fd, RENAME_NOREPLACE)


def _renameat2(src: Path, dst: Path, src_dir_fd: int | None, dst_dir_fd: int | None, flags: int) -> None:
    result = libc.syscall(
        ctypes.c_long(syscall_number(x86_64=316, aarch64=276)),
        ctypes.c_int(AT_FDCWD if src_dir_fd is None else src_dir_fd),
        ctypes.c_char_p(os.fsencode(src)),
        ctypes.c_int(AT_FDCWD if dst_dir_fd is None else dst_dir_fd),
        ctypes.c_char_p(os.fsencode(dst)),
        ctypes.c_uint(flags),
    )
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(src), None, os.fspath(dst))
