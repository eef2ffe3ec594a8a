# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer tar into an upperdir: names, markers, merging, limits. test_apply_nodes.py tests the nodes."""

from __future__ import annotations

import io
import itertools
import os
import resource
import shutil
import stat
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive import apply, apply_root
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import Applied, apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.clone import clone_tree
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHAR, END
from ansible_collections.strata.overlay2.plugins.module_utils._archive.walk import children
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    reader,
    record,
    sparse,
    symlink,
)
from hypothesis import example, given
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "diff"
    path.mkdir()
    return path


def applied(root, *members, **options):
    return apply_layer(reader(archive(*members)), str(root), **options)


def exported(root):
    stream = io.BytesIO()
    export_layer(str(root), stream.write)
    return stream.getvalue()


def listing(root):
    """Return what overlayfs reads in an upperdir: {path: content, "-> target", "dir", "opaque" or "whiteout"}."""
    found = {}
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(base, name)
            found[os.path.relpath(path, root)] = described(path)
    return found


def described(path):
    st = os.lstat(path)
    if stat.S_ISLNK(st.st_mode):
        return "-> " + os.readlink(path)
    if stat.S_ISDIR(st.st_mode):
        return "opaque" if "trusted.overlay.opaque" in os.listxattr(path) else "dir"
    if stat.S_ISREG(st.st_mode):
        with open(path, encoding="latin-1") as file:
            return file.read()
    return "whiteout" if (stat.S_ISCHR(st.st_mode), st.st_rdev) == (True, 0) else "node"


def whiteout(name, **fields):
    return member(name, mode=0o600, **fields)


class TestNames:
    def test_an_empty_stream_is_an_empty_layer(self, root):
        assert apply_layer(reader(b""), str(root)) == Applied(0, 0)
        assert listing(root) == {}

    def test_entries_and_bytes_are_counted(self, root):
        assert applied(root, directory("d/"), member("d/f", body=b"abc"), hardlink("d/g", "d/f")) == Applied(3, 3)

    @pytest.mark.parametrize(
        "name",
        ["d/f", "/d/f", "./d/f", "d//f", "d/./f", "d/x/../f", "//d/f", "./x/.././d/f", "d/f/", "d/f/."],
    )
    def test_names_are_cleaned(self, root, name):
        applied(root, member(name, body=b"x"))
        assert listing(root) == {"d": "dir", "d/f": "x"}

    @pytest.mark.parametrize("name", ["..", "../f", "/../f", "d/../../f", "./../f", "d/../..", "../diff/f"])
    def test_names_that_lead_out_are_refused(self, root, name):
        with pytest.raises(ArchiveRejected, match="leads out of the layer") as caught:
            applied(root, member(name, body=b"x"))
        assert caught.value.details == {"entry": name}
        assert listing(root.parent) in ({"diff": "dir"}, {"diff": "dir", "diff/d": "dir"})

    def test_two_dots_in_a_name_are_just_a_name(self, root):
        applied(root, directory("..d/"), member("..d/..f", body=b"x"), member("...", body=b"y"))
        assert listing(root) == {"..d": "dir", "..d/..f": "x", "...": "y"}

    @pytest.mark.parametrize("name", [".", "./", "/", "d/..", "./."])
    def test_an_entry_for_the_root_is_passed_over(self, root, name):
        os.chmod(root, 0o751)
        before = os.stat(root)
        applied(root, directory(name, mode=0o700, uid=5))
        after = os.stat(root)
        assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, 0, before.st_mtime_ns)

    def test_names_of_any_bytes(self, root):
        applied(root, directory(b"\xff/"), member(b"\xff/ \n\x01\xfe", body=b"x"))
        assert os.listdir(os.fsencode(root) + b"/\xff") == [b" \n\x01\xfe"]

    def test_missing_parents_are_made_0755_of_the_mapped_root(self, root):
        applied(root, member("a/b/f", uid=1), map_ids=lambda uid, gid: (uid + 1000, gid + 2000))
        for name in ("a", "a/b"):
            st = os.stat(root / name)
            assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o755, 1000, 2000)
        assert os.stat(root / "a/b/f").st_uid == 1001

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            pytest.param([member("f"), member("f/g")], "entry f/g: .*Not a directory", id="a file as parent"),
            pytest.param([member("n" * 256)], "File name too long", id="a long name"),
            pytest.param([symlink("l", "l"), member("l/f")], "entry l/f: .*Too many levels", id="a loop"),
            pytest.param([symlink("l", "f"), member("f"), member("l/g")], "Not a directory", id="a link to a file"),
            pytest.param([symlink("l", "t" * 5000)], "File name too long", id="a long target"),
            pytest.param([member("l", b"2")], "symlink without a target", id="no target"),
            pytest.param([member("a/" * 2049 + "f")], "more than 2048 directories", id="too deep"),
            pytest.param([member(("n" * 250 + "/") * 270 + "f")], "or 65536 bytes", id="a path too long"),
        ],
    )
    def test_what_cannot_be_made_is_the_archives_fault(self, root, members, message):
        with pytest.raises(ArchiveRejected, match=message):
            applied(root, *members)

    def test_a_very_deep_tree(self, root):
        name = "n" * 200
        paths = ["/".join([name] * depth) for depth in range(1, 300)]
        tar = archive(*(directory(path + "/") for path in paths), member(paths[-1] + "/f", body=b"x"))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, hard))
        try:
            apply_layer(reader(tar), str(root))
            assert exported(root) == tar
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            subprocess.run(["rm", "-rf", root], check=True)

    def test_a_tree_that_symlinks_make_too_deep(self, root):
        try:
            with pytest.raises(ArchiveRejected, match="File name too long"):
                applied(root, symlink("l", "a/" * 1500), member("l/" + "b/" * 1500 + "f"))
        finally:
            subprocess.run(["rm", "-rf", root], check=True)

    def test_many_directories_at_once(self, root):
        names = [f"d{number:03}/e" for number in range(200)]
        again = [member(f"{name}/f{turn}", body=b"x") for turn in range(2) for name in names]
        applied(root, *(directory(name + "/") for name in names), *again)
        assert sum(len(files) for _unused, _unused, files in os.walk(root)) == 400
        assert len(os.listdir("/proc/self/fd")) < 64


