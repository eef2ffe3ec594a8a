# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar that was unpacked is written again from its exact record and the files, byte for byte."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.exact import ExactWriter
from ansible_collections.strata.overlay2.plugins.module_utils._archive.exact_head import HEAD_SIZE, parse_head
from ansible_collections.strata.overlay2.plugins.module_utils._archive.exact_replay import NotExact, replay
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK, END
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    padded,
    patched,
    pax,
    reader,
    record,
    sparse,
    symlink,
)
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.root

NOISE = bytes(range(1, 256)) * 3
LARGE = os.urandom(3 * CHUNK + 77)


def unpacked(tar, root, most=None):
    """Unpack *tar* into *root*; return its exact record, None if there is none."""
    file = io.BytesIO()
    writer = ExactWriter(file)
    apply_layer(reader(tar, most), str(root), expected=True, exact=writer)
    writer.finish(f"sha256:{hashlib.sha256(tar).hexdigest()}")
    return file.getvalue() if writer.is_whole else None


def replayed(kept, root):
    found = []
    replay(reader(kept, 1000), str(root), lambda piece: found.append(bytes(piece)))
    return b"".join(found)


def dirty(body):
    """Return a body whose padding is not zero."""
    return body + NOISE[: -len(body) % 512]


def with_body(name, body, **fields):
    return member(name, size=len(body), **fields) + dirty(body)


TARS = {
    "nothing": b"",
    "only the end mark": END,
    "a file, no end mark": member("a", body=b"text"),
    "padding that is not zero": archive(with_body("a", b"text"), with_body("b", NOISE), directory("d/")),
    "an empty file": archive(member("a"), member("b", body=b"x")),
    "content as long as a block": archive(member("a", body=bytes(512)), member("b", body=NOISE[:512])),
    "large files": archive(member("a", body=LARGE), with_body("b", LARGE[:CHUNK]), member("c", body=b"c")),
    "many files": archive(*(member(f"d/{number}", body=b"%d" % number) for number in range(2000))),
    "PAX and GNU": archive(
        pax(record("path", "long") + record("mtime", "1.5")),
        member("short", body=b"by PAX"),
        member("././@LongLink", b"L", b"gnu\0"),
        member("short", body=b"by GNU"),
        pax(record("comment", "for all"), b"g"),
        member("last", body=b"after a global header"),
    ),
    "garbage in unused fields": archive(
        patched(member("a", body=b"text"), 157, b"the link of the entry before")[:512] + padded(b"text"),
        patched(member("a.d/.wh.gone"), 157, b"opt/app/b"),
    ),
    "hard links and symlinks": archive(
        member("a", body=b"text"), hardlink("b", "a", mode=0o600), symlink("s", "a"), hardlink("t", "s")
    ),
    "a file below a symlink": archive(directory("d/"), symlink("s", "d"), member("s/f", body=b"text")),
    "whiteouts": archive(directory("d/"), member("d/.wh..wh..opq"), member(".wh.gone"), member("d/f", body=b"x")),
    "whiteouts with a body": archive(with_body(".wh.gone", b"nobody reads this"), with_body(".wh..wh.aufs", NOISE)),
    "blocks behind the end": archive(member("a", body=b"text")) + bytes(10240),
    "another tar behind the end": archive(member("a", body=b"text")) + archive(member("b", body=NOISE)),
    "the same directory twice": archive(directory("d/"), member("d/a", body=b"x"), directory("d/", mode=0o700)),
    "an empty file twice": archive(member("a"), member("a", body=b"x")),
    "a symlink that becomes a file": archive(symlink("a", "b"), member("a", body=b"x")),
    "a sparse file, old GNU": archive(sparse("old GNU", [(512, 512), (9000, 100)], NOISE[:612])),
    "a sparse file of many pieces": archive(
        sparse("old GNU", [(1024 * n, 512) for n in range(100)], os.urandom(51200)), member("b", body=b"x")
    ),
    "a sparse file, PAX 0.0": archive(sparse("0.0", [(0, 10), (5000, 10)], NOISE[:20], 6000)),
    "a sparse file, PAX 1.0": archive(sparse("1.0", [(4096, 700)], NOISE[:700], 10000), member("b", body=b"x")),
    "a sparse file without data": archive(sparse("1.0", [], b"", 10000)),
}
# Their first content is in no file any more.
LOST = {
    "a name twice": archive(member("a", body=b"first"), member("a", body=b"second")),
    "a file that becomes a directory": archive(member("a", body=b"first"), directory("a/")),
    "a directory that becomes a file": archive(member("d/a", body=b"first"), member("d", body=b"second")),
    "a hard link over a file": archive(member("a", body=b"a"), member("b", body=b"b"), hardlink("b", "a")),
    "pseudo links of AUFS": archive(member(".wh..wh.plnk/1.2", body=b"x"), hardlink("a", ".wh..wh.plnk/1.2")),
}


