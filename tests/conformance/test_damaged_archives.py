# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A truncated, damaged, too large or unexpected archive is refused, and the store is unchanged."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import random
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.compression import ArchiveReader
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.plugins.modules import overlay2_diff, overlay2_init
from ansible_collections.strata.overlay2.tests.driver import Driver
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    reader,
    record,
    sparse,
    symlink,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]

SEED = 2026
CUTS = 1000


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


COMPRESSIONS: dict[str, t.Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}

NOISE = random.Random(SEED).randbytes(20_000)  # no compression makes it any shorter
TAR = archive(
    directory("d/"),
    member("d/f", body=NOISE, uid=7, xattrs={b"user.note": b"n"}),
    pax(record("path", "d/" + "n" * 200)),
    member("short", body=b"x" * 700),
    hardlink("h", "d/f"),
    symlink("l", "d"),
    sparse("1.0", [(4096, 3), (1 << 20, 5)], b"abcdefgh"),
    member(".wh.gone"),
)


@pytest.fixture
def driver(tmp_path: Path) -> t.Iterator[Driver]:
    """A store with a layer that was filled."""
    made = Driver(tmp_path / "store")
    made.create("layer")
    first = tmp_path / "first"
    first.write_bytes(archive(member("old", body=b"old")))
    made.diff("layer", state="applied", src=str(first))
    yield made
    made.ok(overlay2_init, state="absent", force=True)


def seen(home: Path) -> list[str]:
    """Return all that is in a store; of a directory no times, as content was staged there, and is gone."""
    shown = ["find", home, "-printf", "%P %y %i %#m %n %U %G %l", "(", "-type", "d", "-printf", "\\n", ")"]
    shown += ["-o", "-printf", " %s %T@\\n"]
    return sorted(subprocess.run(shown, capture_output=True, check=True, text=True).stdout.splitlines())


def refused(driver: Driver, tmp_path: Path, data: bytes, error: str, **params: t.Any) -> str:
    """Apply an archive, which must fail with *error* and leave the store as it was; return the message."""
    src = tmp_path / "src"
    src.write_bytes(data)
    before = seen(driver.home)
    for merge in (False, True):
        result = driver.run(overlay2_diff, id="layer", state="applied", src=str(src), merge=merge, **params)
        assert (result.get("failed"), result.get("error"), result["changed"]) == (True, error, False), result
        assert result["hint"] and result["actions"] == []
        assert seen(driver.home) == before
    return str(result["msg"])


