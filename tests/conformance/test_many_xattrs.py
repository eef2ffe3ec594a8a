# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer with a file that has more xattrs than the kernel lists can still be read and exported."""

from __future__ import annotations

import errno
import os
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, sets xattrs")]

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
OPAQUE = "trusted.overlay.opaque"


@pytest.fixture
def driver(tmp_path: Path) -> t.Iterator[Driver]:
    """A store on a filesystem that bounds neither number nor names of a file's xattrs."""
    (tmp_path / "mnt").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "mnt"], check=True)
    try:
        yield Driver(tmp_path / "mnt" / "store")
    finally:
        subprocess.run(["umount", tmp_path / "mnt"], check=True)


def burden(path: Path) -> None:
    for number in range(320):
        os.setxattr(path, f"trusted.{'n' * 200}{number}", b"")
    with pytest.raises(OSError, match="Argument list too long") as caught:
        os.listxattr(path)
    assert caught.value.errno == errno.E2BIG


def test_it_is_looked_at_and_exported(driver: Driver, tmp_path: Path) -> None:
    driver.create("base")
    (driver.home / "base" / "diff" / "d").mkdir()
    (driver.home / "base" / "diff" / "d" / "old").touch()
    driver.create("job", "base", read_write=True)
    driver.create("other", "base")
    upper = driver.home / "job" / "diff"
    (upper / "d").mkdir()
    (upper / "d" / "new").touch()
    os.setxattr(upper / "d", OPAQUE, b"y")
    (upper / "file").touch()
    os.setxattr(upper / "file", "security.capability", CAPABILITY)
    for path in (upper / "d", upper / "file"):
        burden(path)
    changes = driver.changes("job")
    assert changes == ["modified /d", "added /d/new", "deleted /d/old", "added /file"]
    assert driver.changes("job", parent="other") == changes
    call = {"id": "job", "state": "exported", "dest": str(tmp_path / "tar")}
    driver.ok(overlay2_diff, **call)
    with tarfile.open(tmp_path / "tar") as tar:
        assert tar.getnames() == ["d", "d/.wh..wh..opq", "d/new", "file"]
        assert tar.getmember("file").pax_headers["SCHILY.xattr.security.capability"].encode() == CAPABILITY
    refused = driver.run(overlay2_diff, **call, xattrs="all")
    assert (refused["error"], refused["path"]) == ("not_supported", "d")
    assert "more extended attributes than the kernel can list" in refused["msg"] and "xattrs" in refused["hint"]
    driver.remove("job")
