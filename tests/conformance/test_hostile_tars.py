# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile layer tars on a real filesystem: no archive changes, makes or links a file outside the layer. Honest tars: an
exported layer is the same layer after applying.

The archives come from moby's breakout tests, and from later findings in similar tools.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import itertools
import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.clone import clone_tree
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import DIRECTORY, SYMLINK
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, LayerInUse
from ansible_collections.strata.overlay2.plugins.module_utils._linux.openat2 import has_openat2
from ansible_collections.strata.overlay2.plugins.module_utils._linux.rename import exchange
from ansible_collections.strata.overlay2.tests import seccomp
from ansible_collections.strata.overlay2.tests.conformance.vectors.build_trees import TREES, build
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

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes devices, owners and trusted xattrs"),
]

EXPECTED = json.loads((pathlib.Path(__file__).parent / "vectors" / "expected.json").read_text())

EVIL = {"body": b"pwned", "mode": 0o4777, "uid": 1}

# Beside the layer lies a directory `victim` with a file `hello` in it; v is its absolute path.
ARCHIVES = {
    # names
    "a name goes up": lambda v: [member("../victim/dodge", **EVIL)],
    "a name goes up from the root": lambda v: [member("/../victim/dodge", **EVIL)],
    "a name goes up through a directory": lambda v: [directory("a/"), member("a/../../victim/hello", **EVIL)],
    "a long name goes up": lambda v: [
        pax(record("path", "x/" * 99 + "../" * 100 + "victim/hello")), member("f", **EVIL),
    ],
    "an absolute name": lambda v: [member(f"{v}/hello", **EVIL)],
    "a whiteout goes up": lambda v: [member("../victim/.wh.hello")],
    "an opaque marker goes up": lambda v: [member("../victim/.wh..wh..opq")],
    "a whiteout of the directory above": lambda v: [member(".wh...")],
    "a whiteout of the one above that": lambda v: [member("a/.wh..."), member("b")],
    # hard links
    "a link goes up": lambda v: [hardlink("dodge", "../victim/hello")],
    "a link goes up from the root": lambda v: [hardlink("dodge", "/../victim/hello"), member("dodge", **EVIL)],
    "a link through a symlink": lambda v: [symlink("loop", "../victim"), hardlink("dodge", "loop/hello")],
    "a link to a symlink": lambda v: [symlink("loop", "../victim"), hardlink("l", "loop"), member("l/hello", **EVIL)],
    "a link to a directory above": lambda v: [hardlink("loop", "../victim"), member("loop/hello", **EVIL)],
    "a link to a symlink to a file": lambda v: [
        symlink("s", "../victim/hello"), hardlink("l", "s"), member("l", **EVIL), member("s", **EVIL),
    ],
    "a link to an absolute path": lambda v: [hardlink("dodge", f"{v}/hello"), member("dodge", **EVIL)],
    "a link with another's metadata": lambda v: [hardlink("l", "shared", mode=0o4777, uid=1, mtime_ns=0)],
    # symlinks
    "a symlink goes up": lambda v: [symlink("loop", "../victim"), member("loop/hello", **EVIL)],
    "an absolute symlink": lambda v: [symlink("loop", v), member("loop/hello", **EVIL)],
    "a symlink to a file": lambda v: [symlink("loop", "../victim/hello"), member("loop", **EVIL)],
    "a chain of symlinks": lambda v: [
        symlink("a", "../victim"), symlink("b", "a"), symlink("c", "b/.."), member("c/victim/hello", **EVIL),
    ],
    "a directory over a symlink": lambda v: [symlink("loop", "../victim"), directory("loop/", mode=0o777, uid=1)],
    "a directory in a symlink": lambda v: [symlink("loop", v), directory("loop/new/", mode=0o777, uid=1)],
    "a whiteout in a symlink": lambda v: [symlink("loop", "../victim"), member("loop/.wh.hello")],
    "a whiteout of a symlink": lambda v: [symlink("loop", v), member(".wh.loop")],
    "an opaque marker in a symlink": lambda v: [symlink("loop", v), member("loop/.wh..wh..opq")],
    "a directory that becomes a symlink": lambda v: [
        directory("d/"), member("d/f"), symlink("d", "../victim"), member("d/hello", **EVIL), directory("d/"),
    ],
    "a device in a symlink": lambda v: [symlink("loop", v), member("loop/sda", b"4", major=8, mode=0o666)],
    "a magic link": lambda v: [symlink("p", "/proc/self/root"), member(f"p{v}/hello", **EVIL)],
    "a magic link to a descriptor": lambda v: [symlink("p", "/proc/self/fd/3"), member("p/../victim/hello", **EVIL)],
    "metadata for a symlink": lambda v: [
        symlink("loop", "../victim/hello", uid=1, mtime_ns=0, xattrs={b"trusted.x": b"1"}),
    ],
    # whiteouts
    "a whiteout of no name in a directory": lambda v: [directory("d/"), member("d/.wh.")],
    "a whiteout of a directory by its dot": lambda v: [symlink("d", v), member("d/.wh..")],
    "a whiteout of what is above a symlinked directory": lambda v: [symlink("d", f"{v}/x"), member("d/.wh...")],
    "a whiteout of a marker": lambda v: [member(".wh..wh."), member(".wh..wh..wh..opq"), member("d/.wh..wh.hello")],
    "a whiteout with a slash behind": lambda v: [symlink("loop", "../victim"), directory("loop/.wh.hello/")],
    "a whiteout that is a link": lambda v: [
        hardlink(".wh.d", "shared"), symlink(".wh.e", v), member("e/hello", **EVIL),
    ],
    "a whiteout with a way in its name": lambda v: [member(".wh.x/../../victim/hello", **EVIL)],
    "files that AUFS kept in a symlink": lambda v: [
        symlink(".wh..wh.plnk", v), member(".wh..wh.plnk/1.1", **EVIL), hardlink("l", ".wh..wh.plnk/hello"),
    ],
    "a link to what AUFS kept goes up": lambda v: [
        member(".wh..wh.plnk/1.1"), hardlink("l", ".wh..wh.plnk/../../victim/hello"),
    ],
    "files that AUFS kept, by another's name": lambda v: [
        member(".wh..wh.plnk/hello", **EVIL), symlink("p", ".wh..wh.plnk"), member("p/hello", **EVIL),
        hardlink("p/l", "p/hello"), directory(".wh..wh.plnk/d/"), member(".wh.p"),
    ],
    # devices
    "devices of the machine": lambda v: [
        member("sda", b"4", major=8, mode=0o666), member("mem", b"3", major=1, minor=1, mode=0o666), member("p", b"6"),
    ],
    "a file over a device": lambda v: [member("d", b"3", major=1, minor=8), member("d", **EVIL), hardlink("e", "d")],
    "a device that is a directory": lambda v: [member("d/", b"3", major=1, minor=3), member("d/hello", **EVIL)],
    # overlayfs' own xattrs
    "a directory that says it was the victim": lambda v: [
        directory("d/", xattrs={b"trusted.overlay.redirect": v.encode(), b"user.overlay.redirect": v.encode()}),
        member("f", xattrs={b"trusted.overlay.metacopy": b"", b"trusted.overlay.redirect": f"{v}/hello".encode()}),
    ],
    "an opaque root by xattr": lambda v: [directory("./", xattrs={b"trusted.overlay.opaque": b"y"}), member("f")],
    # names
    "a NUL in a name": lambda v: [pax(record("path", b"../victim/hello\0/f")), member("f", **EVIL)],
    "a NUL in a link": lambda v: [pax(record("linkpath", f"{v}/hello\0")), hardlink("f", "f")],
    "newlines and blanks": lambda v: [member("a\n../victim/hello", **EVIL), member(" ../\t", **EVIL)],
    "4,096 bytes": lambda v: [member("/".join(["d" * 194] * 21) + "/f", **EVIL), member("n" * 4096, **EVIL)],
    "4,096 bytes of going up": lambda v: [member("../" * 1365 + "x", **EVIL)],
    "the same name again and again": lambda v: [
        member("f"), symlink("f", v), directory("f/"), member("f/hello", **EVIL), symlink("f", v), member("f/hello"),
    ],
    "another name by each header": lambda v: [
        member("L", b"L", b"gnu\0"), pax(record("path", "pax") + record("GNU.sparse.name", "../victim/hello")),
        member("../victim/hello", **EVIL),
    ],
    "a sparse file goes up": lambda v: [sparse("0.1", [(0, 5)], b"pwned", name="../victim/hello")],
    "a sparse file through a symlink": lambda v: [
        symlink("loop", v), sparse("1.0", [(0, 5)], b"pwned", name="loop/hello"), symlink("f", f"{v}/hello"),
        sparse("0.0", [(0, 5)], b"pwned"), sparse("old GNU", [(0, 5)], b"pwned"),
    ],
    # over what was there before
    "a file over an old symlink": lambda v: [member("old/link/hello", **EVIL), member("old/link", **EVIL)],
    "a directory over an old symlink": lambda v: [directory("old/link/", mode=0o777, uid=1), member("old/link/hello")],
    "an opaque marker in an old symlink": lambda v: [member("old/link/.wh..wh..opq")],
    "a whiteout in an old symlink": lambda v: [member("old/link/.wh.hello")],
    "a link through an old symlink": lambda v: [hardlink("dodge", "old/link/hello")],
    "a tree with old symlinks is removed": lambda v: [member(".wh.old")],
    "an opaque marker over old symlinks": lambda v: [member("old/.wh..wh..opq")],
    "an opaque root over old symlinks": lambda v: [member(".wh..wh..opq")],
    "a file over a shared one": lambda v: [member("shared", **EVIL)],
    "a file over a link to a shared one": lambda v: [hardlink("l", "shared"), member("l", **EVIL)],
    "a link to a shared one in a directory's place": lambda v: [directory("l/", mtime_ns=0), hardlink("l", "shared")],
    "xattrs for a shared one": lambda v: [member("shared", xattrs={b"user.note": b"pwned"}, mode=0o4777)],
}  # fmt: skip


