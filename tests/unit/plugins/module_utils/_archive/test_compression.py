# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as files: their compression, both digests, and bytes that depend on the content alone."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import itertools
import lzma
import os
import shutil
import subprocess
import threading

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.compression import (
    LEVELS,
    ArchiveReader,
    ArchiveWriter,
    check_level,
)
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK, LARGE
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, InvalidInput, NotSupported

NEEDS_ZSTD = pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd")
TAR = b"".join(b"%d" % number for number in range(200_000))  # more than a piece, and compressible


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


COMPRESSIONS = [
    pytest.param("none", bytes, id="none"),
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("bzip2", bz2.compress, id="bzip2"),
    pytest.param("xz", lzma.compress, id="xz"),
    pytest.param("zstd", zstd, id="zstd", marks=NEEDS_ZSTD),
]


def sha256(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def in_pieces(data, most):
    stream = io.BytesIO(data)
    return lambda size: stream.read(min(size, most))


def read_all(archive):
    return b"".join(iter(lambda: archive.read(10_000), b""))


def compressed(data, compression="none", level=None, piece=70_000):
    out = io.BytesIO()
    with ArchiveWriter(out.write, compression, level) as writer:
        for at in range(0, len(data), piece):
            writer.write(memoryview(data)[at : at + piece])
        writer.finish()
        assert (writer.digest, writer.diff_id) == (sha256(out.getvalue()), sha256(data))
    return out.getvalue()


class TestReading:
    @pytest.mark.parametrize(("compression", "compress"), COMPRESSIONS)
    @pytest.mark.parametrize("most", [1, 5, 1000, 10**7])
    def test_content_and_digests(self, compression, compress, most):
        tar = TAR[: 2000 if most < 1000 else None]
        file = compress(tar)
        with ArchiveReader(in_pieces(file, most)) as archive:
            assert archive.compression == compression
            assert read_all(archive) == tar
            assert (archive.digest, archive.diff_id) == (sha256(file), sha256(tar))

    @pytest.mark.parametrize(("compression", "compress"), COMPRESSIONS)
    def test_reading_on_after_a_part(self, compression, compress):
        file = compress(TAR)
        with ArchiveReader(io.BytesIO(file).read) as archive:
            assert archive.read(512) == TAR[:512]
            assert read_all(archive) == TAR[512:]
            assert (archive.digest, archive.diff_id) == (sha256(file), sha256(TAR))
            assert archive.read(512) == b""

    @pytest.mark.parametrize(("compression", "compress"), COMPRESSIONS)
    def test_without_a_thread(self, compression, compress):
        before = threading.active_count()
        file = compress(TAR)
        with ArchiveReader(io.BytesIO(file).read, ahead=False) as archive:
            assert archive.read(512) == TAR[:512]
            feeding = 1 if compression == "zstd" else 0  # a thread that feeds the command, until all is fed
            assert before <= threading.active_count() <= before + feeding
            assert read_all(archive) == TAR[512:]
            assert (archive.digest, archive.diff_id) == (sha256(file), sha256(TAR))

    @pytest.mark.parametrize(("compression", "compress"), COMPRESSIONS)
    def test_no_more_than_asked_for(self, compression, compress):
        with ArchiveReader(io.BytesIO(compress(TAR)).read) as archive:
            assert max(len(piece) for piece in iter(lambda: archive.read(1000), b"")) == 1000

    @pytest.mark.parametrize(
        ("first", "piece"),
        [
            pytest.param(gzip.compress(TAR), bytes(1 << 18), id="zeros behind gzip"),
            pytest.param(lzma.compress(TAR), bytes(1 << 18), id="zeros behind xz"),
            pytest.param(b"\x1f\x8b\x08\x08" + bytes(6), b"n" * (1 << 18), id="a name in gzip's header"),
            pytest.param(
                zstd(TAR) if shutil.which("zstd") else b"",
                b"\x50\x2a\x4d\x18" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20),
                id="skippable frames of zstd",
                marks=NEEDS_ZSTD,
            ),
        ],
    )
    def test_nothing_goes_on_for_ever_in_the_file(self, first, piece):
        pieces = itertools.chain([first], itertools.repeat(piece, 200))
        taken = []

        def read(_size):
            taken.append(len(piece))
            return next(pieces)

        with ArchiveReader(read) as archive, pytest.raises(ArchiveRejected, match=r"more than 16777216 bytes of the"):
            read_all(archive)
        assert sum(taken) < 2 * len(TAR) + (20 << 20)

    def test_an_archive_that_does_not_compress_is_taken(self):
        tar = os.urandom(20 << 20)
        file = gzip.compress(tar, 0)
        assert len(file) > len(tar)
        with ArchiveReader(io.BytesIO(file).read) as archive:
            read_all(archive)
            assert archive.diff_id == sha256(tar)

    def test_an_empty_file_is_an_empty_tar(self):
        with ArchiveReader(io.BytesIO(b"").read) as archive:
            assert archive.read(10) == b""
            assert archive.diff_id == archive.digest == sha256(b"")

    @NEEDS_ZSTD
    def test_closing_before_the_end_ends_the_tool(self):
        archive = ArchiveReader(io.BytesIO(zstd(os.urandom(10**7))).read)
        archive.read(10)
        archive.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    @NEEDS_ZSTD
    def test_a_file_that_cannot_be_read_is_an_os_error(self):
        file = io.BytesIO(zstd(TAR))

        def read(size):
            piece = file.read(min(size, 1000))
            if file.tell() > 20_000:
                raise OSError(5, "Input/output error", "layer.tar.zst")
            return piece

        with ArchiveReader(read) as archive, pytest.raises(OSError, match=r"Input/output error: 'layer.tar.zst'"):
            read_all(archive)