@pytest.mark.parametrize("most", [None, 100, 777])
@pytest.mark.parametrize("case", TARS)
def test_the_same_tar_is_written_again(case, most, tmp_path):
    if most and len(TARS[case]) > 200_000:
        most *= 100
    kept = unpacked(TARS[case], tmp_path, most)
    assert parse_head(kept) == (f"sha256:{hashlib.sha256(TARS[case]).hexdigest()}", len(TARS[case]))
    assert replayed(kept, tmp_path) == TARS[case]


@pytest.mark.parametrize("case", LOST)
def test_content_that_another_entry_replaced_leaves_no_record(case, tmp_path):
    assert unpacked(LOST[case], tmp_path) is None


def _entries():
    names = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "s/a"])
    bodies = st.binary(max_size=1100)
    files = st.builds(with_body, names, bodies, mode=st.integers(0, 0o7777), uid=st.integers(0, 0o7777777))
    long = st.builds(lambda name, body: pax(record("path", name)) + with_body("x", body), names, bodies)
    links = st.builds(hardlink, names, names)
    symlinks = st.builds(symlink, names, st.sampled_from(["d", "a", "nowhere"]))
    dirs = st.sampled_from([directory("d/"), directory("d/e/"), symlink("s", "d")])
    return st.lists(st.one_of(files, long, links, symlinks, dirs), max_size=12)


@settings(max_examples=300, deadline=None)
@given(_entries(), st.binary(max_size=600), st.integers(1, 3000))
def test_any_tar_that_is_unpacked_is_written_again_or_said_to_be_lost(entries, rest, most):
    tar = archive(*entries) + rest
    with tempfile.TemporaryDirectory() as root:
        try:
            kept = unpacked(tar, root, most)
        except ArchiveRejected:
            return  # it contradicts itself
        assert kept is None or replayed(kept, root) == tar


def test_headers_take_little_room(tmp_path):
    kept = unpacked(TARS["many files"], tmp_path)
    assert len(kept) < len(TARS["many files"]) // 40


CHANGES = {
    "content": lambda root: (root / "d/a").write_bytes(b"other"),
    "a longer file": lambda root: (root / "d/a").write_bytes(b"longer"),
    "a missing file": lambda root: (root / "d/a").unlink(),
    "a symlink": lambda root: ((root / "d/a").unlink(), (root / "d/a").symlink_to("../b")),
    "a symlink on the way": lambda root: ((root / "d").rename(root / "e"), (root / "d").symlink_to("e")),
    "a fifo": lambda root: ((root / "d/a").unlink(), os.mkfifo(root / "d/a")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_found(change, tmp_path):
    kept = unpacked(archive(member("d/a", body=b"first"), member("b", body=b"first")), tmp_path)
    CHANGES[change](tmp_path)
    with pytest.raises(NotExact):
        replayed(kept, tmp_path)


def test_a_damaged_record_gives_no_other_tar(tmp_path):
    tar = archive(*(member(f"d/{number}", body=b"%d" % number) for number in range(20)))
    kept = unpacked(tar, tmp_path)
    assert parse_head(bytes(HEAD_SIZE)) is None
    damaged = [kept[:at] + bytes((kept[at] ^ 1,)) + kept[at + 1 :] for at in range(0, len(kept), 3)]
    for data in damaged:
        with contextlib.suppress(NotExact):
            assert replayed(data, tmp_path) == tar  # only the checksum at the end of the record is wrong
    for size in range(0, len(kept) - 8, 7):
        with pytest.raises(NotExact):
            replayed(kept[:size], tmp_path)


def test_a_record_that_leads_out_of_the_layer_is_refused(tmp_path):
    (tmp_path / "root/d").mkdir(parents=True)
    (tmp_path / "out").write_bytes(b"out")
    for path in (b"../out", b"d/../../out", str(tmp_path / "out").encode()):
        file = io.BytesIO()
        writer = ExactWriter(file)
        assert writer.tap(reader(b"out"))(100) == b"out"
        writer.add_file(path, 0, 3)
        writer.finish(f"sha256:{hashlib.sha256(b'out').hexdigest()}")
        with pytest.raises(NotExact):
            replayed(file.getvalue(), tmp_path / "root")
