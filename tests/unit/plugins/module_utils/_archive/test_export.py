# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The native diff as a tar: what is in it, what must stop it, and that tools we did not write can read it."""

from __future__ import annotations

import hashlib
import io
import os
import random
import resource
import shutil
import socket
import subprocess
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.native_diff import tree_size
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHUNK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import LayerInUse, NotSupported, StoreCorrupt

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

NS = 10**9
TIME = 1_600_000_000


def put(path, data=b"", mode=0o644, time=TIME * NS):
    """Make the file *path* and the directories it lies in."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        file.write(data)
    os.chmod(path, mode)
    os.utime(path, ns=(time, time))


def whiteout(path):
    os.mknod(path, 0o020000, 0)
    os.utime(path, ns=(TIME * NS, TIME * NS))


def exported(upper, **options):
    stream = io.BytesIO()
    export_layer(upper, stream.write, **options)
    return stream.getvalue()


def members(tar):
    """Return {name: TarInfo} as Python's own reader sees the tar; a directory's name without slash."""
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", errors="surrogateescape") as archive:
        return {info.name: info for info in archive}


def bodies(tar):
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        return {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}


@pytest.fixture
def upper(tmp_path):
    root = tmp_path / "diff"
    root.mkdir()
    return root


def test_an_empty_layer_is_two_zero_blocks(upper):
    assert exported(upper) == bytes(1024)


def test_the_path_may_be_bytes(upper):
    put(upper / "f")
    assert exported(os.fsencode(upper)) == exported(str(upper))


def test_directories_come_before_their_content_and_end_in_a_slash(upper):
    put(upper / "a/b")
    put(upper / "a-b")
    tar = exported(upper)
    assert list(members(tar)) == ["a", "a/b", "a-b"]
    assert tar.startswith(b"a/\0")


@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        511,
        512,
        513,
        CHUNK - 1024,
        CHUNK - 513,
        CHUNK - 512,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        3 * CHUNK,
        800_001,
    ],
)
def test_bodies_of_any_size_arrive_whole(upper, size):
    data = random.Random(size).getrandbits(8 * size + 8).to_bytes(size + 1, "big")[:size]
    put(upper / "a", b"before")
    put(upper / "b", data)
    put(upper / "c", b"after")
    assert bodies(exported(upper)) == {"a": b"before", "b": data, "c": b"after"}


def test_the_stream_comes_in_pieces_of_bounded_size(upper):
    put(upper / "big", bytes(5 * CHUNK))
    for number in range(100):
        put(upper / f"small{number}", b"x")
    pieces = []
    export_layer(upper, lambda piece: pieces.append(len(piece)))
    assert max(pieces) <= CHUNK
    assert len(pieces) <= 8  # small entries share a piece


def test_times_are_floored_to_seconds(upper):
    put(upper / "late", time=TIME * NS + 999_999_999)
    put(upper / "early", time=-NS // 2)
    found = members(exported(upper))
    assert (found["late"].mtime, found["early"].mtime) == (TIME, -1)


def test_reading_leaves_access_times_alone(upper):
    put(upper / "dir/file", b"data", time=TIME * NS)
    os.utime(upper / "dir", ns=(NS, TIME * NS))
    os.utime(upper / "dir/file", ns=(NS, TIME * NS))
    exported(upper)
    assert [os.stat(upper / name).st_atime_ns for name in ("dir", "dir/file")] == [NS, NS]


class TestDeletions:
    def test_whiteouts_are_empty_files(self, upper):
        put(upper / "dir/kept", b"k")
        whiteout(upper / "dir/gone")
        os.chown(upper / "dir/gone", 5, 6)
        found = members(exported(upper))["dir/.wh.gone"]
        assert (found.type, found.mode, found.size, found.mtime) == (tarfile.REGTYPE, 0o600, 0, TIME)
        assert (found.uid, found.gid, found.devmajor, found.devminor) == (5, 6, 0, 0)

    def test_whiteouts_that_are_links_of_each_other_are_empty_files_with_the_first_ones_name(self, upper):
        (upper / "d").mkdir()
        whiteout(upper / "d/b")
        for name in ("a", "d/c", "e"):
            os.link(upper / "d/b", upper / name)  # as the kernel does
        found = members(exported(upper))
        assert {name: (info.type, info.size, info.linkname) for name, info in found.items() if name != "d"} == {
            ".wh.a": (tarfile.REGTYPE, 0, ""),
            "d/.wh.b": (tarfile.REGTYPE, 0, "a"),
            "d/.wh.c": (tarfile.REGTYPE, 0, "a"),
            ".wh.e": (tarfile.REGTYPE, 0, "a"),
        }

    def test_a_whiteout_whose_other_links_lie_elsewhere_has_no_linkname(self, upper, tmp_path):
        whiteout(upper / "a")
        os.link(upper / "a", tmp_path / "#1")  # as in the work directory
        assert members(exported(upper))[".wh.a"].linkname == ""

    def test_a_whiteout_has_a_file_capability_as_in_docker_and_nothing_else(self, upper):
        capability = bytes.fromhex("0100000200200000000000000000000000000000")
        whiteout(upper / "a")
        os.setxattr(upper / "a", "security.capability", capability)
        os.setxattr(upper / "a", "trusted.note", b"n")
        found = members(exported(upper, xattrs=True, map_ids=lambda uid, gid: (uid + 1, gid + 1)))[".wh.a"]
        assert {k: v.encode() for k, v in found.pax_headers.items()} == {"SCHILY.xattr.security.capability": capability}
        assert (found.uid, found.gid) == (0, 0)

    @pytest.mark.parametrize(
        ("xattr", "userxattr", "opaque"),
        [
            pytest.param("trusted.overlay.opaque", False, True, id="the store's xattr"),
            pytest.param("user.overlay.opaque", True, True, id="the xattr of a store with userxattr"),
            pytest.param("user.overlay.opaque", False, False, id="a user's xattr of that name"),
            pytest.param("trusted.overlay.opaque", True, False, id="the other namespace"),
        ],
    )
    def test_an_opaque_directory_is_followed_by_its_marker(self, upper, xattr, userxattr, opaque):
        put(upper / "dir/kept")
        os.chmod(upper / "dir", 0o1750)
        os.chown(upper / "dir", 3, 4)
        os.setxattr(upper / "dir", xattr, b"y")
        found = members(exported(upper, userxattr=userxattr))
        assert list(found) == ["dir", "dir/.wh..wh..opq", "dir/kept"] if opaque else ["dir", "dir/kept"]
        if opaque:
            marker = found["dir/.wh..wh..opq"]
            assert (marker.mode, marker.uid, marker.gid, marker.mtime, marker.size) == (0o750, 3, 4, 0, 0)

    def test_the_markers_of_fuse_overlayfs_are_exported_once(self, upper):
        for name in ("both", "file", "neither"):
            (upper / name).mkdir()
            put(upper / name / "kept")
        os.setxattr(upper / "both", "trusted.overlay.opaque", b"y")
        for name in ("both", "file"):
            put(upper / name / ".wh..wh..opq", mode=0o700)
            whiteout(upper / name / ".wh..opq")
        put(upper / "neither" / ".wh..opq")  # no whiteout: a file

        def names(**options):
            with tarfile.open(fileobj=io.BytesIO(exported(upper, **options))) as tar:
                return tar.getnames()

        found = names(marker_files=True)
        markers = [f"{name}/{file}" for name in ("both", "file") for file in (".wh..wh..opq", "kept")]
        assert [name for name in found if "/" in name] == [*markers, "neither/.wh..opq", "neither/kept"]
        assert len(names()) == len(found) + 3  # in a store of another engine they are files

    def test_an_opaque_root_says_nothing(self, upper):
        os.setxattr(upper, "trusted.overlay.opaque", b"y")
        assert exported(upper) == bytes(1024)


class TestLinks:
    def test_the_first_name_in_walk_order_has_the_body(self, upper):
        put(upper / "z", b"shared")
        os.mkdir(upper / "a")
        os.link(upper / "z", upper / "a/first")
        found = members(exported(upper))
        assert (found["a/first"].type, found["a/first"].size) == (tarfile.REGTYPE, 6)
        assert (found["z"].type, found["z"].linkname, found["z"].size) == (tarfile.LNKTYPE, "a/first", 0)

    def test_a_link_out_of_the_layer_is_an_ordinary_file(self, upper, tmp_path):
        put(upper / "here", b"data")
        os.link(upper / "here", tmp_path / "outside")
        assert members(exported(upper))["here"].isreg()


class TestNodes:
    def test_devices_and_fifos(self, upper):
        os.mknod(upper / "null", 0o020666, os.makedev(1, 3))
        os.mknod(upper / "disk", 0o060660, os.makedev(259, 70000))
        os.mkfifo(upper / "fifo")
        found = members(exported(upper))
        assert {name: (i.type, i.devmajor, i.devminor) for name, i in found.items()} == {
            "disk": (tarfile.BLKTYPE, 259, 70000),
            "fifo": (tarfile.FIFOTYPE, 0, 0),
            "null": (tarfile.CHRTYPE, 1, 3),
        }

    def test_a_socket_is_left_out_and_nothing_else(self, upper, monkeypatch):
        put(upper / "a")
        monkeypatch.chdir(upper)  # the path itself is too long for a socket's address
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
        put(upper / "z")
        assert list(members(exported(upper))) == ["a", "z"]

    def test_symlinks_are_kept_as_they_are(self, upper):
        os.symlink("/etc/../\udcff", upper / "link")
        assert members(exported(upper))["link"].linkname == "/etc/../\udcff"


class TestXattrs:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param("0100000200200000" + "00" * 12, "0100000200200000" + "00" * 12, id="revision 2 as it is"),
            pytest.param("0100000300200000" + "00" * 12 + "a0860100", "0100000200200000" + "00" * 12, id="3 becomes 2"),
        ],
    )
    def test_file_capabilities(self, upper, value, expected):
        put(upper / "ping", b"e", 0o755)
        os.setxattr(upper / "ping", "security.capability", bytes.fromhex(value))
        record = members(exported(upper))["ping"].pax_headers["SCHILY.xattr.security.capability"]
        assert record.encode(errors="surrogateescape") == bytes.fromhex(expected)

    def test_nothing_else_is_exported(self, upper):
        put(upper / "file", b"e")
        os.setxattr(upper / "file", "user.note", b"hello")
        os.setxattr(upper / "file", "trusted.overlay.origin", b"where it came from")
        assert members(exported(upper))["file"].pax_headers == {}

    @pytest.mark.parametrize(
        ("path", "xattr"),
        [
            pytest.param("dir", "trusted.overlay.redirect", id="a renamed directory"),
            pytest.param("dir/file", "trusted.overlay.metacopy", id="a file without its content"),
            pytest.param("dir/file", "trusted.overlay.whiteout", id="a whiteout by xattr"),
        ],
    )
    def test_what_only_makes_sense_with_its_lowers_is_refused(self, upper, path, xattr):
        put(upper / "dir/file")
        os.setxattr(upper / path, xattr, b"x")
        with pytest.raises(NotSupported, match=f"^{path} has the xattr {xattr}"):
            exported(upper)


class TestOwners:
    @staticmethod
    def shifted(uid, gid):
        if uid < 100_000:
            raise ValueError(f"host uid {uid} is not in the map")
        return uid - 100_000, gid - 100_000

    def test_ids_are_mapped_but_not_those_of_whiteouts(self, upper):
        put(upper / "dir/file")
        for path in ("dir", "dir/file"):
            os.chown(upper / path, 100_001, 100_002)
        os.setxattr(upper / "dir", "trusted.overlay.opaque", b"y")
        whiteout(upper / "dir/gone")
        put(upper / "dir/.wh.by-name")
        found = members(exported(upper, map_ids=self.shifted))
        assert {name: (info.uid, info.gid) for name, info in found.items()} == {
            "dir": (1, 2),
            "dir/.wh..wh..opq": (1, 2),
            "dir/.wh.by-name": (0, 0),
            "dir/.wh.gone": (0, 0),
            "dir/file": (1, 2),
        }

    def test_an_id_that_is_not_mapped_names_the_entry(self, upper):
        put(upper / "file")
        with pytest.raises(
            StoreCorrupt, match=r"^cannot map the owner of file, .* host uid 0 is not in the map$"
        ) as caught:
            exported(upper, map_ids=self.shifted)
        assert caught.value.details == {"path": "file"}


class TestALayerInUse:
    """The first write comes when the buffer is full, so while `big` is being read."""

    @staticmethod
    def export_and_meanwhile(upper, act):
        done = []

        def write(_piece):
            if not done:
                done.append(act())

        export_layer(upper, write)

    @pytest.mark.parametrize(
        ("size", "new_size", "message"),
        [
            pytest.param(4 * CHUNK, CHUNK, "big shrank", id="it shrinks"),
            pytest.param(4 * CHUNK, 0, "big shrank", id="it is truncated"),
            pytest.param(4 * CHUNK, 4 * CHUNK + 1, "big grew", id="it grows"),
            pytest.param(4 * CHUNK + 1, 5 * CHUNK, "big grew", id="it grows from a ragged end"),
        ],
    )
    def test_a_file_that_changes_its_size(self, upper, size, new_size, message):
        put(upper / "big", bytes(size))
        with pytest.raises(LayerInUse, match=f"^{message} while the layer was read"):
            self.export_and_meanwhile(upper, lambda: os.truncate(upper / "big", new_size))

    @pytest.mark.parametrize(
        "replace",
        [
            pytest.param(lambda path: None, id="a file vanishes"),
            pytest.param(os.mkdir, id="a directory takes its place"),
            pytest.param(os.mkfifo, id="a fifo takes its place"),
            pytest.param(lambda path: os.symlink("/etc/passwd", path), id="a symlink takes its place"),
        ],
    )
    def test_a_file_replaced_after_it_was_listed(self, upper, replace):
        put(upper / "big", bytes(2 * CHUNK))
        put(upper / "victim", b"v")

        def act():
            os.unlink(upper / "victim")
            replace(upper / "victim")

        with pytest.raises(LayerInUse, match=r"^victim (vanished|was replaced)"):
            self.export_and_meanwhile(upper, act)

    def test_a_symlink_replaced_by_a_file(self, upper):
        put(upper / "big", bytes(2 * CHUNK))
        os.symlink("x", upper / "victim")

        def act():
            os.unlink(upper / "victim")
            put(upper / "victim")

        with pytest.raises(LayerInUse, match=r"^victim was replaced"):
            self.export_and_meanwhile(upper, act)


def test_a_failing_write_is_not_hidden(upper):
    put(upper / "file", b"data")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        export_layer(upper, full.write)


def test_a_very_deep_tree_comes_out_whole(upper):
    name = "n" * 30  # 2000 of them: as deep as may be, by far more than the kernel's limit
    fd = os.open(upper, os.O_RDONLY)
    for _unused in range(2000):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.mknod("gone", 0o020000, 0, dir_fd=fd)
    os.close(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    digest, tail = hashlib.sha256(), bytearray()
    try:
        export_layer(upper, lambda piece: (digest.update(piece), tail.extend(bytes(piece)[-500_000:])))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        subprocess.run(["rm", "-rf", upper], check=True)  # Python's rmtree follows its recursion limit
    assert (b"path=" + (name + "/").encode() * 2000 + b".wh.gone\n") in tail


@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
def test_gnu_tar_lists_and_extracts_it(upper, tmp_path):
    put(upper / "etc/passwd", b"root", 0o600)
    put(upper / ("p" * 150) / ("n" * 150), b"long")
    put(upper / "\udcff", b"not UTF-8")
    os.link(upper / "etc/passwd", upper / "link")
    os.symlink("t" * 120, upper / "symlink")
    os.chown(upper / "etc/passwd", 3_000_000, 7)
    os.mknod(upper / "null", 0o020666, os.makedev(1, 3))
    (tmp_path / "layer.tar").write_bytes(exported(upper))
    copy = tmp_path / "copy"
    copy.mkdir()
    result = subprocess.run(
        ["tar", "-xpf", tmp_path / "layer.tar", "-C", copy, "--numeric-owner"], capture_output=True, check=True
    )
    assert result.stderr == b""
    assert exported(copy) == exported(upper)  # what another tool unpacked is the same layer


class TestTreeSize:
    def test_it_counts_each_inode_once_and_no_directories(self, upper):
        put(upper / "dir/file", bytes(1000))
        os.link(upper / "dir/file", upper / "link")
        os.symlink("12345", upper / "symlink")
        whiteout(upper / "gone")
        put(upper / "other", bytes(24))
        assert tree_size(upper) == 1000 + 5 + 24

    def test_a_sparse_file_counts_in_full(self, upper):
        put(upper / "sparse")
        os.truncate(upper / "sparse", 10**9)
        assert tree_size(upper) == 10**9

    def test_no_directory_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            tree_size(tmp_path / "missing")
