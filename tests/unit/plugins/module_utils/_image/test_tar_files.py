# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compressed tar is read in few passes, whatever the order of its files."""

from __future__ import annotations

import contextlib
import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported
from ansible_collections.strata.overlay2.plugins.module_utils._image import tar_files
from ansible_collections.strata.overlay2.plugins.module_utils._image.tar_files import (
    Stream,
    compressed_files,
    plain_files,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    member,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._image.image_archives import compressed

BODIES = {f"f{number}": os.urandom(100_000) for number in range(12)}
DOCUMENTS = {"index.json": b'{"a": 1}', "list.json": b"[1]", "text": b"not JSON"}
TAR = archive(*(member(name, body=body) for name, body in {**BODIES, **DOCUMENTS}.items()))


@contextlib.contextmanager
def files_of(tmp_path, tar=TAR, how="gzip"):
    path = tmp_path / "archive"
    path.write_bytes(compressed(tar, how))
    fd = os.open(path, os.O_RDONLY)
    try:
        with contextlib.closing(Stream(str(path), fd, how)) as stream:
            yield compressed_files(stream), stream
    finally:
        os.close(fd)


def content(files, name):
    with files.open(files.find(name)) as read:
        return b"".join(iter(lambda: read(CHUNK), b""))


@pytest.mark.parametrize("how", ["gzip", "zstd", "xz", "bzip2"])
def test_files_in_the_order_of_the_archive_need_two_passes(tmp_path, how):
    with files_of(tmp_path, how=how) as (files, stream):
        assert [content(files, name) for name in BODIES] == list(BODIES.values())
        assert stream._passes == 2


def test_documents_were_kept_in_the_first_pass(tmp_path):
    with files_of(tmp_path) as (files, stream):
        for name in ("list.json", "index.json", "list.json"):
            assert content(files, name) == DOCUMENTS[name]
        assert stream._passes == 1


def test_more_documents_than_are_kept_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_files, "_KEPT", 8)
    with files_of(tmp_path) as (files, stream):
        assert content(files, "index.json") == DOCUMENTS["index.json"]
        assert stream._passes == 1
        assert content(files, "list.json") == content(files, "list.json") == DOCUMENTS["list.json"]
        assert content(files, "f0") == BODIES["f0"]
        assert stream._passes == 2


def test_a_small_file_many_times_needs_no_pass_for_each(tmp_path):
    bodies = {f"s{number}": os.urandom(30_000) for number in range(20)}
    tar = archive(*(member(name, body=body) for name, body in bodies.items()))
    with files_of(tmp_path, tar) as (files, stream):
        for name, body in bodies.items():
            assert [content(files, name) for _unused in range(10)] == [body] * 10
        assert stream._passes == 2


def test_a_compressed_tar_is_not_read_for_ever(tmp_path):
    with files_of(tmp_path) as (files, _stream), pytest.raises(NotSupported, match="more than 8 times"):
        for name in ("f11", "f0") * 9:  # further apart than the longest piece, so that each f0 needs a pass
            content(files, name)


def test_a_plain_tar_is_read_in_any_order(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(TAR)
    fd = os.open(path, os.O_RDONLY)
    try:
        files = plain_files(str(path), fd)
        for name in sorted(BODIES, reverse=True):
            assert content(files, name) == BODIES[name]
    finally:
        os.close(fd)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(TAR)
    fd = os.open(path, os.O_RDONLY)
    try:
        files = plain_files(str(path), fd)
        os.truncate(path, 1000)
        with pytest.raises(ArchiveRejected, match="ends"):
            content(files, "f3")
    finally:
        os.close(fd)
