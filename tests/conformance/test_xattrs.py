# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' xattrs in a mounted layer go out and come in: by native diff, by naive diff, and with id maps."""

from __future__ import annotations

import os
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff, overlay2_init
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and sets capabilities"),
]

ACCESS = "system.posix_acl_access"
FIRST = 100_000  # the host's id of a remapped container's root
MAP = [{"container_id": 0, "host_id": FIRST, "size": 65536}]


def acl(uid: int, gid: int) -> bytes:
    """Return an ACL that names both, as the xattr has it. Source: include/uapi/linux/posix_acl_xattr.h."""
    nobody = 0xFFFFFFFF
    entries = ((1, 6, nobody), (2, 4, uid), (4, 4, nobody), (8, 6, gid), (16, 6, nobody), (32, 0, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture
def stores(tmp_path: Path) -> t.Iterator[t.Callable[..., Driver]]:
    made: list[Driver] = []

    def make(name: str, **params: t.Any) -> Driver:
        driver = Driver(tmp_path / name)
        made.append(driver)
        driver.ok(overlay2_init, **params)
        return driver

    yield make
    for driver in made:
        driver.ok(overlay2_init, state="absent", force=True)


def fill(driver: Driver, first: int = 0) -> None:
    """Make the layers base and, on it, app with what users set; *first* is the host's id of the container's root."""
    driver.create("base")
    driver.create("app", "base")
    root = driver.get("app")
    for name in ("shared", "noted"):
        (root / name).write_bytes(name.encode())
        os.chown(root / name, first, first)
    os.setxattr(root / "shared", ACCESS, acl(first + 1000, first + 2000))
    os.setxattr(root / "noted", "user.note", b"by hand")
    os.setxattr(root / "noted", "trusted.secret", b"the host's")
    driver.put("app")


def taken(driver: Driver, src: Path) -> Path:
    """Return the diff of a new layer that *src* was applied to."""
    driver.create("copy", "base")
    driver.ok(overlay2_diff, id="copy", state="applied", src=str(src), remote_src=True)
    return driver.home / "copy" / "diff"


@pytest.mark.parametrize("parent", [None, ""], ids=["native", "naive"])
def test_they_go_out_and_come_in(stores: t.Callable[..., Driver], tmp_path: Path, parent: str | None) -> None:
    driver = stores("store")
    fill(driver)
    dest = tmp_path / "app.tar"
    params = {"id": "app", "state": "exported", "parent": parent, "dest": str(dest)}
    docker = driver.ok(overlay2_diff, **params)
    found = driver.ok(overlay2_diff, xattrs="all", **params)
    assert found["changed"] and found["native"] is (parent is None)
    assert found["diff_id"] != docker["diff_id"]
    assert not driver.ok(overlay2_diff, xattrs="all", **params)["changed"]
    root = taken(driver, dest)
    assert os.getxattr(root / "shared", ACCESS) == acl(1000, 2000)
    assert os.getxattr(root / "noted", "user.note") == b"by hand"
    assert os.listxattr(root / "noted") == ["user.note"]


def test_an_acl_has_the_containers_ids_in_the_tar(stores: t.Callable[..., Driver], tmp_path: Path) -> None:
    plain, mapped = stores("plain"), stores("mapped", uid_map=MAP, gid_map=MAP)
    fill(plain)
    fill(mapped, FIRST)
    dest = tmp_path / "mapped.tar"
    params = {"id": "app", "state": "exported", "xattrs": "all", "dest": str(dest)}
    mapped.ok(overlay2_diff, **params)
    root = taken(plain, dest)
    assert os.stat(root / "shared").st_uid == 0
    assert os.getxattr(root / "shared", ACCESS) == acl(1000, 2000)
    root = taken(mapped, dest)
    assert os.stat(root / "shared").st_uid == FIRST
    assert os.getxattr(root / "shared", ACCESS) == acl(FIRST + 1000, FIRST + 2000)
