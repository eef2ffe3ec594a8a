# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of an entry: owner, mode, times and xattrs, in any kind of directory."""

from __future__ import annotations

import os
import stat
import struct

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import (
    BLOCKDEV,
    CHAR,
    DIRECTORY,
    FIFO,
    REGULAR,
    SYMLINK,
)
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    NS,
    archive,
    directory,
    hardlink,
    member,
    patched,
    pax,
    reader,
    record,
    sparse,
    symlink,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
ACL = struct.Struct("<HHI")
NOBODY = 0xFFFFFFFF


def acl(*entries):
    """Return the xattr value of an ACL: (tag, permissions, id) each. Source: include/uapi/linux/posix_acl_xattr.h."""
    return b"\2\0\0\0" + b"".join(ACL.pack(*entry) for entry in entries)


FOR_USER_5 = acl((1, 7, NOBODY), (2, 6, 5), (4, 5, NOBODY), (16, 7, NOBODY), (32, 0, NOBODY))


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "diff"
    path.mkdir()
    return path


@pytest.fixture(
    params=[
        pytest.param(lambda path: None, id="a plain root"),
        pytest.param(lambda path: os.chown(path, 0, 7), id="another group"),
        pytest.param(lambda path: os.chmod(path, 0o2755), id="setgid"),
        pytest.param(lambda path: os.setxattr(path, "system.posix_acl_default", FOR_USER_5), id="a default ACL"),
    ]
)
def any_root(root, request):
    """A root that hands down group and ACL; no entry must inherit them."""
    request.param(root)
    return root


def applied(root, *members, **options):
    return apply_layer(reader(archive(*members)), str(root), **options)


KINDS = {
    "file": (REGULAR, {}),
    "directory": (DIRECTORY, {}),
    "fifo": (FIFO, {}),
    "character device": (CHAR, {"major": 1, "minor": 3}),
    "block device": (BLOCKDEV, {"major": 259, "minor": 70000}),
}
MODES = [0o644, 0o755, 0, 0o777, 0o4755, 0o2755, 0o2745, 0o1777, 0o7777, 0o6111]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("mode", MODES, ids=oct)
@pytest.mark.parametrize("owner", [(0, 0), (0, 9), (1000, 0), (4294967294, 4294967294)])
def test_owner_mode_and_time_are_exact(any_root, kind, mode, owner):
    flag, fields = KINDS[kind]
    uid, gid = owner
    name = "d/n/" if flag == DIRECTORY else "d/n"
    applied(
        any_root,
        directory("d/", mode=0o2775, gid=50),
        member(name, flag, b"x" if flag == REGULAR else b"", mode=mode, uid=uid, gid=gid, **fields),
        member("d/later"),
        member("top", flag, mode=mode, uid=uid, gid=gid, **fields),
    )
    for path in (any_root / "d/n", any_root / "top"):
        st = os.lstat(path)
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode, uid, gid)
        assert st.st_mtime_ns == st.st_atime_ns == 1_600_000_000 * NS
        assert [name for name in os.listxattr(path) if "posix_acl" in name] == []
        assert (os.major(st.st_rdev), os.minor(st.st_rdev)) == (fields.get("major", 0), fields.get("minor", 0))
    assert os.stat(any_root / "d").st_mtime_ns == 1_600_000_000 * NS  # although files were made in the directory


def test_parents_nobody_describes_inherit_nothing(any_root):
    applied(any_root, member("a/b/f"))
    for path in (any_root / "a", any_root / "a/b", any_root / "a/b/f"):
        st = os.stat(path)
        assert (stat.S_IMODE(st.st_mode) & ~0o111, st.st_gid) == (0o644, 0)
        assert os.listxattr(path) == []


def test_symlinks_have_owner_and_time_too(any_root):
    applied(any_root, symlink("l", "/nowhere/../\udcff", uid=3, gid=4))
    st = os.lstat(any_root / "l")
    assert (st.st_uid, st.st_gid, st.st_mtime_ns) == (3, 4, 1_600_000_000 * NS)
    assert os.readlink(any_root / "l") == "/nowhere/../\udcff"


