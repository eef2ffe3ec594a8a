# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strange layer tars from the wild, for a real Docker and for us. Both make the same layer, with the same diff id, or
both refuse the tar. A case says where they differ.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import BLOCKDEV, CHAR, FIFO
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests import engines
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    patched,
    pax,
    reader,
    record,
    sparse,
    symlink,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
    pytest.mark.skipif(not engines.ENGINES, reason="needs the engines, which ./dev conformance unpacks"),
]

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
LABEL = b"system_u:object_r:bin_t:s0\0"
NOBODY = 0xFFFFFFFF
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, NOBODY), (2, 4, 1000), (4, 4, NOBODY), (16, 6, NOBODY), (32, 0, NOBODY))
)
OTHER = {"mode": 0o600, "uid": 3, "gid": 4, "mtime_ns": 5 * 10**9}

SAME = {
    # hard links
    "a link whose header says something else": archive(member("a", mode=0o4755, uid=1), hardlink("b", "a", **OTHER)),
    "a link with an xattr": archive(member("a"), hardlink("b", "a", mode=0o644, xattrs={b"user.k": b"v"})),
    "a link with capabilities": archive(
        member("a", uid=7, mode=0o755),
        hardlink("b", "a", uid=7, mode=0o755, xattrs={b"security.capability": CAPABILITY}),
    ),
    "a link without its target's capabilities": archive(
        member("a", mode=0o755, xattrs={b"security.capability": CAPABILITY, b"user.k": b"v"}),
        hardlink("b", "a", mode=0o755),
    ),
    "a link to a symlink": archive(member("t", mode=0o755), symlink("a", "t"), hardlink("b", "a", **OTHER)),
    "a link to a device": archive(member("a", CHAR, major=1, minor=3), hardlink("b", "a", **OTHER)),
    "a link to a fifo": archive(member("a", FIFO), hardlink("b", "a", **OTHER)),
    "links to links": archive(member("a"), hardlink("b", "a", uid=1), hardlink("c", "b", gid=2), hardlink("d", "a")),
    "a link in a directory without an entry": archive(member("bin/app"), hardlink("x/y/app", "bin/app")),
    "a link to an absolute name": archive(member("usr/a"), hardlink("usr/b", "/usr/a")),
    "a link through an absolute symlink": archive(
        directory("real/"),
        member("real/a"),
        symlink("alias", "/real"),
        hardlink("b", "alias/a"),
    ),
    # whiteouts
    "an opaque marker behind the content": archive(
        directory("d/"), member("d/y"), directory("d/e/"), member("d/e/z"), member("d/.wh..wh..opq")
    ),
    "a whiteout, then the file": archive(directory("d/"), member("d/.wh.x"), member("d/x", body=b"x")),
    # metadata
    "capabilities, setuid and an owner": archive(
        member("a", mode=0o6755, uid=1000, gid=1001, xattrs={b"security.capability": CAPABILITY})
    ),
    "a label on a symlink": archive(symlink("a", "b", xattrs={b"security.selinux": LABEL})),
    "a user's xattr on a symlink": archive(symlink("a", "b", xattrs={b"user.k": b"v"})),
    "a user's xattr on a fifo": archive(member("a", FIFO, xattrs={b"user.k": b"v"})),
    "an empty default ACL": archive(directory("d/", xattrs={b"system.posix_acl_default": b"\2\0\0\0"})),
    "an ACL": archive(member("a", mode=0o660, xattrs={b"system.posix_acl_access": ACL})),
    # numbers and names
    "an owner of -2": archive(patched(member("a"), 108, b"\xff" * 7 + b"\xfe")),
    "an owner of -2 in a record": archive(pax(record("uid", "-2") + record("gid", "-3")), member("a")),
    "numbers with zeros before them": archive(pax(record("uid", "0" * 30 + "5") + record("mtime", "+5")), member("a")),
    "a size with zeros before it": archive(pax(record("size", "0" * 30 + "3")), member("a", body=b"abc", size=0)),
    "rubbish behind a long name": archive(member("L", b"L", b"name\0rubbish\0"), member("n")),
    "a global header": archive(pax(record("comment", "0" * 40), b"g"), directory("p/"), member("p/a")),
    # ends
    "no end mark": member("a", body=b"a"),
    "no padding": member("a", body=b"a")[:513],
    "half the padding": member("a", body=b"a")[:600],
    "one block of zeros": member("a") + bytes(512),
    "garbage behind the end": archive(member("a")) + b"garbage",
    "a newline behind the end": archive(member("a")) + b"\n",
    "another archive behind the end": archive(member("a")) + archive(member("b", body=b"b" * 100_000)),
}