def seen(path):
    """Return all there is to know of a tree, so that no change can hide."""
    found = {}
    for base, dirs, files in os.walk(path):
        for name in (".", *dirs, *files):
            full = os.path.join(base, name)
            st = os.lstat(full)
            names = os.listxattr(full, follow_symlinks=False)
            found[os.path.relpath(full, path)] = (
                (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_size, st.st_mtime_ns),
                {key: os.getxattr(full, key, follow_symlinks=False) for key in names},
                pathlib.Path(full).read_bytes() if stat.S_ISREG(st.st_mode) else b"",
            )
    return found


@pytest.fixture
def old(tmp_path):
    """A layer's diff that was there before, with symlinks to the victim."""
    path = tmp_path / "old"
    (path / "old").mkdir(parents=True)
    (path / "shared").write_text("shared")
    os.symlink(tmp_path / "victim", path / "old/link")
    os.symlink("../../victim", path / "old/other")
    return path


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.mkdir()
    (path / "hello").write_text("hello")
    return path


@pytest.mark.parametrize("name", sorted(ARCHIVES))
@pytest.mark.parametrize("merging", [False, True], ids=["alone", "merging"])
def test_the_victim_is_untouched(tmp_path, victim, old, name, merging):
    before = seen(victim), seen(old), os.stat(victim / "hello").st_nlink
    root = tmp_path / "diff"
    if merging:
        clone_tree(str(old), str(root))
    else:
        root.mkdir()
    tar = archive(*ARCHIVES[name](str(victim)))
    try:
        apply_layer(io.BytesIO(tar).read, str(root))
    except ArchiveRejected as error:
        assert error.hint
        assert error.details["entry"]
    assert (seen(victim), seen(old), os.stat(victim / "hello").st_nlink) == before
    assert sorted(os.listdir(tmp_path)) == ["diff", "old", "victim"]
    inside = [os.path.join(base, name) for base, _unused, names in os.walk(root) for name in names]
    assert os.stat(victim / "hello").st_ino not in {os.lstat(path).st_ino for path in inside}


