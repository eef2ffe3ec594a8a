# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar is written to a directory of a hostile user, or to a full filesystem."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff
from ansible_collections.strata.overlay2.tests.driver import Driver

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to others")]

NOBODY = 65534


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    made = Driver(tmp_path / "store")
    made.create("job", read_write=True)
    (made.home / "job" / "diff" / "secret").write_text("secret")
    return made


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    return tmp_path / "theirs" / "job.tar"


def exported(driver: Driver, dest: Path, **params: t.Any) -> dict[str, t.Any]:
    """Export twice, the first time with a prediction; the second time must change nothing."""
    call = {"id": "job", "state": "exported", "dest": str(dest), **params}
    predicted = driver.ok(overlay2_diff, **call, _ansible_check_mode=True)
    done = driver.ok(overlay2_diff, **call)
    for key in ("changed", "actions", "diff", "diff_id"):
        assert predicted[key] == done[key]
    assert not driver.ok(overlay2_diff, **call)["changed"]
    return done


def bomb(size: int) -> bytes:
    """Return a gzip file of *size* bytes of zeros."""
    return gzip.compress(bytes(1 << 20)) * (size >> 20)


def test_what_cannot_be_the_tar_is_not_read(driver: Driver, dest: Path) -> None:
    with open(dest, "wb") as file:
        file.truncate(1 << 43)  # hours to read
    os.chown(dest, 0, 0)
    assert exported(driver, dest)["changed"] and dest.stat().st_size < 10_000


@pytest.mark.parametrize("tail", [b"", gzip.compress(b"") * 100_000], ids=["a bomb", "and empty members"])
def test_no_more_is_decompressed_than_the_tar_would_be(driver: Driver, dest: Path, tail: bytes) -> None:
    dest.write_bytes(bomb(1 << 28) + tail)
    assert exported(driver, dest, compression="gzip")["changed"] and dest.stat().st_size < 10_000


@pytest.mark.parametrize("same", [False, True], ids=["something", "the very tar"])
@pytest.mark.parametrize("mode", [None, "0640"])
def test_a_file_of_somebody_else_is_replaced(driver: Driver, dest: Path, same: bool, mode: str | None) -> None:
    if same:
        driver.ok(overlay2_diff, id="job", state="exported", dest=str(dest))
    else:
        dest.write_text("theirs")
    os.chown(dest, NOBODY, NOBODY)
    os.chmod(dest, 0o666)
    theirs = dest.stat().st_ino
    done = exported(driver, dest, **({"mode": mode} if mode else {}))
    st = dest.stat()
    assert done["changed"] and st.st_ino != theirs
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (0, 0, int(mode or "0600", 8))


def test_one_of_whoever_is_asked_for_stays(driver: Driver, dest: Path) -> None:
    for mode in ("0640", "0600"):
        exported(driver, dest, owner="nobody", mode=mode)
        assert (dest.stat().st_uid, stat.S_IMODE(dest.stat().st_mode)) == (NOBODY, int(mode, 8))


def test_in_a_directory_of_roots_a_file_keeps_its_owner(driver: Driver, tmp_path: Path) -> None:
    dest = tmp_path / "job.tar"
    dest.write_text("old")
    os.chown(dest, NOBODY, 7)
    os.chmod(dest, 0o640)
    exported(driver, dest)
    assert (dest.stat().st_uid, dest.stat().st_gid, stat.S_IMODE(dest.stat().st_mode)) == (NOBODY, 7, 0o640)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_full_filesystem_is_the_one_that_is_named(driver: Driver, tmp_path: Path, compression: str) -> None:
    (driver.home / "job" / "diff" / "large").write_bytes(os.urandom(3 << 20))
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", full], check=True)
    try:
        dest = full / "job.tar"
        call = {"id": "job", "state": "exported", "dest": str(dest), "compression": compression}
        refused = driver.run(overlay2_diff, **call)
        assert (refused["error"], refused["path"]) == ("no_space", str(dest))
        assert str(dest) in refused["msg"] and str(driver.home) not in refused["msg"] and refused["hint"]
        assert os.listdir(full) == []
    finally:
        subprocess.run(["umount", full], check=True)
