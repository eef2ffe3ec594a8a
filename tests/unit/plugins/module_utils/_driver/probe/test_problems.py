# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import inspect
import re

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import problems
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.cache import Parameters, TrialResults
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe.filesystem import Filesystem
from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota.support import QuotaOff

GIB = 1 << 30
GOOD = Filesystem(
    place="/store",
    kind="xfs",
    backing_fs="xfs",
    device="/dev/sda1",
    mount_point="/store",
    options="rw,prjquota",
    read_only=False,
    size=100 * GIB,
    free=50 * GIB,
    inodes=1_000_000,
    inodes_free=500_000,
    dev=1,
    fsid=2,
    supports_d_type=True,
    trusted_xattrs=True,
    user_xattrs=True,
    quota_off=None,
)
WORKS = TrialResults(Parameters(False, False, False), False, True, True, False)


def found(filesystem=GOOD, answers=WORKS, is_root=True):
    return list(problems.find_problems(filesystem, answers, is_root=is_root))


def test_nothing_stands_in_the_way():
    assert found() == []


@pytest.mark.parametrize(
    ("change", "code", "message", "hint"),
    [
        ({"kind": "overlay", "backing_fs": "overlayfs"}, "nested_overlay", "/store is an overlay", "local filesystem"),
        ({"kind": "nfs4", "backing_fs": "nfs"}, "network_filesystem", "/store is a network", "local filesystem"),
        ({"kind": "cifs", "backing_fs": "<unknown>"}, "network_filesystem", "/store is a network", "local filesystem"),
        ({"kind": "fuse.sshfs", "backing_fs": "fuse"}, "network_filesystem", "a network", "local filesystem"),
        ({"kind": "fuse.x", "backing_fs": "fuse"}, "unsuitable_filesystem", "/store is fuse.x,", "local filesystem"),
        ({"kind": "vfat", "backing_fs": "<unknown>"}, "unsuitable_filesystem", "is vfat", "local filesystem"),
        ({"kind": "tmpfs", "backing_fs": "tmpfs"}, "not_persistent", "does not survive a reboot", "put the store on"),
        ({"read_only": True}, "read_only", "/store is mounted read-only", "read-write"),
        ({"supports_d_type": False}, "no_d_type", "/store does not keep", "mkfs.xfs -n ftype=1"),
        ({"supports_d_type": False, "backing_fs": "extfs"}, "no_d_type", "/store", "tune2fs -O filetype"),
        ({"supports_d_type": False, "backing_fs": "jfs"}, "no_d_type", "/store", "local filesystem"),
        ({"supports_d_type": None}, "not_probed", "d_type was not probed", "root"),
        ({"trusted_xattrs": False}, "no_xattrs", "/store does not keep trusted xattrs", "local filesystem"),
        ({"quota_off": QuotaOff("for fun", "laugh")}, "no_project_quota", "cannot have limits: for fun", "laugh"),
        ({"free": 4 * GIB}, "nearly_full", f"/store has {4 * GIB} of {100 * GIB} bytes left", "overlay2_prune"),
        ({"inodes_free": 49_999}, "nearly_full", "/store has 49999 of 1000000 inodes left", "overlay2_prune"),
        ({"read_only": True, "mount_point": None, "place": "/x"}, "read_only", "/x is mounted", "read-write"),
        ({"read_only": True, "mount_point": "/\udcff"}, "read_only", "/\\xff is mounted", "read-write"),
    ],
)
def test_of_the_filesystem(change, code, message, hint):
    [problem] = found(GOOD._replace(**change))
    assert problem.code == code
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "virtiofs", "backing_fs": "fuse"}, id="virtiofs can hold an upperdir"),
        pytest.param({"free": 5 * GIB}, id="5 % free"),
        pytest.param({"size": 10_000 * GIB, "free": 11 * GIB}, id="little of much"),
        pytest.param({"size": 0, "free": 0}, id="without space, as proc"),
        pytest.param({"inodes": 0, "inodes_free": 0}, id="inodes are not counted"),
        pytest.param({"inodes": 10**9, "inodes_free": 10**6}, id="few of many inodes"),
        pytest.param({"trusted_xattrs": None}, id="xattrs are not known"),
    ],
)
def test_no_problem(change):
    assert found(GOOD._replace(**change)) == []


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"overlay": None, "why_no_overlay": "refused"}, "not_probed", "overlays were not probed: refused"),
        ({"overlay": False, "why_no_overlay": "too old"}, "no_overlay", "can be mounted: too old"),
        ({"native_overlay_diff": None, "why_no_native_diff": "odd"}, "not_probed", "native diff was not probed: odd"),
        ({"native_overlay_diff": False, "why_no_native_diff": "old"}, "no_native_diff", "compare two trees: old"),
        ({"userxattr": True}, "needs_userxattr", "user xattrs"),
    ],
)
def test_of_overlays(change, code, message):
    [problem] = found(answers=WORKS._replace(**change))
    assert problem.code == code
    assert message in problem.message


def test_in_a_user_namespace_user_xattrs_are_needed():
    in_userns = WORKS._replace(userxattr=True)
    assert [one.code for one in found(GOOD._replace(trusted_xattrs=False), in_userns)] == ["needs_userxattr"]
    codes = [one.code for one in found(GOOD._replace(user_xattrs=False), in_userns)]
    assert codes == ["no_xattrs", "needs_userxattr"]


def test_without_root_that_says_it_all():
    untried = TrialResults(WORKS.parameters, False)
    assert [one.code for one in found(answers=untried, is_root=False)] == ["not_root"]


def test_a_hint_names_no_module_that_another_engines_store_refuses():
    (full,) = found(GOOD._replace(free=4 * GIB))
    (untried,) = found(answers=WORKS._replace(native_overlay_diff=None, why_no_native_diff="odd"))
    assert problems.for_engine(full, None) == full
    assert problems.for_engine(full, "docker").hint == "have docker remove what is unused, or enlarge the filesystem"
    assert "new directory" in problems.for_engine(untried, "docker").hint


def test_every_code_is_used_and_every_used_code_has_a_kind():
    used = set(re.findall(r'Problem\(\s*"([a-z_]+)"', inspect.getsource(problems)))
    assert used | {"unreachable"} == problems.KINDS.keys()
    assert {code for code, kind in problems.KINDS.items() if kind == problems.BLOCKING} == problems.IN_THE_WAY
