# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams that go on, end early or lie."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import sys
import tracemalloc
import zlib

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.decompress import decompress
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported

NEEDS_ZSTD = pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd")


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


ALL = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("bzip2", bz2.compress, id="bzip2"),
    pytest.param("xz", lzma.compress, id="xz"),
    pytest.param("zstd", zstd, id="zstd", marks=NEEDS_ZSTD),
]


def whole(data, compression):
    return b"".join(decompress(io.BytesIO(data).read, compression))


@pytest.mark.parametrize(("compression", "compress"), ALL)
def test_members_follow_each_other(compression, compress):
    assert whole(compress(b"one") + compress(b"") + compress(b"two" * 10**6), compression) == b"one" + b"two" * 10**6


@pytest.mark.parametrize(("compression", "compress"), ALL)
def test_a_member_that_begins_where_a_read_ends(compression, compress):
    first = compress(b"one")
    pieces = iter([first, compress(b"two"), b""])
    assert b"".join(decompress(lambda _size: next(pieces, b""), compression)) == b"onetwo"


@pytest.mark.parametrize(("compression", "compress"), ALL)
def test_every_cut_is_noticed(compression, compress):
    data = compress(b"content " * 50)
    for cut in range(12, len(data)):
        with pytest.raises(ArchiveRejected, match=f"not a complete {compression} file") as caught:
            whole(data[:cut], compression)
        assert caught.value.hint


@pytest.mark.parametrize(("compression", "compress"), ALL)
def test_a_damaged_byte_is_noticed(compression, compress):
    data = bytearray(compress(bytes(range(256)) * 50))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(ArchiveRejected, match=f"not a complete {compression} file"):
        whole(bytes(data), compression)


@pytest.mark.parametrize(("compression", "compress"), ALL)
def test_garbage_behind_it_is_noticed(compression, compress):
    with pytest.raises(ArchiveRejected):
        whole(compress(b"content") + b"garbage, long enough", compression)


@pytest.mark.parametrize(("compression", "compress"), ALL[0:1] + ALL[2:3])
def test_zeros_behind_it_are_padding(compression, compress):
    assert whole(compress(b"one") + bytes(512) + compress(b"two") + bytes(600_000), compression) == b"onetwo"


@pytest.mark.parametrize("padding", [1, 3, 510])
def test_padding_of_xz_that_is_no_multiple_of_4_is_damage(padding):
    with pytest.raises(ArchiveRejected, match=f"xz file: {padding} bytes of padding"):
        whole(lzma.compress(b"one") + bytes(padding) + lzma.compress(b"two"), "xz")


def zstd_window(log):
    """Return an empty zstd frame that asks for a window of 2^log bytes. Source: RFC 8878, 3.1.1.1."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes(((log - 10) << 3,)) + b"\x01\0\0"


@NEEDS_ZSTD
@pytest.mark.parametrize("log", [10, 27, 28, 29])
def test_windows_that_moby_takes(log):
    assert whole(zstd_window(log) + zstd(b"one"), "zstd") == b"one"


@NEEDS_ZSTD
@pytest.mark.parametrize("log", [30, 31])
def test_a_larger_window_is_told(log):
    with pytest.raises(
        ArchiveRejected, match=r"^to decompress the archive, zstd needs more than 512 MiB of memory$"
    ) as it:
        whole(zstd_window(log), "zstd")
    assert "smaller window" in it.value.hint


def test_so_is_a_larger_dictionary_of_xz():
    larger = bytearray(lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    larger[16] = 36  # the dictionary's size, 1 GiB, in the header of the block
    larger[20:24] = zlib.crc32(larger[12:20]).to_bytes(4, "little")
    with pytest.raises(ArchiveRejected, match=r"^to decompress the archive, xz needs more than 512 MiB of memory$"):
        whole(bytes(larger), "xz")


@NEEDS_ZSTD
def test_what_zstd_says_has_one_line_and_no_options():
    with pytest.raises(ArchiveRejected) as caught:
        whole(zstd(b"one") + b"garbage", "zstd")
    assert "\n" not in str(caught.value)
    assert "stdin" not in str(caught.value)


@NEEDS_ZSTD
def test_skippable_frames_hold_nothing():
    frame = b"\x53\x2a\x4d\x18\x04\0\0\0note"
    assert whole(frame + zstd(b"one") + frame + zstd(b"two"), "zstd") == b"onetwo"


@pytest.mark.parametrize(("compression", "compress"), ALL[:3])
def test_a_bomb_comes_in_pieces_of_bounded_size(compression, compress):
    bomb = compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        total = 0
        for piece in decompress(io.BytesIO(bomb).read, compression):
            assert len(piece) <= CHUNK
            total += len(piece)
        assert total == 50_000_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("compression", "module"), [("bzip2", "bz2"), ("xz", "lzma")])
def test_a_python_without_the_library_says_so(compression, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotSupported, match=f"compressed with {compression}") as caught:
        whole(b"", compression)
    assert "gzip or zstd" in caught.value.hint


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz"])
def test_what_read_raises_comes_through(compression):
    def broken(_size):
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        next(decompress(broken, compression))