class TestSymlinkedParents:
    """No absolute target here exists outside: a way out must fail the test, not harm the machine."""

    @pytest.mark.parametrize(
        "target",
        [
            "strata-usr/bin",
            "/strata-usr/bin",
            "./strata-usr/bin",
            "../../strata-usr/bin",
            "/../strata-usr/bin",
            "strata-usr/../strata-usr/bin",
            "strata-usr/hop",
        ],
    )
    def test_they_are_followed_within_the_layer(self, root, target):
        applied(
            root,
            directory("strata-usr/bin/"),
            symlink("strata-usr/hop", "/strata-usr/bin"),
            symlink("bin", target),
            member("bin/one", body=b"x"),
            member("bin/two", body=b"y"),
            hardlink("bin/three", "bin/two"),
            directory("bin/d/"),
        )
        found = listing(root / "strata-usr/bin")
        assert found == {"one": "x", "two": "y", "three": "y", "d": "dir"}
        assert os.readlink(root / "bin") == target

    def test_what_they_lead_to_is_made(self, root):
        applied(root, symlink("bin", "usr/bin"), member("bin/sh", body=b"x"))
        assert listing(root) == {"bin": "-> usr/bin", "usr": "dir", "usr/bin": "dir", "usr/bin/sh": "x"}

    def test_a_symlink_that_is_replaced_is_not_followed_any_more(self, root):
        applied(
            root,
            directory("a/"),
            directory("b/"),
            symlink("l", "a"),
            member("l/1", body=b"1"),
            symlink("l", "b"),
            member("l/2", body=b"2"),
            directory("l/"),
            member("l/3", body=b"3"),
        )
        assert listing(root) == {
            "a": "dir", "a/1": "1", "b": "dir", "b/2": "2", "l": "opaque", "l/3": "3",
        }  # fmt: skip

    def test_a_directory_named_through_a_symlink_is_not_known_by_that_name(self, root):
        applied(
            root,
            directory("d/"),
            directory("e/"),
            symlink("l", "d"),
            symlink("d/x", "../e"),
            member("l/x/foo"),
            directory("l/x/"),  # d/x, in place of the symlink
            directory("l/"),
            member("l/x/bar"),
        )
        assert listing(root) == {
            "d": "dir", "d/x": "opaque", "e": "dir", "e/foo": "", "l": "opaque", "l/x": "dir", "l/x/bar": "",
        }  # fmt: skip

    def test_a_symlink_to_the_root_that_replaces_itself(self, root):
        one = "strata-one"
        applied(root, symlink("l", "/"), member(f"l/{one}", body=b"1"), directory("l/l/"), member("l/2", body=b"2"))
        assert listing(root) == {one: "1", "l": "opaque", "l/2": "2"}

    def test_up_from_a_symlinked_directory_is_above_where_it_leads(self, root):
        applied(root, directory("a/b/"), symlink("l", "a/b"), symlink("m", "l/../c"), member("m/f", body=b"x"))
        assert described(root / "a/c/f") == "x"

    def test_the_last_component_is_never_followed(self, root):
        applied(root, member("f", body=b"old"), symlink("l", "f"), member("l", body=b"new"))
        assert listing(root) == {"f": "old", "l": "new"}