REFUSED = {
    "a whiteout of a file before it": archive(directory("d/"), member("d/x"), member("d/.wh.x")),
    "a whiteout of a directory before it": archive(directory("t/d/"), member("t/d/f"), member("t/.wh.d")),
    "a whiteout of a directory without an entry": archive(member("d/f"), member(".wh.d")),
    "a whiteout of a link before it": archive(member("a"), hardlink("b", "a"), member(".wh.b")),
    "a whiteout of a link's target": archive(member("a"), hardlink("b", "a"), member(".wh.a")),
    "a whiteout of a symlink before it": archive(directory("real/"), symlink("alias", "real"), member(".wh.alias")),
    "a default ACL on a file": archive(member("a", xattrs={b"system.posix_acl_default": ACL})),
    "a block of zeros, then an entry": member("a") + bytes(512) + member("b"),
    "a header cut off": member("a") + member("b")[:100],
    "content cut off": member("a", body=b"ab")[:513],
    "rubbish as the size": archive(patched(member("a"), 124, b"xxxxxxxxxxx\0")),
    "a link to nothing": archive(hardlink("b", "a")),
    "a device number beyond": archive(patched(member("a", BLOCKDEV), 329, b"zzzzzzz\0")),
}


# What this Docker refuses, as it has no such type, or each name once: the files of the layer, as we make it.
OURS = {
    "a file twice": (archive(member("a", body=b"1"), member("a", body=b"22")), {"a": b"22"}),
    "a whiteout twice": (archive(member(".wh.a"), member(".wh.a")), {"a": None}),
    "old GNU holes": (
        archive(sparse("old GNU", [(number * 2048, 512) for number in range(30)], b"x" * 15_360)),
        {"f": (b"x" * 512 + bytes(1536)) * 29 + b"x" * 512},
    ),
}


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[engines.Docker]:
    made = engines.Docker(tmp_path_factory.mktemp("docker") / "root")
    with made.running():
        yield made
    engines.unmount_below(str(made.root))


def imported(docker: engines.Docker, tar: bytes, path: Path) -> tuple[str, Path] | None:
    """Let Docker make an image of one layer of *tar*; return diff id and directory, None where it refuses that."""
    path.write_bytes(tar)
    done = subprocess.run(
        docker.command("import", str(path)), env=engines.environment(), capture_output=True, check=False
    )
    if done.returncode:
        assert b"Error response from daemon: " in done.stderr  # 20.10 adds "Error processing tar file"
        return None
    found = docker.inspect(done.stdout.decode().strip())
    return found["RootFS"]["Layers"][0], Path(found["GraphDriver"]["Data"]["UpperDir"])


def facts(root: str | Path) -> dict[str, t.Any]:
    """Return the properties of a layer's files, by name; directories without an entry have no time."""
    found: dict[str, t.Any] = {}
    first: dict[int, str] = {}
    for base, dirs, files in sorted(os.walk(root)):
        for name in sorted(dirs + files):
            path = os.path.join(base, name)
            at, shown = os.lstat(path), os.path.relpath(path, root)
            xattrs = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            found[shown] = (
                oct(at.st_mode),
                (at.st_uid, at.st_gid, at.st_rdev),
                at.st_mtime if at.st_mtime < 1_700_000_000 else None,
                xattrs,
                Path(path).read_bytes() if stat.S_ISREG(at.st_mode) else None,
                first.setdefault(at.st_ino, shown),
            )
    return found


@pytest.mark.parametrize("name", SAME)
def test_it_is_the_same_layer(docker: engines.Docker, tmp_path: Path, name: str) -> None:
    theirs = imported(docker, SAME[name], tmp_path / "tar")
    assert theirs
    diff_id, place = theirs
    assert diff_id == f"sha256:{hashlib.sha256(SAME[name]).hexdigest()}"
    ours = tmp_path / "ours"
    ours.mkdir()
    apply_layer(reader(SAME[name]), str(ours), expected=True)
    assert facts(ours) == facts(place)


@pytest.mark.parametrize("name", OURS)
def test_it_is_taken_by_us_alone(docker: engines.Docker, tmp_path: Path, name: str) -> None:
    tar, wanted = OURS[name]
    assert imported(docker, tar, tmp_path / "tar") is None
    ours = tmp_path / "ours"
    ours.mkdir()
    apply_layer(reader(tar), str(ours))
    assert {path: found[4] for path, found in facts(ours).items()} == wanted


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(docker: engines.Docker, tmp_path: Path, name: str) -> None:
    assert imported(docker, REFUSED[name], tmp_path / "tar") is None
    ours = tmp_path / "ours"
    ours.mkdir()
    with pytest.raises(ArchiveRejected):
        apply_layer(reader(REFUSED[name]), str(ours), expected=True)
