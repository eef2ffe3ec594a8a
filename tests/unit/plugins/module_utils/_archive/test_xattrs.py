# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exported xattrs, and that this collection and GNU tar restore them."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.xattrs import MAX_SIZE, xattrs_to_export
from ansible_collections.strata.overlay2.plugins.module_utils._errors import NotSupported

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sets trusted xattrs and capabilities"),
]

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
ROOTED = bytes.fromhex("0100000300200000000000000000000000000000a0860100")
NOBODY = 0xFFFFFFFF


def acl(*entries):
    """Return the xattr value of an ACL: (tag, permissions, id) each. Source: include/uapi/linux/posix_acl_xattr.h."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ACL = acl((1, 6, NOBODY), (2, 4, 1000), (4, 4, NOBODY), (8, 6, 2000), (16, 6, NOBODY), (32, 0, NOBODY))
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def give(path, **xattrs):
    for name, value in xattrs.items():
        os.setxattr(path, name, value, follow_symlinks=False)


def xattrs_of(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def chosen(path, **options):
    return dict(xattrs_to_export(os.listxattr(path), os.fsencode(path), b"the/entry", **options))


def exported(upper, **options):
    stream = io.BytesIO()
    export_layer(str(upper), stream.write, **options)
    return stream.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.touch()
    return path


@pytest.fixture
def upper(tmp_path):
    """A layer with every xattr that users may set."""
    root = tmp_path / "diff"
    (root / "dir").mkdir(parents=True)
    for name in ("dir/acl", "dir/ping", "noted", "plain"):
        (root / name).write_bytes(b"content of " + name.encode())
    os.symlink("dir", root / "link")
    os.mkfifo(root / "fifo")
    os.chmod(root / "dir/acl", 0o640)
    give(root / "dir", **{DEFAULT: ACL, ACCESS: ACL, "user.for": b"the directory"})
    give(root / "dir/acl", **{ACCESS: ACL})
    give(root / "dir/ping", **{"security.capability": CAPABILITY, "user.empty": b""})
    give(root / "noted", **{"user.a=b%": b"\0=\n\xff", "user.\udcff": b"x" * 3000})
    give(root / "fifo", **{ACCESS: ACL})
    for name in ("dir/acl", "dir/ping", "noted", "plain", "link", "fifo", "dir", "."):
        os.utime(root / name, ns=(10**18, 10**18), follow_symlinks=False)
    return root


class TestChoice:
    def test_docker_takes_capabilities_alone(self, file):
        give(file, **{"security.capability": CAPABILITY, "user.note": b"1", ACCESS: ACL})
        assert chosen(file) == {b"security.capability": CAPABILITY}

    @pytest.mark.parametrize("users", [False, True])
    def test_a_capability_is_no_users_namespaces(self, file, users):
        give(file, **{"security.capability": ROOTED})
        assert chosen(file, users=users) == {b"security.capability": CAPABILITY}

    @pytest.mark.parametrize("users", [False, True])
    def test_a_capability_without_bytes_which_a_container_can_set_is_left_out(self, file, users):
        give(file, **{"security.capability": b""})
        assert chosen(file, users=users) == {}

    def test_users_xattrs_and_acls(self, file):
        give(file, **{"user.note": b"1", "user.overlayfs": b"2", ACCESS: ACL})
        assert chosen(file, users=True) == {b"user.note": b"1", b"user.overlayfs": b"2", ACCESS.encode(): ACL}

    def test_never_overlays_own_nor_the_hosts(self, file):
        give(
            file,
            **{"trusted.overlay.origin": b"1", "user.overlay.origin": b"2", "trusted.x": b"3", "security.other": b"4"},
        )
        assert chosen(file, users=True) == {}

    def test_the_ids_in_an_acl_are_mapped(self, file):
        give(file, **{ACCESS: ACL})
        found = chosen(file, users=True, map_ids=lambda uid, gid: (uid + 1 if uid >= 0 else uid, gid + 2))
        entries = [entry[2] for entry in struct.iter_unpack("<HHI", found[os.fsencode(ACCESS)][4:])]
        assert entries == [NOBODY, 1001, NOBODY, 2002, NOBODY, NOBODY]

    def test_an_id_that_no_map_knows_is_an_error(self, file):
        def unknown(uid, gid):
            raise ValueError("uid 1000")

        give(file, **{ACCESS: ACL})
        with pytest.raises(ValueError, match="uid 1000"):
            chosen(file, users=True, map_ids=unknown)

    def test_more_than_a_header_holds_is_refused(self, loop_filesystem):
        file = loop_filesystem("xfs") / "file"
        file.touch()
        for number in range(MAX_SIZE // 60_000):
            give(file, **{f"user.{number}": bytes(60_000)})
        assert len(chosen(file, users=True)) == MAX_SIZE // 60_000
        give(file, **{"user.last": bytes(60_000)})
        with pytest.raises(NotSupported, match=r"^the/entry has 5\d+ bytes of extended attributes"):
            chosen(file, users=True)
        assert chosen(file) == {}


class TestRoundTrip:
    def test_what_is_applied_is_what_was_exported(self, upper, tmp_path):
        tar = exported(upper, xattrs=True)
        new = tmp_path / "new"
        new.mkdir()
        apply_layer(io.BytesIO(tar).read, str(new))
        for name in ("dir", "dir/acl", "dir/ping", "noted", "plain", "link", "fifo"):
            assert xattrs_of(new / name) == xattrs_of(upper / name), name
            assert os.lstat(new / name).st_mode == os.lstat(upper / name).st_mode, name
        assert len(xattrs_of(new / "dir")) == 3
        assert len(xattrs_of(new / "noted")) == 2
        assert exported(new, xattrs=True) == tar

    @pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
    def test_gnu_tar_reads_the_same(self, upper, tmp_path):
        new = tmp_path / "new"
        new.mkdir()
        command = ["tar", "--extract", "--preserve-permissions", "--xattrs-include=*", "--directory", new]
        env = {**os.environ, "LC_ALL": "C"}  # otherwise the asterisk does not match a name that is not UTF-8
        subprocess.run(command, input=exported(upper, xattrs=True), env=env, check=True)
        for name in ("dir/acl", "dir/ping", "noted", "plain", "dir"):
            found = {key: value for key, value in xattrs_of(new / name).items() if key not in (ACCESS, DEFAULT)}
            wanted = {key: value for key, value in xattrs_of(upper / name).items() if key not in (ACCESS, DEFAULT)}
            assert found == wanted, name

    def test_docker_writes_the_same_as_without_any(self, upper, tmp_path):
        bare = tmp_path / "bare"
        shutil.copytree(upper, bare, symlinks=True, ignore=lambda *_args: ["fifo"])
        os.unlink(upper / "fifo")
        for path in (bare, bare / "dir", *bare.rglob("*")):
            for name in xattrs_of(path).keys() - {"security.capability"}:
                os.removexattr(path, name)
            st = os.lstat(upper / path.relative_to(bare))
            if not path.is_symlink():
                os.chmod(path, st.st_mode)
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns), follow_symlinks=False)
        assert exported(upper) == exported(bare)
        assert exported(upper, xattrs=True) != exported(bare)
