# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mount, namespace


@pytest.mark.root
def test_mount_and_umount(tmp_path):
    def there() -> tuple[bool, bool]:
        mount.mount("tmpfs", tmp_path, "tmpfs", mount.MS_RDONLY, b"mode=700")
        mounted = os.path.ismount(tmp_path)
        mount.umount(os.fsencode(tmp_path))
        return mounted, os.path.ismount(tmp_path)

    assert namespace.in_private_mounts(there) == (True, False)


@pytest.mark.root
@pytest.mark.parametrize(
    ("call", "number"),
    [
        pytest.param(lambda path: mount.mount("none", path + "/x", "tmpfs"), errno.ENOENT, id="no target"),
        pytest.param(lambda path: mount.mount("none", path, "nofs"), errno.ENODEV, id="no such filesystem"),
        pytest.param(mount.umount, errno.EINVAL, id="nothing mounted"),
    ],
)
def test_a_failure_names_the_target(tmp_path, call, number):
    with pytest.raises(OSError) as caught:
        namespace.in_private_mounts(lambda: call(str(tmp_path)))
    assert caught.value.errno == number
    assert caught.value.filename.startswith(str(tmp_path))


@pytest.mark.root
def test_a_busy_mount_is_detached_only_when_asked(tmp_path):
    def there() -> tuple[int | None, bool]:
        mount.mount("tmpfs", tmp_path, "tmpfs")
        with open(tmp_path / "busy", "w"):
            number = None
            try:
                mount.umount(tmp_path)
            except OSError as error:
                number = error.errno
            mount.umount(tmp_path, mount.MNT_DETACH | mount.UMOUNT_NOFOLLOW)
            return number, os.path.ismount(tmp_path)

    assert namespace.in_private_mounts(there) == (errno.EBUSY, False)