class TestWriting:
    @pytest.mark.parametrize(
        ("compression", "back"),
        [
            pytest.param("none", bytes, id="none"),
            pytest.param("gzip", gzip.decompress, id="gzip"),
            pytest.param(
                "zstd",
                lambda data: subprocess.run(["zstd", "-dqc"], input=data, capture_output=True, check=True).stdout,
                id="zstd",
                marks=NEEDS_ZSTD,
            ),
        ],
    )
    def test_others_read_it_and_so_do_we(self, compression, back):
        file = compressed(TAR, compression)
        assert back(file) == TAR
        with ArchiveReader(io.BytesIO(file).read) as archive:
            assert archive.compression == compression
            assert read_all(archive) == TAR

    @pytest.mark.parametrize("compression", ["none", "gzip", pytest.param("zstd", marks=NEEDS_ZSTD)])
    def test_the_bytes_depend_on_the_tar_alone(self, compression, monkeypatch):
        first = compressed(TAR, compression)
        monkeypatch.setenv("ZSTD_CLEVEL", "19")
        monkeypatch.setenv("ZSTD_NBTHREADS", "2")
        assert compressed(TAR, compression, piece=1_000_000) == first

    def test_a_gzip_file_holds_no_name_and_no_time(self):
        assert compressed(TAR, "gzip")[:10] == b"\x1f\x8b\x08\x00\0\0\0\0\x00\x03"

    @pytest.mark.parametrize("compression", ["gzip", pytest.param("zstd", marks=NEEDS_ZSTD)])
    def test_levels_differ_and_the_default_is_the_tools(self, compression):
        low, high = (compressed(TAR, compression, level) for level in (LEVELS[compression][0], LEVELS[compression][-1]))
        assert low != high
        assert compressed(TAR, compression) == compressed(TAR, compression, {"gzip": 6, "zstd": 3}[compression])

    def test_an_empty_tar(self):
        assert compressed(b"") == b""
        assert gzip.decompress(compressed(b"", "gzip")) == b""

    @pytest.mark.parametrize("compression", ["none", "gzip", pytest.param("zstd", marks=NEEDS_ZSTD)])
    def test_a_failing_write_is_not_hidden(self, compression):
        noise = os.urandom(4_000_000)
        with contextlib.ExitStack() as stack:
            full = stack.enter_context(open("/dev/full", "wb", buffering=0))
            writer = stack.enter_context(ArchiveWriter(full.write, compression))
            stack.enter_context(pytest.raises(OSError, match="No space left"))
            for at in range(0, len(noise), 65536):
                writer.write(noise[at : at + 65536])
            writer.finish()

    @NEEDS_ZSTD
    def test_closing_before_the_end_ends_the_tool(self):
        with ArchiveWriter(io.BytesIO().write, "zstd") as writer:
            writer.write(TAR)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


class TestLevels:
    @pytest.mark.parametrize(("compression", "level"), [("none", None), ("gzip", 1), ("gzip", 9), ("zstd", 19), ("zstd", None)])  # fmt: skip  # noqa: E501
    def test_good(self, compression, level):
        check_level(compression, level, "compression_level")

    @pytest.mark.parametrize(
        ("compression", "level"),
        [("none", 0), ("none", 6), ("gzip", 0), ("gzip", 10), ("gzip", -1), ("zstd", 0), ("zstd", 20)],
    )
    def test_bad(self, compression, level):
        with pytest.raises(InvalidInput, match=r"^compression_level: ") as caught:
            check_level(compression, level, "compression_level")
        assert caught.value.hint


def test_without_zstd_reading_and_writing_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = ArchiveReader(io.BytesIO(b"\x28\xb5\x2f\xfd" + bytes(20)).read)
    for use in (lambda: archive.read(1), lambda: ArchiveWriter(io.BytesIO().write, "zstd")):
        with pytest.raises(NotSupported, match="command zstd") as caught:
            use()
        assert "install" in caught.value.hint


def test_what_is_told_by_its_magic_but_is_not_is_rejected():
    with ArchiveReader(io.BytesIO(b"BZh91AY& and more").read) as archive, pytest.raises(ArchiveRejected, match="bzip2"):
        archive.read(1)


@pytest.mark.parametrize(("processors", "ahead", "more"), [(2, True, 1), (1, True, 0), (2, False, 0)])
def test_large_pieces_of_a_plain_tar_are_hashed_in_a_thread(monkeypatch, processors, ahead, more):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(processors)))
    tar = os.urandom(5 * LARGE + 1000)
    before = threading.active_count()
    with ArchiveReader(io.BytesIO(tar).read, ahead) as reader:
        sizes = itertools.cycle([512, LARGE, LARGE, CHUNK])
        assert b"".join(iter(lambda: reader.read(next(sizes)), b"")) == tar
        assert threading.active_count() == before + more
        assert reader.diff_id == reader.digest == f"sha256:{hashlib.sha256(tar).hexdigest()}"
    assert threading.active_count() == before
