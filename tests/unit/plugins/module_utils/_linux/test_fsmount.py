# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import fsmount
from ansible_collections.strata.overlay2.plugins.module_utils._linux.fsmount import Message

pytestmark = pytest.mark.root


@pytest.fixture
def context() -> t.Iterator[int]:
    """The context of a tmpfs."""
    fd = fsmount.fsopen("tmpfs")
    yield fd
    os.close(fd)


def test_a_mount_is_made_step_by_step_and_has_no_place(context):
    before = Path("/proc/self/mountinfo").read_text()
    fsmount.set_string(context, "mode", "0710")
    fsmount.set_flag(context, "ro")
    fsmount.create(context)
    root = fsmount.fsmount(context)
    assert os.stat(root).st_mode & 0o777 == 0o710
    assert os.statvfs(root).f_flag & os.ST_RDONLY
    assert os.listdir(f"/proc/self/fd/{root}") == []
    assert Path("/proc/self/mountinfo").read_text() == before
    os.close(root)


def test_no_fd_is_inherited(context):
    fsmount.create(context)
    root = fsmount.fsmount(context)
    assert not os.get_inheritable(context) and not os.get_inheritable(root)
    os.close(root)


def test_the_log_is_told_once(context):
    assert list(fsmount.messages(context)) == []
    for name in ("nosuch", "other\\name"):
        with pytest.raises(OSError) as caught:
            fsmount.set_string(context, name, "x")
        assert caught.value.errno == errno.EINVAL
    told = [Message("e", f"tmpfs: Unknown parameter '{name}'") for name in ("nosuch", "other\\name")]
    assert list(fsmount.messages(context)) == told
    assert list(fsmount.messages(context)) == []


def test_the_longest_string(context):
    fsmount.set_string(context, "source", "x" * fsmount.LONGEST_STRING)
    other = fsmount.fsopen("tmpfs")
    try:
        with pytest.raises(OSError) as caught:
            fsmount.set_string(other, "source", "x" * (fsmount.LONGEST_STRING + 1))
        assert caught.value.errno == errno.EINVAL
        assert list(fsmount.messages(other)) == []
    finally:
        os.close(other)


@pytest.mark.parametrize(
    ("call", "number"),
    [
        pytest.param(lambda fd, path: fsmount.fsopen("nofs"), errno.ENODEV, id="no such filesystem"),
        pytest.param(lambda fd, path: fsmount.set_flag(fd, "nosuch"), errno.EINVAL, id="no such flag"),
        pytest.param(lambda fd, path: fsmount.fsmount(fd), errno.EINVAL, id="nothing created"),
    ],
)
def test_a_failure_is_an_os_error(context, tmp_path, call, number):
    with pytest.raises(OSError) as caught:
        call(context, tmp_path)
    assert caught.value.errno == number