class TestReplacing:
    NODES = {  # noqa: RUF012
        "file": [member("n", body=b"file")],
        "directory": [directory("n/"), member("n/in", body=b"in")],
        "symlink": [symlink("n", "t")],
        "fifo": [member("n", b"6")],
        "device": [member("n", CHAR, major=1, minor=3)],
        "hard link": [member("a"), hardlink("n", "a")],
    }

    @pytest.mark.parametrize("old", sorted(NODES))
    @pytest.mark.parametrize("new", sorted(NODES))
    def test_the_later_entry_counts(self, root, tmp_path, old, new):
        alone = tmp_path / "alone"
        alone.mkdir()
        applied(alone, *self.NODES[new])
        applied(root, *self.NODES[old], *self.NODES[new])
        expected = listing(alone)
        if new == "directory" and old != "directory":
            expected["n"] = "opaque"  # the old node hid the lowers' n
        found = listing(root)
        found.pop("a", None)
        expected.pop("a", None)
        assert found == expected

    def test_a_directory_is_kept_and_gets_the_new_metadata(self, root):
        applied(root, directory("d/", mode=0o700), member("d/f", body=b"x"), directory("d/", mode=0o2751, uid=3, gid=4))
        st = os.stat(root / "d")
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o2751, 3, 4)
        assert listing(root) == {"d": "dir", "d/f": "x"}

    def test_a_time_noted_for_a_directory_never_hits_what_replaced_it(self, root, tmp_path):
        outside = tmp_path / "outside"
        outside.write_text("x")
        os.utime(outside, (7, 7))
        os.link(outside, root / "shared")
        applied(root, directory("d/e/"), directory("d/"), hardlink("d", "shared", mtime_ns=7 * 10**9))
        assert os.stat(root / "d").st_mtime == 7


class TestWhiteouts:
    def test_they_become_devices_0_0(self, root):
        applied(root, whiteout(".wh.gone"), whiteout("d/.wh.gone too"))
        assert listing(root) == {"gone": "whiteout", "d": "dir", "d/gone too": "whiteout"}
        assert stat.S_IMODE(os.lstat(root / "gone").st_mode) == 0

    def test_owner_and_time_are_the_entrys_unmapped_as_export_writes_them(self, root):
        tar = archive(whiteout(".wh.gone", uid=5, gid=6))
        apply_layer(reader(tar), str(root), map_ids=lambda uid, gid: (uid + 1000, gid + 1000))
        st = os.lstat(root / "gone")
        assert (st.st_uid, st.st_gid) == (5, 6)
        assert exported(root) == tar

    def test_one_that_is_a_device_in_the_tar_is_not_mapped_either(self, root):
        applied(root, member("gone", CHAR, uid=5, gid=6), map_ids=lambda uid, gid: (uid + 1000, gid + 1000))
        st = os.lstat(root / "gone")
        assert (st.st_rdev, st.st_uid, st.st_gid) == (0, 5, 6)

    @pytest.mark.parametrize("old", sorted(TestReplacing.NODES))
    def test_they_remove_what_is_there(self, root, old):
        applied(root, *TestReplacing.NODES[old])
        applied(root, whiteout(".wh.n"))
        assert listing(root)["n"] == "whiteout"
        assert "n/in" not in listing(root)

    @pytest.mark.parametrize("is_merged", [False, True])
    @pytest.mark.parametrize("old", sorted(TestReplacing.NODES))
    def test_one_of_what_the_archive_brought_is_refused(self, root, old, is_merged):
        if is_merged:
            applied(root, member("other"), *TestReplacing.NODES[old])
        with pytest.raises(ArchiveRejected, match=r"entry \.wh\.n: it deletes n, which an earlier entry made"):
            applied(root, *TestReplacing.NODES[old], whiteout(".wh.n"))
        assert listing(root)["n"] != "whiteout"

    @pytest.mark.parametrize("is_merged", [False, True])
    @pytest.mark.parametrize(
        "members",
        [
            pytest.param([member("d/n/f"), whiteout("d/.wh.n")], id="a directory without an entry"),
            pytest.param([directory("r/n/"), symlink("d", "r"), whiteout("d/.wh.n")], id="by another name"),
            pytest.param([member("d/f"), hardlink("d/n", "d/f"), whiteout("d/.wh.n")], id="a name of a file"),
            pytest.param([whiteout("d/.wh.n"), member("d/n"), whiteout("d/.wh.n")], id="after a whiteout"),
            pytest.param([directory("d/n/"), whiteout("d/.wh..wh..opq"), whiteout("d/.wh.n")], id="it stays"),
        ],
    )
    def test_so_is_one_by_whatever_name(self, root, members, is_merged):
        if is_merged:
            (root / "old").touch()
        with pytest.raises(ArchiveRejected, match=r"/\.wh\.n: it deletes ./n, which an earlier"):
            applied(root, *members)

    def test_one_of_what_was_there_before_is_taken_in_a_directory_that_the_archive_has(self, root):
        applied(root, member("d/n/f"), member("d/o"))
        applied(
            root, directory("d/"), member("d/p"), whiteout("d/.wh.n"), whiteout("d/.wh.o"), member("d/o", body=b"o")
        )
        assert listing(root) == {"d": "dir", "d/n": "whiteout", "d/o": "o", "d/p": ""}

    def test_twice_is_once(self, root):
        applied(root, whiteout(".wh.n"), whiteout(".wh.n"))
        applied(root, whiteout(".wh.n"))
        assert listing(root) == {"n": "whiteout"}

    @pytest.mark.parametrize("new", sorted(TestReplacing.NODES))
    def test_what_comes_after_replaces_them(self, root, new):
        applied(root, whiteout(".wh.n"), *TestReplacing.NODES[new])
        found = listing(root)
        assert found["n"] != "whiteout"
        if new == "directory":  # or the lowers' n would be back
            assert found["n"] == "opaque"

    def test_a_directory_nobody_describes_replaces_one_as_well(self, root):
        applied(root, whiteout(".wh.d"), member("d/f", body=b"x"))
        assert listing(root) == {"d": "opaque", "d/f": "x"}
        assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o755

    def test_a_device_0_0_is_one(self, root):
        applied(root, member("n", CHAR), directory("n/"))
        assert listing(root) == {"n": "opaque"}

    def test_one_with_a_body_or_of_another_type(self, root):
        applied(root, member(".wh.a", body=b"x" * 600), symlink(".wh.b", "t"), directory(".wh.c/"), member("f"))
        assert listing(root) == {"a": "whiteout", "b": "whiteout", "c": "whiteout", "f": ""}

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            pytest.param([whiteout("d/.wh.")], "invalid whiteout d/.wh.: ", id="of nothing"),
            pytest.param([whiteout("d/.wh..")], "invalid whiteout d/.wh..: ", id="of the directory itself"),
            pytest.param([whiteout("d/.wh...")], "invalid whiteout d/.wh...: ", id="of the one above"),
            pytest.param([member("f"), whiteout("f/.wh.g")], "Not a directory", id="in a file"),
            pytest.param([member(".wh.d/f")], "directory is a whiteout", id="with something in it"),
            pytest.param([member("a/.wh.d/e/f")], "directory is a whiteout", id="with something deep in it"),
        ],
    )
    def test_senseless_ones_are_refused(self, root, members, message):
        with pytest.raises(ArchiveRejected, match=message):
            applied(root, *members)

    def test_aufs_bookkeeping_is_passed_over(self, root):
        applied(
            root,
            directory(".wh..wh.plnk/"),
            member(".wh..wh.plnk/1.2", body=b"x"),
            member(".wh..wh.aufs"),
            member("d/.wh..wh.orph/deep/f"),
            member("f"),
        )
        assert listing(root) == {"f": ""}