@pytest.mark.parametrize("kind", [REGULAR, DIRECTORY, SYMLINK, FIFO])
@pytest.mark.parametrize("time", ["1600000000.123456789", "0", "-1.5", "4000000000"])
def test_times_have_nanoseconds(root, kind, time):
    entry = member("n", kind, linkname=b"t" if kind == SYMLINK else b"")
    applied(root, pax(record("mtime", time)), entry)
    seconds, _unused, fraction = time.partition(".")
    expected = abs(int(seconds)) * NS + int(fraction.ljust(9, "0"))
    assert os.lstat(root / "n").st_mtime_ns == (-expected if time.startswith("-") else expected)


class TestSparse:
    PIECES = ((4096, 5000), (1 << 20, 1), (3 << 30, 0))

    @pytest.mark.parametrize("version", ["old GNU", "0.0", "0.1", "1.0"])
    def test_holes_are_holes(self, root, version):
        body = os.urandom(5001)
        assert applied(root, sparse(version, self.PIECES, body), member("next")) == (2, 3 << 30)
        assert sorted(os.listdir(root)) == ["f", "next"]
        st = os.stat(root / "f")
        assert (st.st_size, st.st_mtime_ns) == (3 << 30, 1_600_000_000 * NS)
        assert st.st_blocks * 512 < 1 << 18
        with open(root / "f", "rb") as file:
            assert file.read(9096) == bytes(4096) + body[:5000]
            file.seek((1 << 20) - 1)
            assert file.read(3) == b"\0" + body[5000:] + b"\0"

    def test_pieces_larger_and_smaller_than_what_is_read_at_once(self, root):
        body = os.urandom(1 << 20)
        pieces = [(at * 3, 512) for at in range(0, 1 << 16, 512)]
        pieces.append((1 << 20, len(body) - sum(length for _unused, length in pieces)))
        applied(root, sparse("1.0", pieces, body))
        found = (root / "f").read_bytes()
        assert b"".join(found[at : at + length] for at, length in pieces) == body
        assert found.count(0) >= (1 << 20) - (1 << 16)

    @pytest.mark.parametrize("old", [[], [member("f")], [directory("f/")], [symlink("f", "t")]])
    def test_owner_mode_and_xattrs_are_exact(self, any_root, old):
        block = patched(sparse("old GNU", self.PIECES, b"x" * 5001), 100, b"0004751\x000000001\x000000002\0")
        xattrs = record("SCHILY.xattr.security.capability", CAPABILITY)
        applied(any_root, *old, pax(xattrs + record("mtime", "7.5")), block)
        st = os.stat(any_root / "f")
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o4751, 1, 2)
        assert st.st_mtime_ns == 7_500_000_000
        assert os.listxattr(any_root / "f") == ["security.capability"]

    def test_holes_count_to_the_allowed_size(self, root):
        with pytest.raises(ArchiveRejected, match="more than the 1048576 bytes allowed"):
            applied(root, sparse("0.1", [(1 << 20, 1)], b"x"), max_size=1 << 20)
        assert os.listdir(root) == []

    def test_what_no_filesystem_holds_is_refused(self, loop_filesystem):
        with pytest.raises(
            ArchiveRejected, match="entry f: the store's filesystem cannot hold a file of its 9223372036854775807 bytes"
        ):
            applied(loop_filesystem("ext4"), sparse("0.1", [(2**63 - 1, 0)], b""))

    def test_a_hard_link_to_one(self, root):
        applied(root, sparse("0.0", self.PIECES, b"x" * 5001), hardlink("g", "f"))
        assert os.stat(root / "g").st_nlink == 2


@pytest.mark.parametrize("time", [str(2**62), str(-(2**62))])
def test_a_time_the_filesystem_cannot_hold_is_cut_by_it(root, time):
    applied(root, pax(record("mtime", time)), member("n"), pax(record("mtime", time)), directory("d/"))
    assert sorted(os.listdir(root)) == ["d", "n"]


