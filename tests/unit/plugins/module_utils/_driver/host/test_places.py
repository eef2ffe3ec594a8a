# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host import places
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.places import Untouched, open_place

pytestmark = pytest.mark.root

USER = 12345


@pytest.fixture
def top(tmp_path):
    """Give a directory of root's in which only root can write."""
    (tmp_path / "a/b").mkdir(parents=True)
    return tmp_path.resolve()


def opened(path, slow=(), links=True):
    """Return the path and the owner of a place."""
    place = open_place(str(path), slow, links)
    try:
        assert os.path.samestat(os.fstat(place.fd), os.stat(place.path))
        return place.path, place.owner
    finally:
        os.close(place.fd)


def give(path, user=USER):
    os.chown(path, user, user, follow_symlinks=False)


def test_a_directory_of_root_is_opened(top):
    assert opened(top / "a/b") == (str(top / "a/b"), 0)
    assert opened(f"{top}//a/./b/") == (str(top / "a/b"), 0)


def test_below_a_directory_of_a_user_the_user_is_the_owner(top):
    give(top / "a")
    assert opened(top / "a/b") == (str(top / "a/b"), USER)


def test_a_symlink_of_root_is_followed(top):
    (top / "a/link").symlink_to("b")
    (top / "absolute").symlink_to(top / "a")
    assert opened(top / "absolute/link") == (str(top / "a/b"), 0)
    with pytest.raises(Untouched, match="absolute is a symlink"):
        opened(top / "absolute", links=False)


@pytest.mark.parametrize("whose", ["link", "directory", "writable"])
def test_a_symlink_that_a_user_can_change_is_not_followed(top, whose):
    (top / "a/link").symlink_to("/etc")
    if whose == "link":
        give(top / "a/link")
    elif whose == "directory":
        give(top / "a")
    else:
        (top / "a").chmod(0o1777)
    with pytest.raises(Untouched, match="link is a symlink that a user can change"):
        opened(top / "a/link")


def test_symlinks_that_lead_to_each_other_end(top):
    (top / "one").symlink_to("two")
    (top / "two").symlink_to("one")
    with pytest.raises(Untouched, match="is a symlink"):
        opened(top / "one/x")


def test_in_a_directory_of_root_where_all_can_write_a_name_is_its_owners(top):
    (top / "a").chmod(0o1777)
    give(top / "a/b")
    assert opened(top / "a/b") == (str(top / "a/b"), USER)
    (top / "a").chmod(0o777)
    with pytest.raises(Untouched, match="other users can write"):
        opened(top / "a/b")


def test_no_slow_mount_point_is_entered(top):
    with pytest.raises(Untouched, match="automount point, a network filesystem or FUSE"):
        opened(top / "a/b", {str(top / "a")})


def test_no_way_leads_up(top):
    with pytest.raises(Untouched, match="contains"):
        opened(top / "a/../a")


def test_a_file_and_a_missing_directory_are_no_places(top):
    (top / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        opened(top / "file")
    with pytest.raises(FileNotFoundError):
        opened(top / "none")


def test_no_descriptor_stays_open(top):
    (top / "a/link").symlink_to("b")
    give(top / "a/link")
    before = len(os.listdir("/proc/self/fd"))
    opened(top / "a/b")
    for path in ("a/link", "none", "a/b/none", "a/../a"):
        with pytest.raises((OSError, Untouched)):
            opened(top / path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("fstype", ["autofs", "nfs", "nfs4", "cifs", "fuse", "fuse.sshfs", "9p", "ceph"])
def test_filesystems_whose_server_may_keep_us_waiting_are_slow(fstype):
    assert places._SLOW.fullmatch(fstype)


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "fuseblk"])
def test_other_filesystems_are_not_slow(fstype):
    assert not places._SLOW.fullmatch(fstype)


def test_the_mount_points_of_this_process_are_read():
    assert isinstance(places.slow_mount_points(), frozenset)