class TestPseudoLinks:
    """AUFS kept files with several names in a directory of its own, and a layer's names were hard links into it."""

    KEPT = member(".wh..wh.plnk/7.9", body=b"x", mode=0o4711, uid=3)

    def test_names_for_a_file_kept_there(self, root):
        applied(
            root,
            directory(".wh..wh.plnk/"),
            self.KEPT,
            hardlink("a", ".wh..wh.plnk/7.9", mode=0o4711, uid=3),
            hardlink("d/b", "/./.wh..wh.plnk//7.9", mode=0o4711, uid=3),
            member(".wh..wh.aufs"),
        )
        assert listing(root) == {"a": "x", "d": "dir", "d/b": "x"}
        st = os.stat(root / "a")
        assert (st.st_ino, st.st_nlink) == (os.stat(root / "d/b").st_ino, 2)
        assert (stat.S_IMODE(st.st_mode), st.st_uid) == (0o4711, 3)

    def test_they_outlive_an_opaque_root_and_hide_no_lower(self, root, tmp_path):
        (tmp_path / "lower").mkdir()
        (root / "old").touch()
        opaque, link = whiteout(".wh..wh..opq"), hardlink("a", ".wh..wh.plnk/7.9")
        applied(root, self.KEPT, opaque, link, lowers=[str(tmp_path / "lower")])
        assert listing(root) == {"a": "x"}

    def test_nothing_else_is_kept_there(self, root):
        names = symlink(".wh..wh.plnk/l", "/"), directory(".wh..wh.plnk/d/"), member(".wh..wh.plnk/d/f")
        applied(root, self.KEPT, *names, member(".wh..wh.plnk/l/f"), whiteout(".wh..wh.plnk/.wh.7.9"))
        assert listing(root) == {}

    @pytest.mark.parametrize("target", [".wh..wh.plnk/7.9", ".wh..wh.plnk", "d/.wh..wh.plnk/7.9", ".wh..wh.aufs"])
    def test_a_name_for_what_is_not_there_is_refused(self, root, target):
        with pytest.raises(ArchiveRejected, match=r"entry a: .*is not in the layer"):
            applied(root, member("d/.wh..wh.plnk/7.9"), member(".wh..wh.aufs"), hardlink("a", target))


