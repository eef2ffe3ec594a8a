# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.probe import filesystem
from ansible_collections.strata.overlay2.plugins.module_utils._linux import child, mountinfo
from ansible_collections.strata.overlay2.tests.nobody import become_nobody


@pytest.mark.parametrize(
    ("home", "place"),
    [
        pytest.param("here", "here", id="it exists"),
        pytest.param("here/not/yet", "here", id="it does not exist yet"),
        pytest.param("link/not/yet", "here", id="through a symlink"),
        pytest.param("dangling", ".", id="a symlink to nothing"),
        pytest.param("file", ".", id="a file"),
        pytest.param("file/below", ".", id="below a file"),
        pytest.param("here/../here/./x", "here", id="with dots"),
    ],
)
def test_the_place_is_the_nearest_directory(tmp_path, home, place):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    assert filesystem.place_of(f"{tmp_path}/{home}") == os.path.realpath(tmp_path / place)


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "backing_fs"), [("ext4", "extfs"), ("xfs", "xfs"), ("btrfs", "btrfs")], ids=["ext4", "xfs", "btrfs"]
)
def test_a_filesystem_that_can_hold_a_store(loop_filesystem, kind, backing_fs):
    place = loop_filesystem(kind)
    found = filesystem.look(str(place))
    assert (found.kind, found.backing_fs, found.read_only) == (kind, backing_fs, False)
    assert (found.supports_d_type, found.trusted_xattrs, found.user_xattrs) == (True, True, True)
    assert (found.dev, found.fsid) == (place.stat().st_dev, os.statvfs(place).f_fsid)


def test_one_that_moby_has_no_name_for():
    found = filesystem.look("/proc")
    assert (found.kind, found.backing_fs) == ("proc", "<unknown>")
    assert found.trusted_xattrs in (False, None)  # None: not root


@pytest.mark.root
def test_figures_and_options_are_findmnts(loop_filesystem):
    place = loop_filesystem("ext4", options="noatime,nodev")
    (place / "store").mkdir()
    columns = "SOURCE,TARGET,OPTIONS,SIZE,AVAIL"
    command = ["findmnt", "--noheadings", "--bytes", "--output", columns, "--target", place / "store"]
    wanted = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    found = filesystem.look(str(place / "store"))
    assert [found.device, found.mount_point, found.options, str(found.size), str(found.free)] == wanted
    command = ["stat", "--file-system", "--format", "%c %d", place]
    wanted = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert [str(found.inodes), str(found.inodes_free)] == wanted


@pytest.mark.root
def test_a_read_only_mount_of_a_writable_filesystem(loop_filesystem):
    place = loop_filesystem("ext4")
    (place / "bound").mkdir()
    subprocess.run(["mount", "--bind", place, place / "bound"], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place / "bound"], check=True)
    found = filesystem.look(str(place / "bound"))
    assert found.read_only is True
    assert found.options is not None
    assert found.options.split(",").count("rw") == 0
    assert found.options.startswith("ro,")
    assert filesystem.look(str(place)).read_only is False


def test_a_label_with_a_comma_is_one_option():
    line = b'30 1 8:1 / /x rw,relatime shared:1 - xfs /dev/sda1 rw,relatime,context="a:b:c0,c1",attr2\n'
    assert filesystem.merged_options(mountinfo.parse(line)[0]) == 'rw,relatime,context="a:b:c0,c1",attr2'


@pytest.mark.root
@pytest.mark.parametrize("place", [".", "empty", "full"])
def test_directories_without_types(loop_filesystem, place):
    root = loop_filesystem("ext4", "-O", "^filetype")
    (root / "empty").mkdir()
    (root / "full/sub").mkdir(parents=True)
    assert filesystem.look(os.path.realpath(root / place)).supports_d_type is False


@pytest.mark.root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_types_in_an_empty_root_directory(loop_filesystem, kind):
    root = loop_filesystem(kind)
    for path in root.iterdir():
        path.rmdir()
    assert filesystem.look(str(root)).supports_d_type is True


@pytest.mark.root
def test_directories_that_may_not_be_read(tmp_path):
    (tmp_path / "above/home").mkdir(parents=True)
    (tmp_path / "above/home").chmod(0o711)
    (tmp_path / "above").chmod(0o711)
    tmp_path.chmod(0o711)

    def as_nobody() -> filesystem.Filesystem:
        os.chroot(tmp_path)  # what lies above may be closed to others than root
        become_nobody()
        return filesystem.look("/above/home")

    os.mkdir(tmp_path / "proc")
    subprocess.run(["mount", "--bind", "/proc", tmp_path / "proc"], check=True)
    try:
        found = child.in_child(as_nobody)
    finally:
        subprocess.run(["umount", tmp_path / "proc"], check=True)
    assert found.supports_d_type is None
    assert found.trusted_xattrs is None
    assert found.size == filesystem.look(str(tmp_path)).size


@pytest.mark.root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_looking_leaves_no_trace(loop_filesystem, traces, kind):
    root = loop_filesystem(kind)
    (root / "home/l").mkdir(parents=True)
    before = traces(root, aged=True)
    for place in (root, root / "home", root / "home/l"):
        filesystem.look(str(place))
    assert traces(root) == before
    os.listdir(root)
    assert traces(root) != before  # so the usual way of looking would have been noticed
