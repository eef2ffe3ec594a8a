# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with id maps, read and written from inside a user namespace with the same maps, like a container.

Source: moby daemon/daemon_unix.go (setupRemappedRoot), CVE-2021-41091; user_namespaces(7).
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import tarfile
import traceback
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHAR
from ansible_collections.strata.overlay2.plugins.module_utils._linux.namespace import unshare
from ansible_collections.strata.overlay2.plugins.modules import (
    overlay2_diff,
    overlay2_init,
    overlay2_layer,
    overlay2_mount,
)
from ansible_collections.strata.overlay2.tests.driver import Driver
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    symlink,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and gives user namespaces their maps"),
]

Ranges = t.Sequence[tuple[int, int, int]]

DOCKERS: Ranges = [(0, 100_000, 65_536)]
SEVERAL: Ranges = [(0, 300_000, 1), (1, 200_000, 1000), (1001, 700_000, 70_000)]
CLONE_NEWUSER = 0x10000000  # include/uapi/linux/sched.h
ACCESS = "system.posix_acl_access"
CAPABILITY = "security.capability"
NO_ID = 0xFFFFFFFF
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep, revision 2


def acl(user: int, group: int) -> bytes:
    """Return an ACL of 0664 that names a user and a group."""
    entries = (1, 6, NO_ID), (2, 6, user), (4, 6, NO_ID), (8, 6, group), (16, 6, NO_ID), (32, 4, NO_ID)
    return b"\2\0\0\0" + b"".join(struct.pack("<HHI", *entry) for entry in entries)


TAR = archive(
    directory("etc/", uid=0, gid=0),
    member("etc/shadow", mode=0o640, gid=42, body=b"root:*:\n"),
    member("etc/shared", mode=0o664, xattrs={ACCESS.encode(): acl(1000, 50)}),
    directory("home/user/", uid=1000, gid=1000, mode=0o2755),
    member("home/user/file", uid=1000, gid=1000, body=b"mine"),
    hardlink("home/user/hard", "home/user/file", uid=1000, gid=1000),
    symlink("home/user/link", "file", uid=1000, gid=1001),
    member("home/user/ping", mode=0o4755, xattrs={CAPABILITY.encode(): NET_RAW}, body=b"elf"),
    member("nobody", uid=65_534, gid=65_535),
    member("null", CHAR, major=1, minor=3, uid=0, gid=6, mode=0o666),
    member("opaque/.wh..wh..opq", uid=7, gid=8),
    member(".wh.gone", mode=0o600),
    member(".wh.gone-too", mode=0o600, uid=5, gid=70_000),
)
OWNERS = {
    "etc": (0, 0),
    "etc/shadow": (0, 42),
    "etc/shared": (0, 0),
    "home": (0, 0),
    "home/user": (1000, 1000),
    "home/user/file": (1000, 1000),
    "home/user/hard": (1000, 1000),
    "home/user/link": (1000, 1001),
    "home/user/ping": (0, 0),
    "nobody": (65_534, 65_535),
    "null": (0, 6),
    "opaque": (0, 0),
}