class TestOpaqueMarkers:
    @pytest.mark.parametrize("userxattr", [False, True])
    def test_the_directory_gets_the_stores_xattr(self, root, userxattr):
        applied(root, directory("d/"), whiteout("d/.wh..wh..opq"), member("d/f"), userxattr=userxattr)
        name = "user.overlay.opaque" if userxattr else "trusted.overlay.opaque"
        assert os.getxattr(root / "d", name) == b"y"
        assert sorted(os.listdir(root / "d")) == ["f"]

    def test_the_directory_need_not_be_described(self, root):
        applied(root, whiteout("d/.wh..wh..opq"))
        assert listing(root) == {"d": "opaque"}

    def test_a_symlinked_one_is_where_it_leads(self, root):
        applied(root, directory("usr/bin/"), symlink("bin", "usr/bin"), whiteout("bin/.wh..wh..opq"))
        assert listing(root) == {"usr": "dir", "usr/bin": "opaque", "bin": "-> usr/bin"}

    def test_at_the_root_they_hide_the_lowers_name_by_name(self, root, tmp_path):
        near, far = tmp_path / "near", tmp_path / "far"
        for lower in (near, far):
            lower.mkdir()
        for path in (near / "n", far / "f", far / "both", near / "both", far / "hidden", far / "kept"):
            path.touch()
        (far / "dir").mkdir()
        os.mknod(near / "hidden", stat.S_IFCHR, 0)
        applied(
            root,
            whiteout(".wh..wh..opq", uid=3),
            member("kept", body=b"x"),
            directory("dir/"),
            directory("new/"),
            lowers=[str(near), str(far)],
        )
        assert listing(root) == {
            "n": "whiteout", "f": "whiteout", "both": "whiteout", "kept": "x", "dir": "opaque", "new": "dir",
        }  # fmt: skip
        assert os.lstat(root / "n").st_uid == 3

    def test_at_the_root_of_a_base_they_say_nothing(self, root):
        applied(root, whiteout(".wh..wh..opq"), member("f"))
        assert listing(root) == {"f": ""}


@pytest.fixture
def old(tmp_path):
    """A layer's diff, as it is before a merge; gives a function that tells whether the diff is unchanged."""
    path = tmp_path / "old"
    path.mkdir()
    applied(
        path,
        directory("d/", mode=0o750),
        member("d/f", body=b"old", mode=0o644),
        directory("d/sub/"),
        member("d/sub/g", body=b"g"),
        member("f", body=b"old"),
        symlink("l", "d"),
        whiteout(".wh.gone"),
        whiteout("d/.wh..wh..opq"),
    )
    return path


class TestMerging:
    """Apply over a clone of the old diff, whose files are hard links."""

    @pytest.fixture
    def clone(self, old, tmp_path):
        before = exported(old), self.inodes(old)
        clone_tree(str(old), str(tmp_path / "clone"))
        yield tmp_path / "clone"
        assert (exported(old), self.inodes(old)) == before  # the old diff is untouched

    @staticmethod
    def inodes(root):
        found = [os.lstat(root / name) for name in ("f", "d/f", "d/sub/g", "gone", "l")]
        return [(st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns) for st in found]

    def test_files_are_replaced_never_written_through(self, clone):
        applied(
            clone,
            member("f", body=b"new", mode=0o4711, uid=9),
            member("d/f", b"6"),
            symlink("d/sub/g", "x"),
            member("gone", body=b"back"),
            member("l", body=b"no link"),
        )
        assert listing(clone) == {
            "d": "opaque", "d/f": "node", "d/sub": "dir", "d/sub/g": "-> x", "f": "new", "gone": "back", "l": "no link",
        }  # fmt: skip

    def test_what_is_not_mentioned_stays(self, clone, old):
        expected = {**listing(old), "new": "n"}
        applied(clone, member("new", body=b"n"))
        assert listing(clone) == expected
        assert os.stat(clone / "f").st_ino == os.stat(old / "f").st_ino

    def test_whiteouts_remove_whole_trees(self, clone):
        applied(clone, whiteout(".wh.d"))
        assert listing(clone) == {"d": "whiteout", "f": "old", "gone": "whiteout", "l": "-> d"}

    def test_an_opaque_marker_removes_what_was_there_before_this_archive(self, clone):
        applied(
            clone,
            member("d/early", body=b"e"),
            member("d/sub/early", body=b"e"),
            whiteout("d/.wh..wh..opq"),
            member("d/late", body=b"l"),
        )
        assert listing(clone) == {
            "d": "opaque", "d/early": "e", "d/late": "l", "d/sub": "dir", "d/sub/early": "e",
            "f": "old", "gone": "whiteout", "l": "-> d",
        }  # fmt: skip

    def test_what_a_marker_removed_is_looked_for_once(self, clone, monkeypatch):
        looked = []
        monkeypatch.setattr(apply, "children", lambda fd: looked.append(fd) or children(fd))
        markers = [whiteout(f"d/{name}.wh..wh..opq") for name in ("", "sub/", "", "new/")]
        applied(clone, member("d/sub/early"), *markers, member("d/late"), *markers)
        assert listing(clone)["d"] == "opaque" and "d/f" not in listing(clone)
        assert len(looked) == 2  # of d, and of d/sub below it

    def test_a_directory_only_known_by_its_marker_is_brought_by_this_archive(self, clone):
        applied(clone, whiteout("d/new/.wh..wh..opq"), whiteout("d/.wh..wh..opq"))
        assert listing(clone) == {"d": "opaque", "d/new": "opaque", "f": "old", "gone": "whiteout", "l": "-> d"}

    def test_through_a_symlink_too(self, clone):
        applied(clone, member("l/early", body=b"e"), whiteout("l/.wh..wh..opq"))
        assert listing(clone) == {"d": "opaque", "d/early": "e", "f": "old", "gone": "whiteout", "l": "-> d"}

    def test_at_the_root(self, clone, tmp_path):
        lower = tmp_path / "lower"
        (lower / "d").mkdir(parents=True)
        (lower / "seen").touch()
        applied(clone, directory("d/"), whiteout(".wh..wh..opq"), member("new"), lowers=[str(lower)])
        assert listing(clone) == {"d": "opaque", "new": "", "seen": "whiteout"}

    def test_a_directory_over_an_old_whiteout_is_opaque(self, clone):
        applied(clone, directory("gone/"))
        assert listing(clone)["gone"] == "opaque"

    def test_a_hard_link_to_an_old_file(self, clone, old):
        applied(clone, hardlink("again", "d/f"))
        assert os.stat(clone / "again").st_ino == os.stat(old / "d/f").st_ino

    def test_the_layers_of_mobys_own_test(self, root):
        """Four layers, one after the other, on one plain tree; a name that is gone from the tree is a whiteout here."""
        layers = (
            ([".baz", "bar/", "bar/bax", "bar/bay/", "baz", "foo/", "foo/.abc", "foo/.bcd/", "foo/.bcd/a", "foo/cde/"],
             [".baz", "bar", "bar/bax", "bar/bay", "baz", "foo", "foo/.abc", "foo/.bcd", "foo/.bcd/a", "foo/cde"]),
            ([".bay", ".wh.baz", "foo/", "foo/.bce", "foo/.wh..wh..opq", "foo/cde/", "foo/cde/efg"],
             [".bay", ".baz", "bar", "bar/bax", "bar/bay", "foo", "foo/.bce", "foo/cde", "foo/cde/efg"]),
            ([".bay", ".wh..baz", ".wh.foobar", "foo/", "foo/.abc", "foo/.wh.cde", "bar/"],
             [".bay", "bar", "bar/bax", "bar/bay", "foo", "foo/.abc", "foo/.bce"]),
            ([".abc", ".wh..wh..opq", "foobar"], [".abc", "foobar"]),
        )  # fmt: skip
        for names, expected in layers:
            applied(root, *(directory(name) if name.endswith("/") else member(name) for name in names))
            shown = [path for path, what in listing(root).items() if what != "whiteout"]
            assert sorted(shown) == sorted(expected)


