# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard links whose own header differs from the target's: the last header counts, as in moby."""

from __future__ import annotations

import contextlib
import os
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.clone import clone_tree
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHAR, FIFO
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    reader,
    symlink,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
TARGETS = {
    "file": lambda **fields: member("a", body=b"content", **fields),
    "symlink": lambda **fields: symlink("a", "t", **fields),
    "device": lambda **fields: member("a", CHAR, major=1, minor=3, **fields),
    "fifo": lambda **fields: member("a", FIFO, **fields),
}


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "diff"
    path.mkdir()
    return path


def applied(root, *members, **options):
    return apply_layer(reader(archive(*members)), str(root), **options)


def facts(path):
    found = os.lstat(path)
    names = os.listxattr(path, follow_symlinks=False)
    return {
        "mode": stat.S_IMODE(found.st_mode),
        "owner": (found.st_uid, found.st_gid),
        "time": found.st_mtime,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False) for name in names},
    }


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_owner_mode_time_and_xattrs_are_the_last_headers(root, target):
    first = {"mode": 0o4755, "uid": 1, "gid": 2, "mtime_ns": 0, "xattrs": {b"trusted.a": b"1", b"trusted.b": b"1"}}
    last = {"mode": 0o604, "uid": 3, "gid": 4, "mtime_ns": 5 * 10**9, "xattrs": {b"trusted.b": b"2"}}
    applied(root, member("t", mode=0o700), TARGETS[target](**first), hardlink("b", "a", **last))
    assert os.lstat(root / "a").st_ino == os.lstat(root / "b").st_ino
    is_symlink = target == "symlink"  # mode and time of a symlink stay in moby, too
    assert facts(root / "a") == {
        "mode": 0o777 if is_symlink else 0o604,
        "owner": (3, 4),
        "time": 0 if is_symlink else 5,
        "xattrs": {"trusted.a": b"1", "trusted.b": b"2"},
    }
    assert facts(root / "t")["mode"] == 0o700


@pytest.mark.parametrize("last", [{}, {"mtime_ns": 0}])
def test_capabilities_of_an_earlier_header_go(root, last):
    """As with moby's chown(2): a header without capabilities removes them."""
    applied(root, member("a", xattrs={b"security.capability": CAPABILITY}), hardlink("b", "a", mode=0o644, **last))
    assert os.listxattr(root / "a") == []


def test_capabilities_of_the_last_header_stay(root):
    applied(
        root, member("a", uid=7), hardlink("b", "a", uid=7, mode=0o755, xattrs={b"security.capability": CAPABILITY})
    )
    assert os.getxattr(root / "a", "security.capability") == CAPABILITY


def test_the_owner_is_mapped(root):
    applied(root, member("a"), hardlink("b", "a", uid=1, gid=2), map_ids=lambda uid, gid: (uid + 1000, gid + 2000))
    assert facts(root / "a")["owner"] == (1001, 2002)


def test_as_many_names_as_the_filesystem_has(loop_filesystem):
    mounted = loop_filesystem("ext4")
    names = [hardlink(f"{number}", "f", mode=0o644) for number in range(65_000)]
    with pytest.raises(NotSupported, match=r"^archive entry 64999: f already has as many names as"):
        applied(mounted, member("f"), *names)


LAST = {"mode": 0o600, "uid": 7, "gid": 8, "mtime_ns": 9 * 10**9, "xattrs": {b"trusted.new": b"n"}}