class Store(Driver):
    """The modules on one store. ranges: of both its maps; none for a store without."""

    def __init__(self, home: Path, ranges: Ranges = ()) -> None:
        maps = [dict(zip(("container_id", "host_id", "size"), item)) for item in ranges]
        super().__init__(home, uid_map=maps, gid_map=maps)

    def apply(self, layer_id: str, tar: Path, **params: t.Any) -> dict[str, t.Any]:
        return self.run(overlay2_diff, id=layer_id, state="applied", src=str(tar), remote_src=True, **params)

    def export(self, layer_id: str, dest: Path) -> dict[str, t.Any]:
        return self.run(overlay2_diff, id=layer_id, state="exported", dest=str(dest))

    def filled(self, tar: Path) -> Path:
        """Give the merged directory of a container's layer on a layer with this content."""
        self.ok(overlay2_layer, layers=[{"id": "base", "parent": ""}, {"id": "app", "parent": "base"}])
        assert self.apply("base", tar)["changed"]
        self.ok(overlay2_layer, id="container", parent="app", read_write=True)
        return Path(self.ok(overlay2_mount, id="container")["path"])

    def owners(self) -> dict[str, str]:
        """Return mode and owner of all the directories that make the store, as find(1) tells them."""
        content = ["(", "-path", "*/diff/*", "-o", "-path", "*/merged/*", ")", "-prune"]
        command = ["find", self.home, *content, "-o", "-type", "d", "-printf", "%P %m %U:%G\\n"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def inodes(self) -> list[str]:
        """Return the files of the store without their times, as staging changes these."""
        command = ["find", self.home, "-printf", "%P %i %y %m %U:%G %s\\n"]
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[t.Callable[..., Store]]:
    """Give a function that makes a store of this name, with these maps."""
    made: list[Store] = []

    def make(name: str, ranges: Ranges = ()) -> Store:
        made.append(Store(tmp_path / name, ranges))
        return made[-1]

    yield make
    for one in made:
        one.ok(overlay2_init, state="absent", force=True)


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "layer.tar"
    path.write_bytes(TAR)
    return path


def contained(root: Path, ranges: Ranges, act: t.Callable[[], t.Any]) -> t.Any:
    """Return the result of *act*, run as root of a user namespace with these maps, in the working directory *root*."""
    map_file = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)
    its_result, result = os.pipe()
    go, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(root)
            unshare(CLONE_NEWUSER)
            os.write(result, b"\n")
            os.read(go, 1)
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            os.umask(0o022)
            os.write(result, json.dumps(act()).encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(result)
    with open(its_result, "rb") as pipe:
        assert pipe.readline() == b"\n"
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text(map_file, encoding="ascii")
        os.write(ready, b"\n")
        output = pipe.read()
    for fd in (go, ready):
        os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0
    return json.loads(output)


def all_owners() -> dict[str, tuple[int, int]]:
    found = {}
    for base, directories, files in os.walk("."):
        for name in (*directories, *files):
            path = os.path.normpath(os.path.join(base, name))
            st = os.lstat(path)
            found[path] = (st.st_uid, st.st_gid)
    return found


@pytest.mark.parametrize("ranges", [DOCKERS, SEVERAL], ids=["as dockerd's", "several ranges"])
def test_a_container_sees_its_own_ids(store: t.Callable[..., Store], tar: Path, ranges: Ranges) -> None:
    merged = store("store", ranges).filled(tar)

    def look() -> list[t.Any]:
        os.setxattr("etc/shadow", CAPABILITY, NET_RAW)  # only an owner's root may
        return [all_owners(), os.getxattr("etc/shared", ACCESS).hex(), os.getxattr("home/user/ping", CAPABILITY).hex()]

    owners, shared, ping = contained(merged, ranges, look)
    assert {path: tuple(ids) for path, ids in owners.items()} == OWNERS
    assert (shared, ping) == (acl(1000, 50).hex(), NET_RAW.hex())


def test_what_a_container_writes_comes_out_with_its_ids(
    store: t.Callable[..., Store], tar: Path, tmp_path: Path
) -> None:
    remapped = store("store", DOCKERS)

    def write() -> None:
        os.mkdir("srv", 0o750)
        for name, owner in (("srv/a", 0), ("srv/b", 1000), ("nobody", 33)):
            Path(name).write_text(name, encoding="ascii")
            os.chown(name, owner, owner)
        os.symlink("a", "srv/link")
        os.lchown("srv/link", 5, 6)
        os.setxattr("srv/a", CAPABILITY, NET_RAW)
        os.unlink("etc/shadow")
        for name in ("file", "hard", "link", "ping"):
            os.unlink(f"home/user/{name}")
        os.rmdir("home/user")
        os.mkdir("home/user")

    contained(remapped.filled(tar), DOCKERS, write)
    remapped.ok(overlay2_mount, id="container", state="unmounted")
    upper = remapped.home / "container/diff"
    assert (os.lstat(upper / "srv/b").st_uid, os.lstat(upper / "etc/shadow").st_uid) == (101_000, 0)
    assert os.getxattr(upper / "srv/a", CAPABILITY)[20:] == struct.pack("<I", 100_000)

    assert remapped.export("container", tmp_path / "out.tar")["changed"]
    with tarfile.open(tmp_path / "out.tar") as written:
        found = {info.name: (info.uid, info.gid) for info in written}
        capability = written.getmember("srv/a").pax_headers["SCHILY.xattr.security.capability"]
    assert found == {
        "etc": (0, 0),
        "etc/.wh.shadow": (0, 0),
        "home": (0, 0),
        "home/user": (0, 0),
        "home/user/.wh..wh..opq": (0, 0),
        "nobody": (33, 33),
        "srv": (0, 0),
        "srv/a": (0, 0),
        "srv/b": (1000, 1000),
        "srv/link": (5, 6),
    }
    assert capability.encode(errors="surrogateescape") == NET_RAW


def test_maps_change_no_diff_id(store: t.Callable[..., Store], tar: Path, tmp_path: Path) -> None:
    """A tar of a store without maps can be applied in other stores, and their export has the same bytes."""
    plain = store("plain")
    plain.ok(overlay2_layer, id="base")
    assert plain.apply("base", tar)["changed"]
    written = tmp_path / "plain.tar"
    diff_id = plain.export("base", written)["diff_id"]
    assert os.lstat(plain.home / "base/diff/home/user/file").st_uid == 1000
    for name, ranges, uid in (("dockers", DOCKERS, 101_000), ("several", SEVERAL, 200_999)):
        remapped = store(name, ranges)
        remapped.ok(overlay2_layer, id="base")
        assert remapped.apply("base", written, diff_id=diff_id)["changed"]
        assert os.lstat(remapped.home / "base/diff/home/user/file").st_uid == uid
        out = tmp_path / f"{name}.tar"
        assert remapped.export("base", out)["diff_id"] == diff_id
        assert out.read_bytes() == written.read_bytes()


def test_the_store_is_the_remapped_roots_as_dockerd_makes_it(store: t.Callable[..., Store], tar: Path) -> None:
    remapped = store("store", DOCKERS)
    remapped.filled(tar)
    roots = {"": "710 0:100000", "diff": "755 100000:100000", "work": "700 100000:100000"}
    assert remapped.owners() == {
        "": "710 0:100000",
        "l": "700 0:0",
        **{os.path.join("base", name).rstrip("/"): roots[name] for name in ("", "diff")},
        **{os.path.join("app", name).rstrip("/"): roots[name] for name in roots},
        **{os.path.join("container", name).rstrip("/"): roots[name] for name in roots},
        "container/work/work": "0 100000:100000",
        "container/merged": "755 100000:100000",
    }


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        pytest.param(member("srv/f", uid=65_536), "srv/f: its owner: container uid 65536 has no host uid", id="a uid"),
        pytest.param(symlink("l", "t", gid=4_000_000_000), "l: its owner: container gid 4000000000 has", id="a gid"),
        pytest.param(
            member("f", xattrs={ACCESS.encode(): acl(70_000, 0)}),
            f"f: its xattr {ACCESS}: container uid 70000 has no host uid",
            id="one in an ACL",
        ),
    ],
)
@pytest.mark.parametrize("merge", [False, True])
def test_an_unknown_owner_in_a_tar_is_refused_before_anything_changes(
    store: t.Callable[..., Store], tmp_path: Path, tar: Path, merge: bool, entry: bytes, cause: str
) -> None:
    remapped = store("store", DOCKERS)
    remapped.ok(overlay2_layer, id="base")
    assert remapped.apply("base", tar)["changed"]
    before = remapped.inodes()
    bad = tmp_path / "bad.tar"
    bad.write_bytes(archive(member("a"), entry))
    refused = remapped.apply("base", bad, merge=merge)
    assert (refused["error"], refused["changed"], cause in refused["msg"]) == ("archive_rejected", False, True), refused
    assert remapped.inodes() == before


def test_a_file_of_the_hosts_user_is_named_and_no_tar_is_left(
    store: t.Callable[..., Store], tar: Path, tmp_path: Path
) -> None:
    remapped = store("store", DOCKERS)
    (remapped.filled(tar) / "etc/motd").write_text("by root of the host", encoding="ascii")
    refused = remapped.export("container", tmp_path / "out.tar")
    assert (refused["error"], refused["path"]) == ("store_corrupt", "etc/motd")
    assert "host uid 0 has no container uid" in refused["msg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.tar", "store"]
    os.chown(remapped.home / "container/diff/etc/motd", 100_000, 100_000)
    assert remapped.export("container", tmp_path / "out.tar")["changed"]