class TestLimits:
    MEMBERS = (
        pax(record("mtime", "7")),
        member("a", body=b"x" * 60),
        member(".wh.b", body=b"x" * 41),
        sparse("old GNU", [(4096, 3)], b"abc", 10_000),
    )
    SIZE = 2 * 512 + 2 * 2 * 512 + 2 * 512 + 9_997 + 2 * 512  # the header for a's; two, and the sparse one; the end

    def test_all_that_the_tar_has_may_be_of_the_allowed_size(self, root):
        assert applied(root, *self.MEMBERS, max_size=self.SIZE).size == 60 + 41 + 10_000

    def test_one_byte_more_is_refused(self, root):
        with pytest.raises(ArchiveRejected, match=rf"more than the {self.SIZE - 1} bytes allowed") as caught:
            applied(root, *self.MEMBERS, max_size=self.SIZE - 1)
        assert "max_size" in caught.value.hint

    def test_more_is_refused_before_it_is_written(self, root):
        with pytest.raises(ArchiveRejected, match=r"entry b: .* more than the 2047 bytes allowed"):
            applied(root, member("a", body=b"x" * 60), member("b", body=b"x"), max_size=2047)
        assert listing(root) == {"a": "x" * 60}

    @pytest.mark.parametrize(
        "rest",
        [bytes(512), b"garbage" * 512, pax(record("comment", "x" * 600), b"g") + archive()],
        ids=["zeros", "garbage", "global headers"],
    )
    def test_what_follows_counts(self, root, rest):
        tar = member("a") + (b"" if rest.startswith(b"Pax") else archive()) + rest
        with pytest.raises(ArchiveRejected, match="more than the 1536 bytes allowed"):
            apply_layer(reader(tar), str(root), max_size=1536, expected=True)

    def test_a_full_filesystem_is_an_os_error_that_names_the_entry(self, loop_filesystem):
        mounted = loop_filesystem("ext4")
        with pytest.raises(OSError, match="No space left") as caught:
            applied(mounted, member("a"), member("dir/big", body=bytes(64 << 20)))
        assert caught.value.filename == "dir/big"

    def test_an_id_that_is_not_mapped_names_the_entry(self, root):
        def map_ids(uid, gid):
            if uid:
                raise ValueError(f"container uid {uid} is not in the map")
            return uid, gid

        with pytest.raises(ArchiveRejected, match=r"^archive entry d/f: its owner: .* uid 7 is not in") as caught:
            applied(root, directory("d/"), member("d/f", uid=7), map_ids=map_ids)
        assert caught.value.details == {"entry": "d/f"}
        assert "id maps" in caught.value.hint

    def test_the_umask_comes_back(self, root):
        before = os.umask(0o027)
        try:
            with pytest.raises(ArchiveRejected):
                applied(root, member("a", mode=0o666), member("../b"))
            assert os.umask(0o027) == 0o027
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(root / "a").st_mode) == 0o666

    def test_what_read_raises_comes_through(self, root):
        tar = io.BytesIO(member("f"))

        def read(size):
            piece = tar.read(size)
            if not piece:
                raise OSError(5, "Input/output error", "src")
            return piece

        with pytest.raises(OSError, match="Input/output error: 'src'"):
            apply_layer(read, str(root))


