# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The xattrs of an entry: the ones that are set, and the reasons why the kernel refuses others."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply_xattrs import (
    check_list,
    has_capability,
    set_xattr,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest import (
    NONE,
    ManifestWriter,
    digest_of_xattrs,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import REGULAR, Entry
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    hardlink,
    member,
    reader,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sets xattrs of all namespaces"),
]

ENTRY = Entry(b"d/f", REGULAR, 0o644, 0, 0, 0, 0)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
DEFAULT_ACL = bytes.fromhex("0200000001000600ffffffff04000400ffffffff20000400ffffffff")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "f"
    path.touch()
    return path


@pytest.mark.parametrize("key", [b"user.a", b"trusted.a", b"security.a"])
def test_it_is_set_on_a_path_and_on_a_descriptor(file, key):
    set_xattr(os.fsencode(file), key, b"path", ENTRY)
    assert os.getxattr(file, key) == b"path"
    fd = os.open(file, os.O_RDWR)
    try:
        set_xattr(fd, key, b"fd", ENTRY)
    finally:
        os.close(fd)
    assert os.getxattr(file, key) == b"fd"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("target", path)], ids=["fifo", "symlink"])
def test_users_xattrs_are_left_out_where_linux_has_none(tmp_path, make):
    path = tmp_path / "node"
    make(path)
    set_xattr(os.fsencode(path), b"user.a", b"1", ENTRY)
    assert os.listxattr(path, follow_symlinks=False) == []


def test_the_target_of_a_symlink_stays_as_it_is(tmp_path, file):
    (tmp_path / "link").symlink_to("f")
    set_xattr(os.fsencode(tmp_path / "link"), b"trusted.a", b"1", ENTRY)
    assert os.listxattr(file) == []


def test_a_file_with_a_capability_without_bytes_is_applied_noted_and_merged_into(tmp_path):
    tar = archive(member("f", xattrs={b"security.capability": b""}))
    pieces: list[bytes] = []
    apply_layer(reader(tar), str(tmp_path), manifest=ManifestWriter(pieces.append))
    assert digest_of_xattrs(os.fsencode(tmp_path / "f")) != NONE
    assert has_capability(os.fsencode(tmp_path / "f"))
    apply_layer(reader(archive(hardlink("g", "f"))), str(tmp_path))
    assert (tmp_path / "g").samefile(tmp_path / "f")


def test_capabilities_are_seen(file):
    assert not has_capability(os.fsencode(file))
    os.setxattr(file, "security.capability", CAPABILITY)
    assert has_capability(os.fsencode(file))
    with pytest.raises(FileNotFoundError):
        has_capability(os.fsencode(file) + b"x")


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        pytest.param(b"com.apple.quarantine", b"1", "is in a namespace that Linux does not have", id="of a Mac"),
        pytest.param(b"security.capability", b"x", "is malformed, or too long", id="malformed"),
        pytest.param(b"user." + b"n" * 300, b"1", "is malformed, or too long", id="a name too long"),
        pytest.param(b"system.posix_acl_access", b"\1\0\0\0", "is malformed, or too long", id="an ACL of version 1"),
        pytest.param(b"system.nfs4_acl", b"x", "is not a POSIX ACL, which is all that Linux sets there", id="of NFS"),
        pytest.param(b"system.posix_acl_default", DEFAULT_ACL, "is allowed on directories only", id="of a directory"),
    ],
)
def test_a_refused_xattr_is_named_with_its_entry(file, key, value, cause):
    with pytest.raises(ArchiveRejected) as caught:
        set_xattr(os.fsencode(file), key, value, ENTRY)
    assert str(caught.value) == f"archive entry d/f: its xattr {key.decode()} {cause}"
    assert caught.value.hint and caught.value.details["entry"] == "d/f"


def test_an_error_of_the_host_stays_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        set_xattr(os.fsencode(tmp_path / "none"), b"user.a", b"1", ENTRY)


def test_a_filesystem_without_xattrs_is_not_the_archives_fault():
    with pytest.raises(NotSupported, match=r"entry d/f: the store's filesystem cannot hold its xattr user\.a$"):
        set_xattr(b"/proc/self/comm", b"user.a", b"1", ENTRY)


def test_names_must_fit_the_kernels_list(loop_filesystem):
    file = loop_filesystem("xfs") / "f"
    file.touch()
    for number in range(250):
        os.setxattr(file, f"trusted.{'n' * 240}{number:03}", b"")
    check_list(os.fsencode(file), ENTRY)
    for number in range(250, 260):
        os.setxattr(file, f"trusted.{'n' * 240}{number:03}", b"")
    with pytest.raises(ArchiveRejected, match="take more than the 65024 bytes that the kernel can list"):
        check_list(os.fsencode(file), ENTRY)
