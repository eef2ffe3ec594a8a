# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota.support import (
    block_size,
    project_quota_is_on,
    rounded,
    why_no_project_quota,
    why_off,
)
from ansible_collections.strata.overlay2.plugins.module_utils._linux import device_node, fsmount, mountinfo, quotactl

COUNTED, ENFORCED = quotactl.FS_QUOTA_PDQ_ACCT, quotactl.FS_QUOTA_PDQ_ENFD
WITH_FEATURE = ("-O", "quota,project", "-E", "quotatype=prjquota")


def mount_at(place: str) -> mountinfo.Mount:
    return next(mount for mount in reversed(mountinfo.read()) if mount.mount_point == place)


def ask(place: str) -> tuple[str, str] | None:
    mount = mount_at(place)
    why = why_no_project_quota(place, mount.fstype, mount)
    assert project_quota_is_on(place) is (why is None)
    return why


@pytest.mark.root
def test_it_is_on(loop_filesystem):
    assert ask(str(loop_filesystem("ext4", *WITH_FEATURE, options="prjquota"))) is None


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "arguments", "options", "reason", "hint"),
    [
        pytest.param("ext4", (), "rw", "ext4 is mounted without prjquota", "tune2fs", id="ext4"),
        pytest.param("xfs", (), "rw", "xfs is mounted without prjquota", "rootflags=prjquota", id="xfs"),
        pytest.param("xfs", (), "pqnoenforce", "accounted but not enforced", "prjquota", id="xfs, not enforced"),
        pytest.param("ext4", WITH_FEATURE, "rw", "accounted but not enforced", "prjquota", id="ext4, not enforced"),
        pytest.param("btrfs", (), "rw", "btrfs has no project quota", "XFS or ext4", id="btrfs"),
    ],
)
def test_it_is_off(loop_filesystem, kind, arguments, options, reason, hint):
    found = ask(str(loop_filesystem(kind, *arguments, options=options)))
    assert found is not None
    assert found[0].endswith(reason)
    assert hint in found[1]


@pytest.mark.root
def test_a_root_filesystem_cannot_be_unmounted_to_have_quotas(loop_filesystem):
    place = str(loop_filesystem("ext4", options="rw"))
    found = why_no_project_quota(place, "ext4", mount_at(place)._replace(mount_point="/"))
    assert found is not None
    assert found.hint.startswith("put the store on a filesystem of its own") and "rootflags=prjquota" in found.hint


@pytest.mark.parametrize(
    ("flags", "options", "reason"),
    [
        pytest.param(COUNTED | ENFORCED, ["rw", "prjquota"], None, id="on"),
        pytest.param(COUNTED, ["rw", "pqnoenforce"], "project quota is accounted but not enforced", id="only counted"),
        pytest.param(0, ["rw"], "xfs is mounted without prjquota", id="no option"),
        pytest.param(3, ["rw", "usrquota"], "xfs is mounted without prjquota", id="quotas of users"),
        pytest.param(0, ["rw", "prjquota"], "xfs is mounted with prjquota, but project quota is off", id="turned off"),
        pytest.param(ENFORCED, ["rw"], "xfs is mounted without prjquota", id="enforcing what is not counted"),
    ],
)
def test_what_the_kernel_says_is_judged(flags, options, reason):
    found = why_off(flags, "xfs", options)
    assert (found and found.reason) == reason


def test_a_filesystem_of_an_unknown_kind_is_judged_by_what_the_kernel_says():
    assert why_off(COUNTED | ENFORCED, "newfs", ()) is None
    found = why_off(COUNTED, "newfs", ())
    assert found is not None and found.reason == "newfs has no project quota"


def test_a_filesystem_without():
    found = ask("/proc")
    assert found is not None
    assert found.reason == "proc has no project quota"


@pytest.mark.root
def test_a_device_that_is_not_here_is_named(loop_filesystem, monkeypatch):
    place = loop_filesystem("xfs")
    mount = mount_at(str(place))
    monkeypatch.setattr(quotactl, "SYS_QUOTACTL_FD", 9999)  # a kernel before 5.2, to which /dev shows nothing
    monkeypatch.setattr(fsmount, "SYS_FSOPEN", 9999)
    monkeypatch.setattr(device_node, "is_node", lambda *_arguments: False)
    found = why_no_project_quota(str(place), mount.fstype, mount)
    assert found is not None and not project_quota_is_on(str(place))
    assert found[0].startswith("this kernel needs the block device to tell quotas, and /dev/loop")


def test_in_a_user_namespace(python_output):
    code = (
        "from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota.support import *\n"
        "print(project_quota_is_on('/'), why_no_project_quota('/', 'xfs', None).reason)"
    )
    before = ["unshare", "--user", "--map-root-user"]
    assert python_output(code, before=before) == "False a user namespace cannot set quotas\n"


@pytest.mark.parametrize(
    ("size", "block", "expected"),
    [
        (0, 4096, 0),
        (1, 512, 512),
        (511, 512, 512),
        (512, 512, 512),
        (513, 512, 1024),
        (1, 4096, 4096),
        (8192, 4096, 8192),
    ],
)
def test_a_size_is_rounded_up(size, block, expected):
    assert rounded(size, block) == expected


def test_a_block_is_a_multiple_of_the_basic_block(tmp_path):
    assert block_size(str(tmp_path)) % 512 == 0