class TestRoundTrip:
    NAMES = st.lists(st.sampled_from(["a", "b", "c", ".d", "\u00e9"]), min_size=1, max_size=4).map("/".join)

    STEPS = st.tuples(
        NAMES, st.sampled_from(["file", "dir", "link", "hard", "gone", "opaque"]), st.binary(max_size=600)
    )

    @given(st.lists(STEPS, max_size=12))
    @example([("a", "gone", b""), ("b", "hard", b"")])
    def test_what_was_applied_is_exported_as_the_same_tar_however_often(self, tmp_path_factory, script):
        """Any tar at all settles after one export: applying that gives the same tree and the same bytes again."""
        first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
        made = {
            "file": lambda name, body: member(name, body=body, mode=0o640, uid=len(body), gid=7),
            "dir": lambda name, body: directory(name + "/", mode=0o750),
            "link": lambda name, body: symlink(name, "a/../" + name),
            "hard": lambda name, body: hardlink(name, "a"),
            "gone": lambda name, body: whiteout("/".join([*name.split("/")[:-1], ".wh." + name.split("/")[-1]])),
            "opaque": lambda name, body: whiteout(name + "/.wh..wh..opq"),
        }
        for name, kind, body in script:
            try:
                applied(first, made[kind](name, body))
            except ArchiveRejected:  # a file as parent, a hard link to nothing: the rest goes on without it
                continue
        tar = exported(first)
        apply_layer(reader(tar), str(second))
        assert exported(second) == tar
        assert listing(second) == listing(first)
        shutil.rmtree(first)
        shutil.rmtree(second)

    @pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
    def test_gnu_tar_unpacks_the_same(self, root, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        tar = archive(
            directory("d/", mode=0o2750, uid=1, gid=2),
            member("d/f", body=b"x" * 5000, mode=0o4755, uid=1000),
            pax(record("mtime", "1600000000.123456789")),
            member("d/g", mode=0o6111, gid=5),
            hardlink("h", "d/f", mode=0o4755, uid=1000),
            symlink("l", "../x", uid=3),
            member("p", b"6", mode=0o622),
            member("z/" + "n" * 200, body=b"deep"),
            member("n", CHAR, major=5, minor=300, mode=0o666),
        )
        (tmp_path / "tar").write_bytes(tar)
        command = ["tar", "--numeric-owner", "--same-owner", "-xpf", tmp_path / "tar", "-C", other]
        subprocess.run(command, check=True)
        apply_layer(reader(tar), str(root))
        for base, dirs, files in os.walk(other):
            for name in dirs + files:
                path = os.path.join(base, name)
                mine = os.lstat(os.path.join(root, os.path.relpath(path, other)))
                its = os.lstat(path)
                if name != "z":  # made without an entry, so it has the present time
                    assert mine.st_mtime_ns == its.st_mtime_ns, name
                facts = ("st_mode", "st_uid", "st_gid", "st_rdev", "st_nlink")
                assert [getattr(mine, fact) for fact in facts] == [getattr(its, fact) for fact in facts], name


def test_nothing_is_left_open(root):
    before = len(os.listdir("/proc/self/fd"))
    applied(root, directory("d/"), member("d/f"))
    with pytest.raises(ArchiveRejected):
        applied(root, directory("d/"), member("d/../../f"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("padding", [0, 1, 512, 10_240, 3 << 20])
def test_zeros_may_follow_the_end(root, padding):
    stream = io.BytesIO(archive(member("f")) + bytes(padding))
    assert apply_layer(stream.read, str(root)).entries == 1
    assert stream.read() == b""


@pytest.mark.parametrize(
    "garbage",
    [b"x", bytes(3 << 20) + b"x", archive(member("g")), bytes(511) + b"\n"],
    ids=["a byte", "far behind", "another archive", "in a block"],
)
@pytest.mark.parametrize("tar", [END, archive(member("f"))], ids=["empty", "a file"])
def test_nothing_else_may(root, tar, garbage):
    with pytest.raises(ArchiveRejected, match="data follows the archive's end mark") as caught:
        apply_layer(reader(tar + garbage), str(root))
    assert "diff_id or digest" in caught.value.hint
    before = apply_layer(reader(tar), str(root))
    assert apply_layer(reader(tar + garbage), str(root), expected=True) == before


MANY = 16 << 20


class Endless:
    """A stream that begins with *first*, and then is *piece* again and again; tells how many bytes were read."""

    def __init__(self, first: bytes, piece: bytes) -> None:
        self._pieces = itertools.chain([first], itertools.repeat(piece))
        self.read_bytes = 0

    def read(self, _size: int) -> bytes:
        piece = next(self._pieces)
        self.read_bytes += len(piece)
        return piece


@pytest.mark.parametrize("expected", [False, True])
@pytest.mark.parametrize("max_size", [None, 1 << 40])
@pytest.mark.parametrize(
    ("first", "piece", "most"),
    [
        pytest.param(archive(member("f")), bytes(1 << 18), MANY, id="zeros"),
        pytest.param(END, bytes(1 << 18), MANY, id="zeros alone"),
        pytest.param(archive(member("f")), b"x" * (1 << 18), MANY, id="garbage"),
        pytest.param(archive(sparse("old GNU", [], b"", 1 << 42)), bytes(1 << 18), MANY, id="zeros behind a hole"),
        pytest.param(archive(member("f", body=bytes(2 * MANY))), bytes(1 << 18), 2 * MANY, id="as much as the archive"),
        pytest.param(b"", pax(record("comment", "x" * 1_000_000), b"g"), 1 << 30, id="global headers"),
        pytest.param(b"", pax(record("path", "x" * 1_000_000)), 1 << 30, id="headers"),
        pytest.param(member("f"), member("n", b"L", b"x" * 1_000_000), 1 << 30, id="long names"),
        pytest.param(member(".wh..wh.x", size=1 << 60), bytes(1 << 18), MANY, id="bookkeeping"),
        pytest.param(member(".wh.x", size=1 << 60), bytes(1 << 18), MANY, id="a whiteout's content"),
        pytest.param(member("./", size=1 << 60), bytes(1 << 18), MANY, id="the root's content"),
    ],
)
def test_nothing_goes_on_for_ever(root, first, piece, most, max_size, expected):
    stream = Endless(first, piece)
    with pytest.raises(ArchiveRejected, match=r"more than|data follows|do not belong to a file"):
        apply_layer(stream.read, str(root), max_size=max_size, expected=expected)
    assert stream.read_bytes <= len(first) + most + (2 << 20)


class TestSmallArchivesOfMuch:
    def test_directories_without_entries_have_a_relation_to_the_archive(self, root):
        members = (member(f"{number}/" + "d/" * 1500 + "f") for number in range(50))
        with pytest.raises(
            ArchiveRejected, match=r"entry 6/d/.* need [0-9]+ directories that the archive does not list"
        ):
            applied(root, *members)

    def test_a_deep_one_is_taken(self, root):
        assert applied(root, member("d/" * 2000 + "f")).entries == 1

    def test_so_are_many_of_an_archive_that_lists_none(self, root):
        members = [member(f"{number}/a/b/c/d/e/f") for number in range(2500)]
        assert applied(root, *members).entries == 2500

    @pytest.mark.parametrize("is_merged", [False, True])
    def test_the_times_of_directories_are_right_however_few_are_noted(self, root, is_merged, monkeypatch):
        if is_merged:
            (root / "old").touch()
        monkeypatch.setattr(apply_root, "_NOTED_TIMES", 3)
        monkeypatch.setattr(apply_root, "_KEEP", 2)
        names = [f"{first}/{second}" for first in range(4) for second in range(4)]
        wanted = {"l": 0, **{f"{n}": 100 + n for n in range(4)}, **{name: index for index, name in enumerate(names)}}
        members = [directory(f"{name}/", mtime_ns=time * 10**9) for name, time in wanted.items()]
        later = [member(f"{name}/f") for name in reversed(names)] + [member("1/f"), hardlink("l/f", "1/f", mode=0o644)]
        applied(root, *members, *later, symlink("s", "2"), member("s/0/g"), directory("2/1/", mtime_ns=7 * 10**9))
        wanted["2/1"] = 7
        assert {name: os.stat(root / name).st_mtime for name in wanted} == wanted


class TestWithoutAnEnd:
    """As in Docker; a digest tells whether bytes are missing."""

    @pytest.mark.parametrize(
        "tar",
        [
            pytest.param(member("f", body=b"x"), id="no end mark"),
            pytest.param(member("f", body=b"x")[: 512 + 1], id="no padding"),
            pytest.param(member("f", body=b"x")[: 512 + 100], id="half the padding"),
            pytest.param(archive(member("f", body=b"x"), pax(record("path", "g"))), id="a header for nothing"),
            pytest.param(member("f", body=b"x") + member("L", b"L", body=b"g"), id="a long name for nothing"),
        ],
    )
    def test_it_is_taken_where_a_digest_is_expected(self, root, tar):
        with pytest.raises(ArchiveRejected, match=r"the archive ends|within a block|an entry that is missing"):
            apply_layer(reader(tar), str(root))
        assert apply_layer(reader(tar), str(root), expected=True) == Applied(1, 1)
        assert listing(root) == {"f": "x"}

    @pytest.mark.parametrize(
        "tar",
        [
            pytest.param(member("f", body=b"xy")[: 512 + 1], id="within the content"),
            pytest.param(member("f") + member("g")[:100], id="within a header"),
            pytest.param(member("f") + bytes(512) + member("g"), id="a block of zeros, then more"),
        ],
    )
    def test_what_docker_refuses_is_refused(self, root, tar):
        with pytest.raises(ArchiveRejected):
            apply_layer(reader(tar), str(root), expected=True)
