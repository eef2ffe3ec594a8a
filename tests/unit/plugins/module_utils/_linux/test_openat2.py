# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    has_openat2,
    openat2,
)
from ansible_collections.strata.overlay2.tests import seccomp

NEEDS_IT = pytest.mark.skipif(not has_openat2(), reason="needs openat2(2): Linux 5.6")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    os.symlink("d", tmp_path / "l")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@NEEDS_IT
def test_it_opens(place, tmp_path):
    fd = openat2(b"d/e", os.O_RDONLY | os.O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, place)
    assert os.readlink(f"/proc/self/fd/{fd}") == f"{tmp_path}/d/e"
    assert not os.get_inheritable(fd)
    os.close(fd)


@NEEDS_IT
@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"missing", errno.ENOENT),
        (b"l/e", errno.ELOOP),
        (b"l", errno.ELOOP),
        (b"..", errno.EXDEV),
        (b"d/../../x", errno.EXDEV),
        (b"/", errno.EXDEV),
        (b"d\0", errno.EINVAL),
    ],
)
def test_what_it_must_not_lead_through(place, path, number):
    with pytest.raises(OSError) as caught:
        openat2(path, os.O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, place)
    assert (caught.value.errno, caught.value.filename) == (number, path)


@pytest.mark.root
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_there_is_none_it_says_so(number):
    code = f"from {has_openat2.__module__} import has_openat2; print(has_openat2())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: seccomp.refuse(seccomp.OPENAT2, number),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert run.stdout == b"False\n"