def swap_for_ever(pairs):
    """In a child, exchange the names of each pair in turn, until it is killed; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for one, other in itertools.cycle(pairs):
            try:
                exchange(one, other)
            except OSError:
                time.sleep(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("target", ["absolute", "relative"])
def test_directories_that_another_process_swaps_for_symlinks(tmp_path, victim, target):
    before = seen(victim)
    root = tmp_path / "diff"
    (root / "d/e/f").mkdir(parents=True)
    leads_to = {"absolute": str(victim), "relative": "../" * 4 + "victim"}[target]
    pairs = [(f"{root}/{name}", f"{root}/{name}-swapped") for name in ("d", "d/e", "d/e/f")]
    for _unused, link in pairs:
        os.symlink(leads_to, link)
    members = []
    for number in range(150):  # more directories than are kept open
        deep = f"d/e/f/{number}"
        members += [
            directory(f"{deep}/"), member(f"{deep}/hello", **EVIL), member("d/e/f/hello", **EVIL),
            member("d/e/f/.wh.hello"), symlink("d/e/f/hello", "x"), hardlink("d/e/f/link", f"{deep}/hello"),
            member("d/hello", **EVIL), member("d/e/.wh.hello"), directory("d/e/f/hello/", mode=0o777, uid=1),
            member("d/e/f/.wh..wh..opq"), sparse("0.1", [(0, 5)], b"pwned", name="d/e/hello"),
        ]  # fmt: skip
    tar = archive(*members)
    attacker = swap_for_ever(pairs)
    try:
        outcomes = set()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            try:
                apply_layer(io.BytesIO(tar).read, str(root))
                outcomes.add("applied")
            except (ArchiveRejected, LayerInUse, OSError) as error:
                outcomes.add(type(error).__name__)
            assert seen(victim) == before
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)
    assert outcomes
    inside = [os.path.join(base, name) for base, _unused, names in os.walk(root) for name in names]
    assert os.stat(victim / "hello").st_ino not in {os.lstat(path).st_ino for path in inside}


@pytest.mark.skipif(not has_openat2(), reason="all of this runs without openat2(2) anyway")
def test_nothing_leaves_the_layer_without_openat2_either():
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "victim or swaps", __file__],
        preexec_fn=lambda: seccomp.refuse(seccomp.OPENAT2, errno.ENOSYS),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@contextlib.contextmanager
def little_memory(most):
    """Fail if more than *most* MiB are taken at any time within."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # from now on counts what is the most
    before = memory("VmRSS")
    yield
    assert memory("VmHWM") - before < most << 10


