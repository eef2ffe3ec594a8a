# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as a tar: their order, the whiteouts, and that the old tree and the tar give the new tree."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export_changes import export_changes
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.all_changes import tree_changes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes owners and devices"),
]

NS = 10**9
TIME = 1_600_000_000


@pytest.fixture
def trees(tmp_path):
    """The trees old and new, with every difference that a tar can hold."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "a").mkdir(parents=True)
    (old / "a" / "gone").write_bytes(b"1")
    (old / "a" / "same").write_bytes(b"1")
    (old / "tree" / "below").mkdir(parents=True)
    shutil.copytree(old, new)
    shutil.rmtree(new / "tree")
    (new / "a" / "gone").unlink()
    (new / "a" / "in").write_bytes(b"content")
    (new / "a-b").write_bytes(b"x" * 1000)
    os.link(new / "a-b", new / "b")
    os.chown(new / "a-b", 1, 2)
    (new / "link").symlink_to("a/in")
    os.mkfifo(new / "fifo")
    os.mknod(new / "null", 0o020666, os.makedev(1, 3))
    os.utime(new / "a", ns=(TIME * NS, TIME * NS))
    os.utime(new, ns=(TIME * NS, (TIME + 7) * NS))
    return old, new


def exported(old, new, **options):
    stream = io.BytesIO()
    export_changes(str(new), tree_changes(str(new), str(old))[0], stream.write, **options)
    return stream.getvalue()


def test_the_order_is_that_of_the_paths_and_whiteouts_have_their_directorys_time(trees):
    with tarfile.open(fileobj=io.BytesIO(exported(*trees))) as tar:
        found = {member.name: member for member in tar}
    assert list(found) == ["a", "a-b", "a/.wh.gone", "a/in", "b", "fifo", "link", "null", ".wh.tree"]
    assert [(found[name].mode, found[name].size, found[name].mtime) for name in ("a/.wh.gone", ".wh.tree")] == [
        (0, 0, TIME),
        (0, 0, TIME + 7),
    ]
    assert (found["b"].type, found["b"].linkname) == (tarfile.LNKTYPE, "a-b")


def test_the_same_trees_give_the_same_bytes(trees):
    assert exported(*trees) == exported(*trees)


def test_owners_are_mapped(trees):
    tar = exported(*trees, map_ids=lambda uid, gid: (uid + 10, gid + 20))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        found = archive.getmember("a-b")
    assert (found.uid, found.gid) == (11, 22)


def test_gnu_tar_makes_the_new_tree_of_the_old_one(trees, tmp_path):
    old, new = trees
    (tmp_path / "tar").write_bytes(exported(old, new))
    subprocess.run(["tar", "-C", old, "-xpf", tmp_path / "tar"], check=True)
    for marker in old.rglob(".wh.*"):
        hidden = marker.with_name(marker.name[len(".wh.") :])
        shutil.rmtree(hidden) if hidden.is_dir() else hidden.unlink()
        marker.unlink()
    found = tree_changes(str(old), str(new))[0]
    assert found == []


def test_what_vanishes_meanwhile_is_an_error(trees):
    old, new = trees
    changes = tree_changes(str(new), str(old))[0]
    (new / "a" / "in").unlink()
    with pytest.raises(LayerInUse, match="a/in"):
        export_changes(str(new), changes, lambda piece: None)


def test_users_xattrs_where_asked_for(trees):
    os.setxattr(trees[1] / "a/in", "user.note", b"1")
    for options, records in (({}, {}), ({"xattrs": True}, {"SCHILY.xattr.user.note": "1"})):
        with tarfile.open(fileobj=io.BytesIO(exported(*trees, **options))) as tar:
            assert tar.getmember("a/in").pax_headers == records