class TestXattrs:
    def test_capabilities_outlive_owner_mode_and_content(self, any_root):
        xattrs = {b"security.capability": CAPABILITY}
        applied(any_root, member("ping", body=b"elf", mode=0o4755, uid=1, gid=2, xattrs=xattrs))
        st = os.stat(any_root / "ping")
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o4755, 1, 2)
        assert os.getxattr(any_root / "ping", "security.capability") == CAPABILITY

    def test_all_others_of_the_header(self, root):
        applied(
            root,
            member("f", xattrs={b"user.note": b"a\0b", b"user.empty": b"", b"trusted.x": b"1"}),
            directory("d/", xattrs={b"user.note": b"d"}),
            symlink("l", "t", xattrs={b"trusted.x": b"2"}),
            member("p", FIFO, xattrs={b"trusted.x": b"3"}),
        )
        assert {name: os.getxattr(root / "f", name) for name in os.listxattr(root / "f")} == {
            "user.note": b"a\0b", "user.empty": b"", "trusted.x": b"1",
        }  # fmt: skip
        assert os.getxattr(root / "d", "user.note") == b"d"
        assert os.getxattr(root / "l", "trusted.x", follow_symlinks=False) == b"2"
        assert os.getxattr(root / "p", "trusted.x") == b"3"

    @pytest.mark.parametrize("name", ["f", "d/"])
    @pytest.mark.parametrize("userxattr", [False, True])
    def test_overlays_own_are_never_taken(self, root, name, userxattr):
        xattrs = {
            b"trusted.overlay.opaque": b"y",
            b"user.overlay.opaque": b"y",
            b"trusted.overlay.redirect": b"/nowhere",
            b"user.overlay.origin": b"x",
            b"user.overlayfs": b"not overlay's",
        }
        applied(root, member(name, DIRECTORY if name == "d/" else REGULAR, xattrs=xattrs), userxattr=userxattr)
        assert os.listxattr(root / name) == ["user.overlayfs"]

    def test_acls_leave_the_mode_as_it_is_in_the_header(self, root):
        applied(
            root,
            directory("d/", mode=0o750, xattrs={b"system.posix_acl_default": FOR_USER_5}),
            member("d/f", mode=0o640),
            member("d/g", mode=0o640, xattrs={b"system.posix_acl_access": FOR_USER_5}),
        )
        assert [stat.S_IMODE(os.stat(root / name).st_mode) for name in ("d", "d/f", "d/g")] == [0o750, 0o640, 0o640]
        assert os.listxattr(root / "d/f") == []
        assert os.listxattr(root / "d/g") == ["system.posix_acl_access"]

    def test_a_malformed_one_is_the_archives_fault(self, root):
        with pytest.raises(ArchiveRejected, match=r"entry f: its xattr security.capability is malformed"):
            applied(root, member("f", xattrs={b"security.capability": b"junk"}))

    def test_a_name_too_long_is_too(self, root):
        with pytest.raises(ArchiveRejected, match="is malformed"):
            applied(root, member("f", xattrs={b"user." + b"n" * 300: b""}))

    def test_one_that_only_another_filesystem_makes_is_too(self, root):
        with pytest.raises(ArchiveRejected, match=r"entry f: its xattr system\.x is not a POSIX ACL"):
            applied(root, member("f", xattrs={b"system.x": b""}))

    @pytest.mark.parametrize("name", [b"com.apple.provenance", b"user", b"User.x", b"n" * 300])
    def test_one_of_another_system_says_how_to_go_without(self, root, name):
        with pytest.raises(ArchiveRejected, match="in a namespace that Linux does not have") as caught:
            applied(root, member("f", xattrs={name: b""}))
        assert "--no-xattrs" in caught.value.hint

    @pytest.mark.parametrize(
        "node", [symlink("dir/n", "t", xattrs={b"user.x": b""}), member("dir/n", FIFO, xattrs={b"user.x": b""})]
    )
    def test_users_are_left_out_where_only_files_and_directories_can_have_them(self, root, node):
        applied(root, node, hardlink("m", "dir/n", mode=0o644, xattrs={b"user.y": b"", b"trusted.z": b"z"}))
        assert os.listxattr(root / "m", follow_symlinks=False) == ["trusted.z"]

    def test_an_acl_that_no_symlink_can_have(self, root):
        with pytest.raises(
            ArchiveRejected, match=r"entry n: its xattr system\.posix_acl_access is not allowed on a symlink"
        ):
            applied(root, symlink("n", "t", xattrs={b"system.posix_acl_access": FOR_USER_5}))

    def test_an_acl_that_only_directories_can_have(self, root):
        with pytest.raises(ArchiveRejected, match=r"entry n: its xattr system\.posix_acl_default is .* directories"):
            applied(root, member("n", xattrs={b"system.posix_acl_default": FOR_USER_5}))

    @pytest.mark.parametrize("filesystem", ["ext4", "btrfs"])
    def test_more_than_the_filesystem_holds_for_a_file(self, loop_filesystem, filesystem):
        mounted = loop_filesystem(filesystem)
        xattrs = {b"user.small": b"x", b"user.large": bytes(60_000)}
        with pytest.raises(NotSupported, match=r"entry d/f: with its xattr user\.large the file has more bytes of"):
            applied(mounted, member("d/f", xattrs=xattrs))

    def test_a_full_filesystem_is_full(self, loop_filesystem):
        mounted = loop_filesystem("ext4")
        with pytest.raises(OSError, match="No space left"):
            applied(
                mounted, *(member(f"{n}", body=b"x" * 9000, xattrs={b"user.x": b"%0500d" % n}) for n in range(9000))
            )

    NAMES = tuple(b"user.%0250d" % number for number in range(300))

    @pytest.mark.parametrize("kind", [REGULAR, DIRECTORY])
    def test_names_that_could_not_be_read_back(self, loop_filesystem, kind):
        mounted = loop_filesystem("xfs")
        with pytest.raises(ArchiveRejected, match=r"entry d/n/?: the names of its extended attributes take more"):
            applied(
                mounted, member("d/n/" if kind == DIRECTORY else "d/n", kind, xattrs=dict.fromkeys(self.NAMES, b""))
            )

    @pytest.mark.parametrize("kind", ["link", "directory"])
    def test_nor_such_that_come_one_after_another(self, loop_filesystem, kind):
        mounted = loop_filesystem("xfs")
        some, more = dict.fromkeys(self.NAMES[:150], b""), dict.fromkeys(self.NAMES[150:], b"")
        if kind == "link":
            members = [member("a", xattrs=some), hardlink("b", "a", xattrs=more)]
        else:
            members = [directory("b/", xattrs=some), directory("b/", xattrs=more)]
        with pytest.raises(ArchiveRejected, match=r"entry b/?: the names of its extended attributes take more"):
            applied(mounted, *members)

    def test_as_many_as_can_be_read_back(self, loop_filesystem):
        mounted = loop_filesystem("xfs")
        applied(mounted, member("f", xattrs=dict.fromkeys(self.NAMES[:250], b"")))
        assert len(os.listxattr(mounted / "f")) == 250


