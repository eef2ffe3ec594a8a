# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import (
    child,
    mount,
    mountinfo,
    namespace,
    user_namespace,
)


def mount_tmpfs(path: str) -> list[mountinfo.Mount]:
    mount.mount("tmpfs", path, "tmpfs")
    return mountinfo.read()


@pytest.mark.root
@pytest.mark.parametrize("propagation", [mount.MS_SHARED, mount.MS_PRIVATE], ids=["shared", "private"])
def test_a_mount_in_private_stays_there(tmp_path, propagation):
    target = tmp_path / "target"
    mount.mount("tmpfs", tmp_path, "tmpfs")
    try:
        mount.mount("none", tmp_path, "none", propagation)
        target.mkdir()
        before = mountinfo.read()
        inside = namespace.in_private_mounts(lambda: mount_tmpfs(str(target)))
        assert inside[-1].mount_point == str(target)
        assert not [one for one in inside if any(field.startswith("shared") for field in one.propagation)]
        assert mountinfo.read() == before
    finally:
        mount.umount(tmp_path)


@pytest.mark.root
def test_what_is_unmounted_outside_does_not_live_on_in_private(tmp_path):
    target = tmp_path / "target"
    mount.mount("tmpfs", tmp_path, "tmpfs")
    seen, gone = os.pipe(), os.pipe()

    def mount_points() -> list[list[str]]:
        before = mountinfo.read()
        os.write(seen[1], b"1")
        os.read(gone[0], 1)
        return [[one.mount_point for one in found] for found in (before, mountinfo.read())]

    def unmount() -> None:
        os.read(seen[0], 1)
        mount.umount(target)
        os.write(gone[1], b"1")

    try:
        mount.mount("none", tmp_path, "none", mount.MS_SHARED)
        target.mkdir()
        mount.mount("tmpfs", target, "tmpfs")
        pid = os.fork()
        if pid == 0:
            unmount()
            os._exit(0)
        before, after = namespace.in_private_mounts(mount_points)
        os.waitpid(pid, 0)
        assert str(target) in before
        assert str(target) not in after
    finally:
        mount.umount(tmp_path, mount.MNT_DETACH)
        for fd in (*seen, *gone):
            os.close(fd)


def test_without_the_right_it_is_not_permitted():
    def as_nobody() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        namespace.unshare(namespace.CLONE_NEWNS)

    with pytest.raises(PermissionError):
        child.in_child(as_nobody)


@pytest.mark.root
def test_a_namespace_is_told_from_its_own_root(tmp_path):
    ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.chroot(tmp_path)
        os.write(ready[1], b"1")
        os.read(os.pipe()[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        fd = os.open(tmp_path, os.O_PATH)
        data, path = namespace.from_its_root(f"/proc/{pid}/ns/mnt", fd)
        os.close(fd)
        assert path == str(tmp_path)
        assert sorted(one.id for one in mountinfo.parse(data)) == sorted(one.id for one in mountinfo.read())
        assert namespace.from_its_root(f"/proc/{pid}/ns/mnt")[1] == ""
        assert user_namespace.belongs_to_us(f"/proc/{pid}/ns/mnt")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    with pytest.raises(FileNotFoundError):
        user_namespace.belongs_to_us(f"/proc/{pid}/ns/mnt")
    with pytest.raises(FileNotFoundError):
        namespace.from_its_root(f"/proc/{pid}/ns/mnt")
