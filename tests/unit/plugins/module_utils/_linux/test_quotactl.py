# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mountinfo, quotactl

ACCOUNTED = quotactl.FS_QUOTA_PDQ_ACCT
BOTH = quotactl.FS_QUOTA_PDQ_ACCT | quotactl.FS_QUOTA_PDQ_ENFD


def kernel_has_quotas() -> bool:
    fd = os.open("/proc", os.O_RDONLY)
    try:
        quotactl.state_by_fd(fd)
    except OSError as error:
        return error.errno != errno.ENOSYS
    finally:
        os.close(fd)
    return True


HAS_QUOTAS = kernel_has_quotas()
needs_quotas = pytest.mark.skipif(not HAS_QUOTAS, reason="a kernel before 5.14 or without CONFIG_QUOTA")


@needs_quotas
@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "arguments", "options", "flags"),
    [
        pytest.param("xfs", (), "rw", 0, id="xfs without"),
        pytest.param("xfs", (), "prjquota", BOTH, id="xfs, enforced"),
        pytest.param("xfs", (), "pqnoenforce", ACCOUNTED, id="xfs, only accounted"),
        pytest.param("xfs", (), "uquota", 0, id="xfs, quotas of users only"),
        pytest.param("ext4", (), "rw", 0, id="ext4 without"),
        pytest.param(
            "ext4", ("-O", "quota,project", "-E", "quotatype=prjquota"), "prjquota", BOTH, id="ext4, enforced"
        ),
        pytest.param("btrfs", (), "rw", 0, id="btrfs"),
    ],
)
def test_the_state_is_the_same_by_descriptor_and_by_device(loop_filesystem, kind, arguments, options, flags):
    home = loop_filesystem(kind, *arguments, options=options)
    fd = os.open(home, os.O_RDONLY)
    try:
        mount = mountinfo.mount_of_fd(fd, mountinfo.read())
        by_fd = quotactl.state_by_fd(fd) & BOTH
    finally:
        os.close(fd)
    assert by_fd == flags
    assert mount is not None
    if kind != "btrfs":  # it has no one device
        assert quotactl.state_by_device(mount.source) & BOTH == flags


@pytest.mark.root
def test_a_kernel_that_must_be_asked_by_device_where_dev_has_none(loop_filesystem, monkeypatch):
    fd = os.open(loop_filesystem("xfs", options="prjquota"), os.O_RDONLY)
    monkeypatch.setattr(quotactl, "SYS_QUOTACTL_FD", 9999)
    monkeypatch.setattr(mountinfo, "mount_of_fd", lambda *_arguments: None)
    try:
        assert quotactl.query(fd, quotactl.state) & BOTH == BOTH
        quotactl.query(fd, quotactl.set_limits, 77, 2048, 10)
        assert quotactl.query(fd, quotactl.get, 77)[:3] == (77, 2048, 10)
    finally:
        os.close(fd)


@needs_quotas
def test_a_filesystem_without_device():
    fd = os.open("/proc", os.O_RDONLY)
    try:
        assert quotactl.state_by_fd(fd) == 0
    finally:
        os.close(fd)


@needs_quotas
def test_a_missing_device_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        quotactl.state_by_device(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")


@needs_quotas
def test_a_closed_descriptor_is_an_error():
    fd = os.open("/", os.O_RDONLY)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        quotactl.state_by_fd(fd)


@pytest.mark.skipif(HAS_QUOTAS, reason="a kernel with quotas")
def test_a_kernel_without_quotas_says_so_for_both():
    with pytest.raises(OSError, match="not implemented") as caught:
        quotactl.state_by_device("/dev/none")
    assert caught.value.errno == errno.ENOSYS