class TestMerge:
    """The tree is a clone: no inode that the old tree also has is changed."""

    @pytest.mark.parametrize("target", sorted(TARGETS))
    def test_what_was_there_gets_an_inode_of_its_own_under_all_names(self, root, tmp_path, target):
        first = TARGETS[target](mode=0o755, xattrs={b"trusted.old": b"o"})
        names = [hardlink("d/b", "a", mode=0o755), hardlink("d/e/c", "a", mode=0o755)]
        applied(root, member("t", mode=0o700), directory("d/"), first, *names)
        new = tmp_path / "new"
        clone_tree(str(root), str(new))
        before = facts(root / "a"), os.lstat(root / "a").st_nlink, os.lstat(new / "d").st_mtime
        applied(new, hardlink("x", "d/b", **LAST), hardlink("y", "x", **LAST))
        assert (facts(root / "a"), os.lstat(root / "a").st_nlink, os.lstat(new / "d").st_mtime) == (
            before[0],
            before[1] - 3,  # the clone's
            before[2],
        )
        names = ["a", "d/b", "d/e/c", "x", "y"]
        assert len({os.lstat(new / name).st_ino for name in names}) == 1
        assert os.lstat(new / "a").st_ino != os.lstat(root / "a").st_ino
        assert os.lstat(new / "a").st_nlink == 5
        assert facts(new / "a")["owner"] == (7, 8)
        assert facts(new / "a")["xattrs"] == {"trusted.old": b"o", "trusted.new": b"n"}
        if target != "symlink":
            assert (facts(new / "a")["mode"], facts(new / "a")["time"]) == (0o600, 9)

    def test_the_copy_has_the_content_and_its_holes(self, root, tmp_path):
        with open(root / "a", "wb") as file:
            file.seek(1 << 20)
            file.write(b"x" * 5000)
            file.truncate(1 << 30)
        new = tmp_path / "new"
        clone_tree(str(root), str(new))
        applied(new, hardlink("b", "a", **LAST))
        assert os.stat(new / "b").st_size == 1 << 30
        assert os.stat(new / "b").st_blocks < 100
        with open(new / "b", "rb") as file:
            file.seek((1 << 20) - 1)
            assert file.read(5003) == b"\0" + b"x" * 5000 + bytes(2)

    def test_a_header_that_says_the_same_shares_on(self, root, tmp_path):
        applied(root, member("a", body=b"x"))
        new = tmp_path / "new"
        clone_tree(str(root), str(new))
        applied(new, hardlink("b", "a", mode=0o644), hardlink("c", "b", mode=0o644))
        assert os.stat(root / "a").st_nlink == 4
        assert os.stat(new / "c").st_ino == os.stat(root / "a").st_ino

    def test_a_new_name_of_what_was_there_is_not_new(self, root, tmp_path):
        applied(root, member("a", body=b"x"))
        new = tmp_path / "new"
        clone_tree(str(root), str(new))
        members = hardlink("b", "a", mode=0o644), member("a", body=b"new"), hardlink("c", "b", **LAST)
        applied(new, *members)
        assert facts(root / "a")["mode"] == 0o644
        assert (new / "a").read_bytes() == b"new"
        assert os.stat(new / "b").st_ino == os.stat(new / "c").st_ino != os.stat(root / "a").st_ino
        assert facts(new / "b")["mode"] == 0o600

    @pytest.mark.root
    def test_a_copy_whose_inode_gets_the_number_of_the_old_one_is_not_lost(self, loop_filesystem):
        """ext4 gives a new file the lowest free number: that of the file that has just lost its last name."""
        root = loop_filesystem("ext4") / "alone"
        root.mkdir()
        applied(root, member("b", uid=0), member("a", FIFO, uid=0))
        applied(
            root,
            *(hardlink("d/c", "a", uid=0), hardlink("a", "b", uid=1), member("a", uid=0)),
            hardlink("a", "d/c", uid=1),
        )
        assert os.lstat(root / "a").st_ino == os.lstat(root / "d/c").st_ino
        assert facts(root / "d/c")["owner"] == (1, 0)

    @given(st.data())
    def test_nothing_of_the_old_tree_ever_changes_and_the_new_is_as_docker_has_it(self, tmp_path_factory, data):
        """Links merged over links give the same tree as all of them applied to one directory that is not shared."""
        old, new, alone = (tmp_path_factory.mktemp(name) for name in ("old", "new", "alone"))
        name = st.sampled_from(["a", "b", "d/c", "d/e/f"])
        fields = st.fixed_dictionaries({"mode": st.sampled_from([0o600, 0o4711]), "uid": st.integers(0, 2)})
        step = st.tuples(st.sampled_from(["file", "link", "link", "link", "fifo"]), name, name, fields)
        scripts = [data.draw(st.lists(step, min_size=1, max_size=8)) for _unused in range(2)]
        self.run(scripts[0], old)
        self.run(scripts[0], alone)
        os.rmdir(new)
        clone_tree(str(old), str(new))
        before = self.seen(old)
        self.run(scripts[1], new)
        self.run(scripts[1], alone)
        assert self.seen(old) == before
        assert self.seen(new) == self.seen(alone)

    def run(self, script, root):
        """Apply an archive with these steps, up to the first that is refused."""
        made = {
            "file": lambda name, _other, fields: member(name, **fields),
            "fifo": lambda name, _other, fields: member(name, FIFO, **fields),
            "link": lambda name, other, fields: hardlink(name, other, **fields),
        }
        with contextlib.suppress(ArchiveRejected):
            applied(root, *(made[kind](name, other, fields) for kind, name, other, fields in script))

    def seen(self, root):
        """Return owner, mode and type by name, with the first name of the same inode."""
        first, found = {}, {}
        for base, _unused, files in sorted(os.walk(root)):
            for name in sorted(files):
                path = os.path.join(base, name)
                at = os.lstat(path)
                shown = os.path.relpath(path, root)
                found[shown] = (at.st_mode, at.st_uid, at.st_gid, at.st_mtime_ns, first.setdefault(at.st_ino, shown))
        return found


@pytest.mark.parametrize("merge", [False, True])
def test_whiteouts_that_are_links_of_one_inode_are_whiteouts(root, merge):
    """As busybox archives an upperdir: the kernel makes all whiteouts of a mount as links of one inode."""
    if merge:
        (root / "b").mkdir()
    members = member("a", CHAR, mode=0), hardlink("b", "a", mode=0)
    applied(root, *members, map_ids=lambda uid, gid: (uid + 1000, gid + 1000))
    assert [whiteout_owner(root / name) for name in ("a", "b")] == [(0, 0), (0, 0)]


def whiteout_owner(path):
    found = os.lstat(path)
    assert stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
    return found.st_uid, found.st_gid


def test_a_link_to_a_whiteout_of_the_tar_is_a_whiteout(root):
    applied(root, member(".wh.gone"), hardlink("too", "gone"))
    assert whiteout_owner(root / "too") == (0, 0)
