# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of an export: its pieces, its padding, and files that change size."""

from __future__ import annotations

import os

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import BLOCK, CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar_stream import Stream
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse

HEAD = b"h" * BLOCK


class Pieces:
    """Keeps the written pieces; a view's content is copied, because the stream reuses its buffer."""

    def __init__(self):
        self.all = []

    def write(self, piece):
        self.all.append(bytes(piece))


@pytest.fixture
def pieces():
    return Pieces()


def write_file(stream, path, size):
    """Write the file *path* as one of *size* bytes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        stream.put_file(HEAD, fd, size, b"f")
    finally:
        os.close(fd)


def test_small_entries_are_one_piece(pieces):
    stream = Stream(pieces.write)
    stream.put(HEAD)
    stream.put(b"i" * BLOCK)
    assert pieces.all == []
    stream.flush()
    stream.flush()
    assert pieces.all == [HEAD + b"i" * BLOCK]


def test_headers_larger_than_the_buffer_keep_their_place(pieces):
    stream = Stream(pieces.write)
    large = bytes(2 * CHUNK)
    for blocks in (HEAD, large, HEAD):
        stream.put(blocks)
    stream.flush()
    assert b"".join(pieces.all) == HEAD + large + HEAD


@pytest.mark.parametrize("before", [0, 1, CHUNK // BLOCK - 2, CHUNK // BLOCK])
@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, CHUNK - BLOCK, CHUNK, 2 * CHUNK + 7])
def test_a_body_is_padded_wherever_the_buffer_ends(tmp_path, pieces, before, size):
    body = os.urandom(size)
    (tmp_path / "f").write_bytes(body)
    stream = Stream(pieces.write)
    for _unused in range(before):
        stream.put(HEAD)
    write_file(stream, tmp_path / "f", size)
    stream.put(HEAD)
    stream.flush()
    assert b"".join(pieces.all) == HEAD * before + HEAD + body + bytes(-size % BLOCK) + HEAD
    assert max(map(len, pieces.all)) <= CHUNK


@pytest.mark.parametrize("size", [10, 2 * CHUNK])
@pytest.mark.parametrize(("change", "word"), [(1, "grew"), (-1, "shrank")])
def test_a_file_of_another_size_is_refused(tmp_path, pieces, size, change, word):
    (tmp_path / "f").write_bytes(bytes(size + change))
    with pytest.raises(LayerInUse, match=f"^f {word} while the layer was read$"):
        write_file(Stream(pieces.write), tmp_path / "f", size)


def test_a_read_error_names_the_path_in_the_layer(tmp_path, pieces):
    with pytest.raises(IsADirectoryError) as caught:
        write_file(Stream(pieces.write), tmp_path, 10)
    assert caught.value.filename == "f"