class TestHardLinks:
    @pytest.mark.parametrize("target", ["strata-d/f", "/strata-d/f", "./d/../strata-d/f", "l/f"])
    def test_to_a_name_in_the_layer(self, root, target):
        first = member("strata-d/f", body=b"x", mode=0o640)
        applied(root, first, symlink("l", "/strata-d"), hardlink("e/g", target, mode=0o640))
        assert os.stat(root / "e/g").st_ino == os.stat(root / "strata-d/f").st_ino
        assert (stat.S_IMODE(os.stat(root / "e/g").st_mode), os.stat(root / "e/g").st_uid) == (0o640, 0)

    def test_to_a_symlink_itself(self, root):
        applied(root, symlink("l", "/nowhere/strata"), hardlink("m", "l"))
        assert os.readlink(root / "m") == "/nowhere/strata"

    def test_over_another_name_of_the_same_file(self, root):
        applied(root, member("f", body=b"x"), hardlink("g", "f"), hardlink("g", "f"))
        assert os.stat(root / "g").st_nlink == 2

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            pytest.param([], "hard link to t, which is not in the layer", id="to nothing"),
            pytest.param([member("x")], "not in the layer", id="to something else"),
            pytest.param([directory("t/")], "which is a directory", id="to a directory"),
        ],
    )
    def test_bad_targets(self, root, members, message):
        with pytest.raises(ArchiveRejected, match=f"entry n: .*{message}"):
            applied(root, *members, hardlink("n", "t"))

    def test_in_place_of_the_directory_its_target_lies_in(self, root):
        with pytest.raises(ArchiveRejected, match="a hard link to a/b/t, which is inside the"):
            applied(root, member("a/b/t", body=b"x"), hardlink("a", "a/b/t"))
        assert (root / "a/b/t").read_bytes() == b"x"

    @pytest.mark.parametrize("target", ["../t", "/..", "a/../../t"])
    def test_targets_outside(self, root, target):
        (root.parent / "t").touch()
        with pytest.raises(ArchiveRejected, match="leads out of the layer"):
            applied(root, hardlink("n", target))
        assert os.stat(root.parent / "t").st_nlink == 1

    @pytest.mark.parametrize("target", ["/", "."])
    def test_to_the_root(self, root, target):
        with pytest.raises(ArchiveRejected, match="is a directory"):
            applied(root, hardlink("n", target))

    def test_to_no_name(self, root):
        with pytest.raises(ArchiveRejected, match="entry n: it is a hard link without a target"):
            applied(root, hardlink("n", ""))

    def test_to_a_file_in_a_file(self, root):
        with pytest.raises(ArchiveRejected, match="is not in the layer"):
            applied(root, member("f"), hardlink("n", "f/g"))

    def test_to_itself(self, root):
        with pytest.raises(ArchiveRejected, match="to itself"):
            applied(root, member("f", body=b"x"), hardlink("./f", "f"))
        assert (root / "f").read_bytes() == b"x"

    def test_looking_for_a_target_makes_nothing(self, root):
        with pytest.raises(ArchiveRejected, match="is not in the layer"):
            applied(root, hardlink("n", "no/such/file"))
        assert os.listdir(root) == []


