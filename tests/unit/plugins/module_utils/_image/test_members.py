# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a tar are found by its headers, in all forms that writers of tars use."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.plugins.module_utils._image import members
from ansible_collections.strata.overlay2.plugins.module_utils._image.members import Headers, Members
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    record,
    sparse,
    symlink,
)


def read(tar, counted=None):
    """Return the members of *tar*. counted: takes the number of bytes of each read."""

    def read_at(offset, size):
        if offset > len(tar):
            raise EOFError
        if counted is not None:
            counted.append(size)
        return tar[offset : offset + size]

    found = Members()
    for name, entry in Headers(read_at):
        found.add(name, entry)
    return found


def content(tar, name):
    found = read(tar).find(name)
    return found and tar[found.offset :][: found.size]


LONG = "d/" * 150 + "f"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_of_each_format_are_found(form):
    names = ["f", "a" * 100, f"{'d/' * 60}{'f' * 90}", *([] if form == tarfile.USTAR_FORMAT else [LONG])]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    for name in names:
        assert content(stream.getvalue(), name.encode()) == name.encode()
    assert content(stream.getvalue(), b"missing") is None


@pytest.mark.parametrize("form", ["v7", "ustar", "gnu", "oldgnu", "pax"])
def test_archives_of_gnu_tar_are_read(form, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"content")
    (tmp_path / "d/l").symlink_to("f")
    tar = subprocess.run(
        ["tar", "-c", f"--format={form}", "-C", str(tmp_path), "."], stdout=subprocess.PIPE, check=True
    ).stdout
    assert content(tar, b"d/f") == content(tar, b"./d//f") == content(tar, b"d/l") == b"content"


def test_no_content_is_read():
    counted = []
    tar = archive(member("a", body=bytes(1 << 20)), member("b", body=b"x"))
    assert read(tar, counted).find(b"b").size == 1
    assert sum(counted) < 4096


@pytest.mark.parametrize("version", ["old GNU", "0.0", "0.1", "1.0"])
def test_a_sparse_file_is_stepped_over_and_not_read(version):
    pieces = [(place * 4096, 512) for place in range(30)]
    tar = archive(sparse(version, pieces, bytes(512 * 30)), member("after", body=b"x"))
    assert content(tar, b"after") == b"x"
    with pytest.raises(ArchiveRejected, match="f: it is not a regular file"):
        read(tar).find(b"f")


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (symlink("l", "d/f"), b"l"),
        (symlink("d/l", "f"), b"d/l"),
        (symlink("d/l", "../d/./f"), b"d/l"),
        (hardlink("d/l", "d/f"), b"d/l"),
        (hardlink("d/l", "./d/f"), b"d/l"),
        (pax(record("linkpath", "d/f")) + symlink("l", "x"), b"l"),
    ],
)
def test_a_link_leads_to_its_file(link, name):
    assert content(archive(directory("d/"), member("d/f", body=b"x"), link), name) == b"x"


@pytest.mark.parametrize(
    "links",
    [
        [symlink("l", "d")],
        [symlink("l", "./m"), symlink("m", "d/")],
        [directory("e/"), symlink("e/m", "../d"), symlink("l", "e/m")],
        [directory("d/e/"), symlink("m", "d/e"), symlink("l", "m/..")],  # of d, and not of the root
    ],
)
def test_a_link_in_the_place_of_a_directory_leads_to_its_files(links):
    tar = archive(directory("d/"), member("d/f", body=b"x"), member("f", body=b"y"), *links)
    assert content(tar, b"l/f") == b"x"
    assert content(tar, b"l/../f") == b"y"  # as Docker cleans the names of manifest.json before it opens them
    assert content(tar, b"l/g") is None


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "../x", "d/../../x"])
@pytest.mark.parametrize("name", [b"l", b"l/f"])
def test_no_link_leads_out_of_the_archive(target, name):
    with pytest.raises(ArchiveRejected, match="leads out"):
        read(archive(symlink("l", target))).find(name)


def test_links_that_lead_to_one_another_end():
    with pytest.raises(ArchiveRejected, match="more than 8 links"):
        read(archive(symlink("a", "b/x"), symlink("b", "a/x"))).find(b"a/f")


def test_a_path_that_no_kernel_takes_is_refused_at_once():
    with pytest.raises(ArchiveRejected, match="more than 4096 bytes"):
        read(archive(member("f"))).find(b"d/" * 3000)


def test_eight_links_in_a_row_are_followed_and_nine_are_not():
    links = [symlink(f"{number}", f"{number + 1}") for number in range(9)]
    tar = archive(*links, member("9", body=b"x"))
    assert content(tar, b"1") == b"x"
    with pytest.raises(ArchiveRejected, match="more than 8 links"):
        read(tar).find(b"0")


def test_the_last_of_two_files_counts_and_the_name_is_doubled():
    tar = archive(member("f", body=b"1"), member("g"), member("./f", body=b"2"))
    assert content(tar, b"f") == b"2"
    assert read(tar).is_doubled(b"f")
    assert not read(tar).is_doubled(b"g")


@pytest.mark.parametrize("name", ["../f", "d/../../f", ".."])
def test_a_file_outside_is_never_found(name):
    assert read(archive(member(name, body=b"x"))).find(b"f") is None


@pytest.mark.parametrize("kind", [b"D", b"M", b"V", b"Z"])
def test_a_type_of_backups_is_refused(kind):
    with pytest.raises(ArchiveRejected, match="which no image needs"):
        read(archive(member("a"), member("f", kind)))


def test_a_damaged_header_is_named_by_the_file_before():
    tar = archive(member("first"), member("second"))
    with pytest.raises(ArchiveRejected, match="image file first: the header after it is damaged: the checksum"):
        read(tar.replace(b"second", b"secont"))


def test_the_names_of_all_files_together_are_bounded(monkeypatch):
    monkeypatch.setattr(members, "_MOST_NAMES", 6)
    assert read(archive(member("abc"), symlink("d", "ef"))).find(b"abc")
    with pytest.raises(ArchiveRejected, match="more than 6 bytes"):
        read(archive(member("abc"), symlink("d", "efg")))