def memory(key):
    """Return a number of KiB that the kernel tells of this process."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise KeyError(key)


def test_100_000_entries_take_no_more_memory_than_a_few(tmp_path):
    count = 100_000
    blocks = (directory(f"{number % 300}/{number % 7}/") for number in range(count))
    stream = itertools.chain(blocks, [archive()])
    with little_memory(4):
        assert apply_layer(lambda _size: next(stream, b""), str(tmp_path)).entries == count


def named(name, kind=b"0", **fields):
    return pax(record("path", name)) + member("x", kind, **fields)


DEEP = "/".join(f"{number:0250}" for number in range(200))
SMALL_BUT_MUCH = {
    "directories of long names": lambda: (named(f"{DEEP}/{number}/", DIRECTORY) for number in range(1500)),
    "files of long names": lambda: (named(f"{DEEP}/{number}") for number in range(3000)),
    "whiteouts of long names": lambda: (named(f"{DEEP}/.wh.{number}") for number in range(1500)),
    "opaque markers in long names": lambda: (named(f"{DEEP}/{number}/.wh..wh..opq") for number in range(300)),
    "symlinks of long names": lambda: (
        made
        for number in range(700)
        for made in (named(f"{DEEP}/{number}", SYMLINK, linkname=b"d"), named(f"{DEEP}/{number}/x"))
    ),
    "names of one file": lambda: (
        hardlink(f"l{number}", "f", mtime_ns=number * 10**9) if number else member("f") for number in range(50_000)
    ),
    "deep directories": lambda: (named(f"{number}/" + "d/" * 2000) for number in range(300)),
}


@pytest.mark.parametrize("is_merged", [False, True])
@pytest.mark.parametrize("name", SMALL_BUT_MUCH)
def test_small_archives_take_little_memory(tmp_path, name, is_merged):
    """They are accepted or refused in this much memory: it does not grow with the length of a name."""
    if is_merged:
        (tmp_path / "old").touch()
    with little_memory(48), contextlib.suppress(ArchiveRejected):
        apply_layer(streaming(SMALL_BUT_MUCH[name]()), str(tmp_path))
    subprocess.run(["rm", "-rf", tmp_path], check=True)  # deeper than Python goes


def bomb(*headers):
    """Return a maker of a read function that gives these bytes a hundred times, then an entry."""
    return lambda: streaming(itertools.chain.from_iterable(itertools.repeat(headers, 100)))


def streaming(members):
    stream = itertools.chain(members, [archive(member("f"))])
    return lambda _size: next(stream, b"")


def xattr_records(prefix, size):
    """Return PAX records of xattrs that have about *size* bytes."""
    return b"".join(record(f"SCHILY.xattr.user.{prefix}{number}", b"x" * 1000) for number in range(size // 1040))


def an_xattr(key, value):
    return bomb(pax(record(f"SCHILY.xattr.user.{key}", value)), member("f"))


TOO_LONG = "bytes; more than 1048576 are not read"
BOMBS = {
    "a header of eight gigabytes": (bomb(member("x", b"x", size=(1 << 33) - 1)), TOO_LONG),
    "a name of a gigabyte": (bomb(member("L", b"L", size=1 << 30)), TOO_LONG),
    "a record that says it has a gigabyte": (bomb(pax(b"1073741824 path=x\n")), "malformed"),
    "a size of 8 EiB": (bomb(pax(record("size", str(2**63 - 1))), member("f")), "before the end of its content"),
    "a size that is more than there is": (bomb(member("f", size=1 << 33)), "before the end of its content"),
    "a size that is less than there is": (bomb(member("f", body=b"x" * 900, size=10)), "checksum"),
    "an xattr longer than the kernel takes": (an_xattr("a", b"x" * 70_000), "its xattr user.a is malformed, or too"),
    "an xattr with a longer name than the kernel takes": (an_xattr("n" * 300, b"x"), "is malformed, or too long"),
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_are_refused_in_little_memory(tmp_path, name):
    make, message = BOMBS[name]
    read = make()
    with little_memory(16), pytest.raises(ArchiveRejected, match=message):
        apply_layer(read, str(tmp_path))
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir()) < 4 << 20


def test_headers_for_one_entry_replace_each_other(tmp_path):
    """However many there are, only the last counts, and the rest takes no memory."""
    headers = pax(xattr_records("", 1 << 19)), member("L", b"L", b"long\0"), pax(record("SCHILY.xattr.user.a", "1"))
    with little_memory(16):
        apply_layer(bomb(*headers)(), str(tmp_path))
    assert os.listxattr(tmp_path / "long") == ["user.a"]


def test_global_headers_take_no_memory(tmp_path):
    """A thousand of them, each of 512 KiB and with names of its own."""
    read = streaming(pax(xattr_records(f"{number}.", 1 << 19), b"g") for number in range(1000))
    with little_memory(16):
        assert apply_layer(read, str(tmp_path)).entries == 1


# Applied, each whiteout is an inode of its own, as in Docker: what shares one is exported with a linkname, once.
COME_APART = {"linked_pair", "linked_whiteouts"}
WHOLE = sorted(set(TREES) - COME_APART)


@pytest.mark.parametrize("name", WHOLE)
def test_an_exported_tree_is_the_same_layer_when_it_was_applied(tmp_path, name):
    build(name, str(tmp_path))
    tar = io.BytesIO()
    export_layer(str(tmp_path / name), tar.write)
    copy = tmp_path / "copy"
    copy.mkdir()
    applied = apply_layer(io.BytesIO(tar.getvalue()).read, str(copy))
    again = io.BytesIO()
    export_layer(str(copy), again.write)
    assert f"sha256:{hashlib.sha256(again.getvalue()).hexdigest()}" == EXPECTED[name]["diff_id"]
    assert applied.size <= EXPECTED[name]["bytes"]


@pytest.mark.parametrize("name", sorted(COME_APART))
def test_whiteouts_that_share_an_inode_come_apart_and_delete_the_same(tmp_path, name):
    build(name, str(tmp_path))
    tar = io.BytesIO()
    export_layer(str(tmp_path / name), tar.write)
    tars = []
    for copy in (tmp_path / "copy", tmp_path / "second"):
        copy.mkdir()
        apply_layer(io.BytesIO(tar.getvalue()).read, str(copy))
        assert deleted(copy) == deleted(tmp_path / name)
        tar = io.BytesIO()
        export_layer(str(copy), tar.write)
        tars.append(tar.getvalue())
    assert tars[0] == tars[1]


def deleted(tree):
    """Return the names of the whiteouts in a tree, but for those that are like a marker's: none can be brought back."""
    nodes = (path for path in tree.rglob("*") if path.is_char_device() and path.stat().st_rdev == 0)
    found = {path.relative_to(tree) for path in nodes if not path.name.startswith(".wh.")}
    assert found
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_applying_it_again_over_itself_changes_nothing(tmp_path, name):
    build(name, str(tmp_path))
    tar = io.BytesIO()
    export_layer(str(tmp_path / name), tar.write)
    clone_tree(str(tmp_path / name), str(tmp_path / "copy"))
    before = seen(tmp_path / name)
    apply_layer(io.BytesIO(tar.getvalue()).read, str(tmp_path / "copy"))
    again = io.BytesIO()
    export_layer(str(tmp_path / "copy"), again.write)
    assert again.getvalue() == tar.getvalue()
    assert seen(tmp_path / name) == before