def cuts(data: bytes, number: int) -> list[int]:
    return sorted(random.Random(SEED).choices(range(1, len(data)), k=number))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_wherever_it_is_cut_it_is_refused(compression: str, tmp_path: Path) -> None:
    whole = COMPRESSIONS[compression](TAR)
    for number, cut in enumerate(cuts(whole, CUTS // len(COMPRESSIONS))):
        root = tmp_path / str(number)
        root.mkdir()
        if compression == "none" and cut == len(whole) - 512:
            continue  # one block of zeros is enough of an end
        with pytest.raises(ArchiveRejected), ArchiveReader(reader(whole[:cut])) as archive_reader:
            apply_layer(archive_reader.read, str(root))


@pytest.mark.parametrize("compression", COMPRESSIONS)
class TestThroughTheModule:
    def test_the_whole_one_is_taken(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        src = tmp_path / "src"
        src.write_bytes(COMPRESSIONS[compression](TAR))
        digest = "sha256:" + hashlib.sha256(src.read_bytes()).hexdigest()
        diff_id = "sha256:" + hashlib.sha256(TAR).hexdigest()
        done = driver.diff("layer", state="applied", src=str(src), diff_id=diff_id, digest=digest, max_size="2M")
        assert (done["changed"], done["diff_id"], done["digest"]) == (True, diff_id, digest)
        assert os.stat(driver.home / "layer/diff/f").st_size == (1 << 20) + 5

    def test_cut_off(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        whole = COMPRESSIONS[compression](TAR)
        for cut in cuts(whole, 4):
            refused(driver, tmp_path, whole[:cut], "archive_rejected")

    def test_a_damaged_checksum(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        damaged = bytearray(TAR)
        damaged[TAR.index(b"short") + 1] ^= 1
        words = refused(driver, tmp_path, COMPRESSIONS[compression](bytes(damaged)), "archive_rejected")
        assert "checksum is wrong" in words

    def test_garbage_behind_it(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        words = refused(driver, tmp_path, COMPRESSIONS[compression](TAR + b"garbage"), "archive_rejected")
        assert "data follows the archive's end mark" in words
        refused(driver, tmp_path, COMPRESSIONS[compression](TAR) + b"garbage", "archive_rejected")

    def test_with_its_digest_it_is_taken(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        src = tmp_path / "src"
        for number, tar in enumerate((TAR[:-1024], TAR + b"garbage", TAR + archive(member("other")))):
            src.write_bytes(COMPRESSIONS[compression](tar))
            words = refused(driver, tmp_path, src.read_bytes(), "archive_rejected")
            assert "end" in words
            expected = {
                "diff_id": "sha256:" + hashlib.sha256(tar).hexdigest(),
                "digest": "sha256:" + hashlib.sha256(src.read_bytes()).hexdigest(),
            }
            key = ("diff_id", "digest", "diff_id")[number]
            done = driver.diff("layer", state="applied", src=str(src), **{key: expected[key]})
            assert {name: done[name] for name in expected} == expected
            assert not os.path.exists(driver.home / "layer/diff/other")
            assert not driver.diff("layer", state="applied", src=str(src), **expected)["changed"]

    def test_without_an_end_and_not_the_expected_one(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        expected = "sha256:" + hashlib.sha256(TAR).hexdigest()
        refused(driver, tmp_path, COMPRESSIONS[compression](TAR[:-1024]), "digest_mismatch", diff_id=expected)

    def test_another_than_was_expected(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        data = COMPRESSIONS[compression](TAR)
        wrong = "sha256:" + "0" * 64
        assert wrong in refused(driver, tmp_path, data, "digest_mismatch", diff_id=wrong)
        right = "sha256:" + hashlib.sha256(TAR).hexdigest()
        assert wrong in refused(driver, tmp_path, data, "digest_mismatch", diff_id=right, digest=wrong)

    def test_more_than_allowed(self, compression: str, driver: Driver, tmp_path: Path) -> None:
        tar = archive(member("first", body=b"x" * 1000), member("bomb", body=bytes(16 << 20)))
        data = COMPRESSIONS[compression](tar)
        words = refused(driver, tmp_path, data, "archive_rejected", max_size="1M")
        assert "entry bomb: with this entry the layer has more than the 1048576 bytes allowed" in words


def test_a_file_that_is_endless_behind_its_end(driver: Driver, tmp_path: Path) -> None:
    """A sparse one: it would take years to read."""
    src = tmp_path / "src"
    for compression in ("none", "gzip", "xz"):
        src.write_bytes(COMPRESSIONS[compression](TAR))
        os.truncate(src, 1 << 43)
        for expected in (None, "sha256:" + "0" * 64):
            result = driver.run(overlay2_diff, id="layer", state="applied", src=str(src), diff_id=expected)
            assert result["error"] == "archive_rejected"
            assert "more than" in result["msg"]


def test_an_image_is_no_layer(driver: Driver, tmp_path: Path) -> None:
    manifest = b'[{"Config": "c.json", "RepoTags": [], "Layers": ["l/layer.tar"]}]'
    data = archive(member("c.json", body=b"{}"), member("l/layer.tar"), member("manifest.json", body=manifest))
    assert "not a layer" in refused(driver, tmp_path, data, "archive_rejected")


def test_sparse_bombs_are_more_than_allowed_too(driver: Driver, tmp_path: Path) -> None:
    data = archive(sparse("0.1", [(1 << 40, 0)], b""))
    assert "more than" in refused(driver, tmp_path, data, "archive_rejected", max_size="1G")
