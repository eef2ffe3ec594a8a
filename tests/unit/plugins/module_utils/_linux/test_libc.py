# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import errno
import os
import platform

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import libc


def test_minus_one_is_an_os_error_with_the_path():
    ctypes.set_errno(errno.ENOENT)
    with pytest.raises(FileNotFoundError) as caught:
        libc.check(-1, "/a")
    assert caught.value.filename == "/a"


def test_anything_else_is_the_answer():
    assert libc.check(7) == 7


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="numbers are known for two machines only")
def test_the_number_is_this_machines():
    number = libc.syscall_number(x86_64=39, aarch64=172)  # getpid
    assert libc.libc.syscall(ctypes.c_long(number)) == os.getpid()