def mapped(uid, gid):
    """Map container ids below 1000 as a store with two ranges does; -1 stays."""
    if max(uid, gid) >= 1000:
        raise ValueError(f"container id {max(uid, gid)} is not in the map")
    return uid if uid < 0 else uid + 100_000, gid if gid < 0 else gid + 200_000


class TestMappedIds:
    def test_owners(self, any_root):
        members = member("f", uid=1, gid=2), directory("d/", uid=3), symlink("l", "t", uid=4), member("p", FIFO, gid=5)
        applied(any_root, *members, map_ids=mapped)
        owners = {name: os.lstat(any_root / name) for name in "fdlp"}
        assert {name: (found.st_uid, found.st_gid) for name, found in owners.items()} == {
            "f": (100_001, 200_002),
            "d": (100_003, 200_000),
            "l": (100_004, 200_000),
            "p": (100_000, 200_005),
        }

    def test_setuid_and_capabilities_outlive_the_chown(self, root):
        xattrs = {b"security.capability": CAPABILITY}
        applied(root, member("ping", body=b"elf", mode=0o6755, uid=1, xattrs=xattrs), map_ids=mapped)
        assert stat.S_IMODE(os.stat(root / "ping").st_mode) == 0o6755
        assert os.getxattr(root / "ping", "security.capability") == CAPABILITY

    def test_those_an_acl_names(self, root):
        xattrs = {b"system.posix_acl_access": FOR_USER_5, b"system.posix_acl_default": FOR_USER_5}
        applied(root, directory("d/", mode=0o750, xattrs=xattrs), member("d/f", xattrs={}), map_ids=mapped)
        expected = acl((1, 7, NOBODY), (2, 6, 100_005), (4, 5, NOBODY), (16, 7, NOBODY), (32, 0, NOBODY))
        assert os.getxattr(root / "d", "system.posix_acl_default") == expected
        assert ACL.unpack_from(os.getxattr(root / "d", "system.posix_acl_access"), 12) == (2, 6, 100_005)
        assert os.listxattr(root / "d/f") == []

    def test_the_root_a_capability_is_for(self, root):
        rooted = b"\1\0\0\3" + CAPABILITY[4:]
        xattrs = {b"security.capability": rooted + (7).to_bytes(4, "little")}
        applied(root, member("ping", body=b"elf", xattrs=xattrs), map_ids=mapped)
        assert os.getxattr(root / "ping", "security.capability") == rooted + (100_007).to_bytes(4, "little")

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            pytest.param(directory("d/", gid=1000), "entry d/: its owner: container id 1000 is not", id="a directory"),
            pytest.param(symlink("l", "t", uid=1001), "entry l: its owner: container id 1001 is not", id="a symlink"),
            pytest.param(
                member("f", xattrs={b"system.posix_acl_access": acl((2, 6, 1002))}),
                "entry f: its xattr system.posix_acl_access: container id 1002 is not",
                id="an ACL",
            ),
        ],
    )
    def test_one_the_map_does_not_know_rejects_the_archive(self, root, entry, message):
        with pytest.raises(ArchiveRejected, match=message):
            applied(root, entry, map_ids=mapped)
