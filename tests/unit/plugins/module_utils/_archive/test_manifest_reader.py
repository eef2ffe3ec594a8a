# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest as the tree that it describes, from tars that say things twice."""

from __future__ import annotations

import gzip
import io
import os
import zlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive import manifest_reader
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest import ManifestWriter
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest_reader import Manifest, ManifestError
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.verify import verify_layer
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    reader,
    sparse,
    symlink,
)

pytestmark = pytest.mark.root


def written(root, *members) -> bytes:
    """Apply a tar to *root*; return its manifest."""
    root.mkdir()
    out = io.BytesIO()
    manifest = ManifestWriter(out.write)
    apply_layer(reader(archive(*members)), str(root), manifest=manifest)
    manifest.finish("sha256:1")
    return out.getvalue()


def expected(data: bytes) -> dict[bytes, tuple[bytes, ...]]:
    """Return type, mode and checksum by path, in the order of a manifest."""
    with Manifest(io.BytesIO(data).read) as manifest:
        return {one.path: (one.kind, b"%o" % one.mode, one.checksum) for one in manifest.expected()}


def crc(data: bytes) -> bytes:
    return b"%x" % zlib.crc32(data)


@pytest.fixture(params=[1 << 15, 2], ids=["in memory", "in files"])
def _piece(request, monkeypatch):
    monkeypatch.setattr(manifest_reader, "_PIECE", request.param)


@pytest.mark.usefixtures("_piece")
class TestReplacedEntries:
    def test_the_last_entry_of_a_path_counts(self, tmp_path):
        found = expected(written(tmp_path / "diff", member("f", body=b"1"), member("g"), member("f", body=b"22")))
        assert found == {b"f": (b"f", b"644", crc(b"22")), b"g": (b"f", b"644", crc(b""))}

    def test_a_file_in_place_of_a_directory_ends_all_below(self, tmp_path):
        tar = directory("d"), member("d/x"), directory("d/e"), member("d/e/y"), member("d"), member("d!")
        assert list(expected(written(tmp_path / "diff", *tar))) == [b"d", b"d!"]

    def test_a_directory_in_place_of_such_a_file_holds_what_came_later(self, tmp_path):
        tar = directory("d"), member("d/x"), member("d"), directory("d"), member("d/y")
        assert list(expected(written(tmp_path / "diff", *tar))) == [b"d", b"d/y"]

    def test_the_order_is_that_of_a_walk(self, tmp_path):
        tar = member("a.b"), member("a/z"), member("a/b/c"), directory("a/b"), member("a-b")
        assert list(expected(written(tmp_path / "diff", *tar))) == [b"a", b"a/b", b"a/b/c", b"a/z", b"a-b", b"a.b"]

    def test_a_symlink_in_a_name_is_followed(self, tmp_path):
        tar = directory("usr"), symlink("bin", "usr"), member("bin/tool", body=b"x")
        assert expected(written(tmp_path / "diff", *tar))[b"usr/tool"] == (b"f", b"644", crc(b"x"))

    def test_a_link_changes_the_values_of_all_names(self, tmp_path):
        tar = member("f", body=b"x"), hardlink("g", "f"), hardlink("h", "g", mode=0o600), member("i")
        found = expected(written(tmp_path / "diff", *tar))
        assert [found[name][1] for name in (b"f", b"g", b"h", b"i")] == [b"600", b"600", b"600", b"644"]

    def test_names_of_one_inode_have_one_group(self, tmp_path):
        tar = member("f"), hardlink("g", "f"), member("h"), hardlink("i", "h"), hardlink("j", "g"), member("f")
        with Manifest(io.BytesIO(written(tmp_path / "diff", *tar)).read) as manifest:
            groups = {one.path: one.group for one in manifest.expected()}
        assert groups[b"g"] == groups[b"j"] != groups[b"h"] == groups[b"i"] != 0 == groups[b"f"]


def test_the_same_tar_makes_the_same_manifest(tmp_path):
    tar = [
        directory("d"),
        *(member(f"d/{number}", body=b"%d" % number) for number in range(3000)),
        hardlink("l", "d/1"),
    ]
    assert written(tmp_path / "one", *tar) == written(tmp_path / "two", *tar)


def test_each_file_has_the_checksum_of_its_bytes(tmp_path):
    bodies = {b"f%d" % size: os.urandom(size) for size in (0, 1, 8191, 8192, 8193, 270_000, 600_000)}
    tar = [member(name.decode(), body=body) for name, body in bodies.items()]
    found = expected(written(tmp_path / "diff", *tar))
    assert {name: checksum for name, (_kind, _mode, checksum) in found.items()} == {
        name: crc(body) for name, body in bodies.items()
    }


def test_what_was_made_lies_there_as_the_manifest_says(tmp_path):
    tar = (
        directory("d", mode=0o2750),
        directory("d/e"),
        member("d/f", mode=0o4755),
        member("g"),
        directory("g", mode=0o700),
        symlink("s", "d/f"),
        hardlink("h", "d/f", mode=0o600),
    )
    data = written(tmp_path / "diff", *tar)
    assert os.getxattr(tmp_path / "diff/g", "trusted.overlay.opaque") == b"y"
    with Manifest(io.BytesIO(data).read) as manifest:
        assert verify_layer(str(tmp_path / "diff"), manifest.expected()).differences == ()


def test_a_sparse_file_has_the_checksum_of_its_bytes(tmp_path):
    data = written(tmp_path / "diff", sparse("1.0", [(100_000, 3)], b"abc", size=200_000))
    assert expected(data)[b"f"][2] == crc(bytes(100_000) + b"abc" + bytes(99_997))


@pytest.mark.parametrize("count", [0, 999, 1000, 1001])
def test_any_number_of_records_is_read(tmp_path, count):
    data = written(tmp_path / "diff", *(member(f"f{number}") for number in range(count)))
    assert len(expected(data)) == count


@pytest.mark.parametrize("at", range(0, 300, 7))
def test_a_damaged_manifest_is_told(tmp_path, at):
    data = bytearray(written(tmp_path / "diff", *(member(f"f{number}", body=os.urandom(9)) for number in range(20))))
    data[at % len(data)] ^= 1 << at % 8
    try:
        again = expected(bytes(data))
    except ManifestError:
        return
    assert len(again) == 20 and at % len(data) < 10  # of gzip's header, nothing but a time and a system changed


def test_a_manifest_that_was_cut_off_is_told(tmp_path):
    data = written(tmp_path / "diff", member("f"))
    for size in range(len(data)):
        with pytest.raises(ManifestError):
            expected(data[:size])


@pytest.mark.parametrize(
    "text",
    [
        b"strata-files 2 sha256\0end sha256:1 0\0",
        b"strata-files 1 crc32\0end sha256:1 1\0",
        b"strata-files 1 crc32\0f 644 0 0 1 - -\0end sha256:1 1\0",
        b"strata-files 1 crc32\0f x 0 0 1 - - f\0end sha256:1 1\0",
        b"strata-files 1 crc32\0end sha256:1 0\0f",
        b"strata-files 1 crc32\0",
        b"",
    ],
)
def test_what_this_version_does_not_write_is_told(text):
    with pytest.raises(ManifestError):
        expected(gzip.compress(text))
