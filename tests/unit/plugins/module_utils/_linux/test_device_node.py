# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import fsmount, mountinfo
from ansible_collections.strata.overlay2.plugins.module_utils._linux.device_node import device_node, is_node


@pytest.fixture
def opened(loop_filesystem):
    fd = os.open(loop_filesystem("xfs"), os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.root
def test_the_node_that_the_mount_table_names(opened):
    with device_node(opened) as path:
        assert path.startswith("/dev/loop")
        assert is_node(path, os.fstat(opened).st_dev)


@pytest.mark.root
@pytest.mark.parametrize("source", [None, "/dev/none", "/dev/null", "tmpfs"])
def test_where_dev_has_none_the_kernel_is_asked(opened, monkeypatch, source):
    def mount_of_fd(fd: int, mounts: object) -> mountinfo.Mount | None:
        return source and mountinfo.Mount(1, 0, "7:0", "/", "/", "rw", (), "xfs", source, "rw")

    monkeypatch.setattr(mountinfo, "mount_of_fd", mount_of_fd)
    mounted = Path("/proc/self/mountinfo").read_text()
    with device_node(opened) as path:
        assert not path.startswith("/dev/")
        assert is_node(path, os.fstat(opened).st_dev)
        with open(path, "rb") as device:
            assert device.read(4) == b"XFSB"
        assert Path("/proc/self/mountinfo").read_text() == mounted
    assert not os.path.exists(path)


@pytest.mark.root
def test_a_kernel_that_cannot_be_asked(opened, monkeypatch):
    monkeypatch.setattr(mountinfo, "mount_of_fd", lambda *_arguments: None)
    monkeypatch.setattr(fsmount, "SYS_FSOPEN", 9999)
    with pytest.raises(OSError) as caught, device_node(opened):
        pass
    assert caught.value.errno == errno.ENODEV


def test_what_lies_on_no_device():
    with open("/proc/self/status", "rb") as file, pytest.raises(OSError) as caught, device_node(file.fileno()):
        pass
    assert caught.value.errno == errno.ENODEV
