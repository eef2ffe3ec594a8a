# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Project ids and limits, as the kernel keeps them; what it makes of them is in tests/conformance/test_quotas.py."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota import project_id, projects
from ansible_collections.strata.overlay2.plugins.module_utils._driver.quota.support import project_quota_is_on
from ansible_collections.strata.overlay2.plugins.module_utils._errors import NotPermitted, StoreBusy
from ansible_collections.strata.overlay2.plugins.module_utils._linux import fsxattr

EXT4 = ("-O", "quota,project", "-E", "quotatype=prjquota")
needs_root = pytest.mark.root


@pytest.fixture(params=[("xfs", ()), ("ext4", EXT4)], ids=["xfs", "ext4"])
def home(request, loop_filesystem, tmp_path, monkeypatch):
    monkeypatch.setattr(projects, "RUN_DIRECTORY", str(tmp_path / "locks"))
    kind, arguments = request.param
    made = loop_filesystem(kind, *arguments, options="prjquota") / "home"
    made.mkdir()
    return str(made)


def directory(home: str, name: str) -> str:
    path = os.path.join(home, name)
    os.mkdir(path)
    return path


def wait_for_leaked(home: str) -> list[int]:
    """Return what has leaked, once something has: XFS frees removed inodes a moment later."""
    deadline = time.monotonic() + 60
    while not projects.leaked(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [use.project_id for use in projects.leaked(home)]


def attributes(path: str) -> fsxattr.FsXattr:
    fd = os.open(path, os.O_RDONLY)
    try:
        return fsxattr.get(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("# a comment\n\nlogs:1048576\nwww:42 # and why\n", {1048576, 42}),
        ("no number:x\nbroken\nname:-3\nlast:7", {7}),
    ],
)
def test_the_ids_in_projid(tmp_path, monkeypatch, text, expected):
    (tmp_path / "projid").write_text(text)
    monkeypatch.setattr(projects, "_PROJECTS", str(tmp_path / "projid"))
    assert projects._named_ids() == expected


def test_without_projid_no_id_has_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(projects, "_PROJECTS", str(tmp_path / "none"))
    assert projects._named_ids() == set()


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (projects.Use(7, 0, 0, 5, 6), ""),
        (projects.Use(7, 4096, 0, 1024, 6), "1024 of 4096 bytes"),
        (projects.Use(7, 0, 9, 1024, 6), "6 of 9 inodes"),
        (projects.Use(7, 4096, 9, 1024, 6), "1024 of 4096 bytes and 6 of 9 inodes"),
    ],
)
def test_use_in_words(use, expected):
    assert str(use) == expected


@needs_root
@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_without_project_quota(loop_filesystem, kind):
    home = str(loop_filesystem(kind))
    assert not project_quota_is_on(home)
    assert project_id.project_of(home) == 0
    assert projects.use_of(home) is None
    assert projects.no_space_error(home, "lost+found") is None
    project_id.stop_inheritance(home, home + "/none")


@needs_root
def test_a_directory_becomes_a_project_with_limits(home):
    assert project_quota_is_on(home)
    layer = directory(home, "layer")
    assert projects.use_of(layer) is None
    made = projects.assign(layer)
    assert made >= projects.FIRST_ID
    below = directory(layer, "below")
    assert attributes(below).project_id == made
    assert attributes(below).xflags & fsxattr.FS_XFLAG_PROJINHERIT
    assert projects.use_of(layer)[:3] == (made, 0, 0)
    projects.limit(layer, 1 << 20, 50)
    assert projects.use_of(below) == projects.use_of(layer)
    assert projects.use_of(layer)[:3] == (made, 1 << 20, 50)
    assert projects.use_of(layer).inodes_used == 2
    projects.release(home, made)
    assert projects.use_of(layer)[:3] == (made, 0, 0)


@needs_root
def test_what_a_home_gives_to_all_is_no_project_of_a_layer(home):
    layer = directory(home, "layer")
    made = projects.assign(layer)
    assert projects.use_of(layer, made) is None


@needs_root
def test_ids_are_free_on_the_filesystem_and_have_no_name(home, tmp_path, monkeypatch):
    first = projects.assign(directory(home, "first"))
    (tmp_path / "projid").write_text(f"named:{first + 1}\n")
    monkeypatch.setattr(projects, "_PROJECTS", str(tmp_path / "projid"))
    with_limit = directory(home, "with-limit")
    assert projects.assign(with_limit) == first + 2
    assert projects.assign(directory(home, "third"), first + 5) == first + 6
    projects.limit(with_limit, 4096, 0)
    os.rmdir(with_limit)
    assert projects.assign(directory(home, "fourth")) == first + 3
    assert wait_for_leaked(home) == [first + 2]
    projects.release_leaked(home, [first, first + 2])
    assert projects.leaked(home) == []
    assert projects.assign(directory(home, "fifth")) == first + 2


@needs_root
def test_an_id_that_another_took_at_the_same_time_is_left_to_it(home):
    """Runs that race for ids are in tests/crash/test_limits.py."""
    other, layer = directory(home, "other"), directory(home, "layer")
    taken = projects.assign(other)
    fd = os.open(layer, os.O_RDONLY)
    try:
        assert not projects._take(fd, taken)  # free when we looked
    finally:
        os.close(fd)
    made = projects.assign(layer)
    assert made != taken
    assert (projects.use_of(layer).project_id, projects.use_of(layer).inodes_used) == (made, 1)
    assert projects.use_of(other).inodes_used == 1


@needs_root
def test_limits_of_a_project_with_files_are_not_taken_for_leaked(home):
    layer = directory(home, "layer")
    made = projects.assign(layer)
    projects.limit(layer, 8192, 0)
    assert projects.leaked(home) == []
    projects.release_leaked(home, [made])
    assert projects.use_of(layer).size_limit == 8192


@needs_root
def test_a_home_stops_to_give_its_project_to_all(home):
    projects.assign(home)
    before = attributes(home)
    project_id.stop_inheritance(home)
    after = attributes(home)
    assert after.project_id == before.project_id
    assert not after.xflags & fsxattr.FS_XFLAG_PROJINHERIT


@needs_root
def test_a_layer_that_is_full_by_its_limit(home):
    layer = directory(home, "layer")
    projects.assign(layer)
    assert projects.no_space_error(home, "layer") is None
    projects.limit(layer, 1 << 20, 0)
    error = projects.no_space_error(home, "layer")
    assert "layer is full" in str(error)
    assert error.details["size_limit"] == 1 << 20
    assert error.details["id"] == "layer"


@needs_root
def test_a_place_of_somebody_else_keeps_nobody_apart(tmp_path, monkeypatch):
    (tmp_path / "locks").write_text("a file")
    monkeypatch.setattr(projects, "RUN_DIRECTORY", str(tmp_path / "locks"))
    with (
        pytest.raises(NotPermitted, match="not a directory that only root can enter"),
        projects._picking(os.makedev(7, 1)),
    ):
        raise AssertionError


@needs_root
def test_who_picks_has_the_lock_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(projects, "RUN_DIRECTORY", str(tmp_path / "locks"))
    monkeypatch.setattr(projects, "_WAIT", 0)
    with projects._picking(os.makedev(7, 1)):
        with projects._picking(os.makedev(7, 2)):
            pass
        with pytest.raises(StoreBusy), projects._picking(os.makedev(7, 1)):
            raise AssertionError
