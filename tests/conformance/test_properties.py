# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of any tree and any archive, on a real overlayfs, and with other programs that read and write tars."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import typing as t

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import BLOCK
from ansible_collections.strata.overlay2.plugins.module_utils._archive.whiteouts import is_whiteout
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.plugins.module_utils._linux import mount
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.all_changes import (
    tree_changes,
    upper_changes,
)
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    reader,
    record,
    sealed,
    sparse,
    symlink,
)
from ansible_collections.strata.overlay2.tests.vandal import NS, Vandal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and makes files of other owners"),
]

# The same examples in each run, and no long search for the simplest one that fails.
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
RANDOM = st.randoms(use_true_random=False)
MOUNT_OPTIONS = "index=off,redirect_dir=off,metacopy=off"
KEPT = ("user.note", "security.capability", "trusted.overlay.opaque")


@pytest.fixture
def fresh(tmp_path):
    """Give a function that makes directories, for one example each: they are removed with the next."""

    @contextlib.contextmanager
    def make(*names: str) -> t.Iterator[list[str]]:
        base = tempfile.mkdtemp(dir=tmp_path)
        try:
            yield [_made(f"{base}/{name}") for name in names]
        finally:
            shutil.rmtree(base)

    return make


def _made(path: str) -> str:
    os.mkdir(path)
    return path


def vandalise(root: str, random, steps: int) -> None:
    """Change a tree by what *random* chooses. Sockets go again, as a tar has no form for them."""
    vandal = Vandal(root, 0)
    vandal.random = random
    vandal.go(steps)
    subprocess.run(["find", root, "-type", "s", "-delete"], check=True)


@contextlib.contextmanager
def mounted(target: str, data: str) -> t.Iterator[str]:
    mount.mount("overlay", target, "overlay", 0, f"{MOUNT_OPTIONS},{data}")
    try:
        yield target
    finally:
        mount.umount(target)


def facts(root: str, whole_seconds: bool = False, xattrs: bool = True) -> dict[str, object]:
    """Return all that a tar keeps of a tree, by path; names of one inode have its first name in common."""
    found: dict[str, object] = {}
    first_names: dict[int, str] = {}
    for base, dirs, files in os.walk(root):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(base, name)
            at, shown = os.lstat(path), os.path.relpath(path, root)
            names = [key for key in os.listxattr(path, follow_symlinks=False) if xattrs and key in KEPT]
            is_alone = stat.S_ISDIR(at.st_mode) or is_whiteout(at)  # the kernel makes whiteouts as links of each other
            found[shown] = (
                oct(at.st_mode),
                (at.st_uid, at.st_gid, at.st_rdev),
                at.st_mtime_ns // NS * NS if whole_seconds else at.st_mtime_ns,
                {key: os.getxattr(path, key, follow_symlinks=False) for key in names},
                _content(path, at),
                None if is_alone else first_names.setdefault(at.st_ino, shown),
            )
    return found


def _content(path: str, at: os.stat_result) -> object:
    if stat.S_ISREG(at.st_mode):
        with open(path, "rb") as file:
            return file.read()
    return os.readlink(path) if stat.S_ISLNK(at.st_mode) else None


def exported(root: str) -> bytes:
    stream = io.BytesIO()
    export_layer(root, stream.write, xattrs=True)
    return stream.getvalue()


@settings(SETTINGS, max_examples=40)
@given(random=RANDOM)
def test_a_layers_own_changes_equal_the_full_comparison_and_its_tar_makes_the_same_layer(fresh, random):
    with (
        fresh("lower", "far", "upper", "work", "merged", "old", "copy", "again") as made,
        contextlib.ExitStack() as stack,
    ):
        lower, far, upper, work, merged, old, copy, again = made
        vandalise(far, random, 20)
        vandalise(lower, random, 10)
        with mounted(merged, f"lowerdir={lower}:{far},upperdir={upper},workdir={work}"):
            vandalise(merged, random, 30)
        before = stack.enter_context(mounted(old, f"lowerdir={lower}:{far}"))
        after = stack.enter_context(mounted(merged, f"lowerdir={upper}:{lower}:{far}"))
        full, _size = tree_changes(after, before)
        assert upper_changes(upper, [lower, far]) == full
        tar = exported(upper)
        apply_layer(reader(tar), copy)
        assert facts(copy) == facts(upper, whole_seconds=True)
        assert exported(copy) == tar
        with mounted(again, f"lowerdir={copy}:{lower}:{far}"):
            assert tree_changes(again, after)[0] == []


WRITERS: dict[str, t.Callable[[str], list[str]]] = {
    "GNU tar, GNU format": lambda root: ["tar", "-C", root, "--format=gnu", "-cf", "-", "."],
    "GNU tar, PAX": lambda root: ["tar", "-C", root, "--format=posix", "--sparse", "--xattrs", "-cf", "-", "."],
    "bsdtar, PAX": lambda root: ["bsdtar", "-C", root, "--format=pax", "--xattrs", "-cf", "-", "."],
    "bsdtar, GNU format": lambda root: ["bsdtar", "-C", root, "--format=gnutar", "-cf", "-", "."],
}


@pytest.mark.parametrize("writer", WRITERS)
@settings(SETTINGS, max_examples=12)
@given(random=RANDOM)
def test_what_others_write_is_applied_as_it_was(fresh, writer, random):
    with fresh("tree", "copy") as (tree, copy):
        vandalise(tree, random, 30)
        tar = subprocess.run(WRITERS[writer](tree), capture_output=True, check=True).stdout
        apply_layer(reader(tar), copy)
        has_room = "PAX" in writer  # for xattrs, and parts of a second
        assert facts(copy, xattrs=has_room) == facts(tree, whole_seconds=not has_room, xattrs=has_room)


def leave_what_bsdtar_reads(root: str) -> None:
    """Remove what it does not get from a PAX header: names that are not UTF-8, and targets that are not ASCII."""
    for base, dirs, files in os.walk(os.fsencode(root), topdown=False):
        for name in dirs + files:
            path = os.path.join(base, name)
            is_link = os.path.islink(path)
            if b"\xff" in name or (is_link and not os.readlink(path).isascii()):
                shutil.rmtree(path) if os.path.isdir(path) and not is_link else os.unlink(path)


READERS: dict[str, t.Callable[[str], list[str]]] = {
    "GNU tar": lambda root: ["tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-"],
    "bsdtar": lambda root: ["bsdtar", "-C", root, "--xattrs", "--numeric-owner", "-xpf", "-"],
}


@pytest.mark.parametrize("name", READERS)
@settings(SETTINGS, max_examples=12)
@given(random=RANDOM)
def test_what_we_write_is_read_by_others(fresh, name, random):
    with fresh("tree", "copy") as (tree, copy):
        vandalise(tree, random, 30)
        if name == "bsdtar":
            leave_what_bsdtar_reads(tree)
        tar = exported(tree)
        subprocess.run(READERS[name](copy), input=tar, check=True)
        wanted, found = facts(tree, whole_seconds=True), facts(copy)
        assert found == wanted
        with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as opened:
            assert sorted(entry.name for entry in opened) == sorted(wanted)


MUTATED = archive(
    directory("d/", mode=0o1777),
    member("d/f", body=b"content" * 100, mode=0o4755, uid=7, gid=8),
    pax(record("path", "d/long") + record("mtime", "7.25") + record("SCHILY.xattr.user.note", "n")),
    member("d/short"),
    hardlink("h", "d/f"),
    symlink("up", "../victim"),
    symlink("abs", "/strata-nowhere"),
    member("up/f", body=b"x"),
    member("null", b"3", major=1, minor=3),
    member("gone", b"6"),
    member(".wh.gone"),
    member("d/.wh..wh..opq"),
    sparse("old GNU", [(700, 3), (4096, 5)], b"abcdefgh"),
    sparse("1.0", [(700, 3), (4096, 5)], b"abcdefgh"),
    sparse("0.0", [(700, 3), (4096, 5)], b"abcdefgh"),
    member("L", b"L", b"victim/" + b"n" * 120 + b"\0"),
    member("cut"),
)
CHANGES = st.lists(st.tuples(st.integers(0, len(MUTATED) - 1), st.integers(0, 255)), min_size=1, max_size=6)


@settings(SETTINGS, max_examples=400)
@given(changes=CHANGES, right=st.booleans(), cut=st.integers(0, 4 * len(MUTATED)))
def test_a_damaged_archive_is_rejected_or_taken_and_nothing_leaves_the_layer(fresh, changes, right, cut):
    """right: the checksums are those of the headers as they are now."""
    damaged = bytearray(MUTATED)
    for at, byte in changes:
        damaged[at] = byte
        start = at // BLOCK * BLOCK
        if right and any(MUTATED[start : start + BLOCK]) and MUTATED[start + 257 : start + 262] == b"ustar":
            damaged[start : start + BLOCK] = sealed(bytes(damaged[start : start + BLOCK]))
    with fresh("victim", "diff") as (victim, diff):
        with open(f"{victim}/hello", "wb") as file:
            file.write(b"hello")
        os.utime(victim, ns=(7, 7))
        before = facts(os.path.dirname(victim))
        with contextlib.suppress(ArchiveRejected):
            apply_layer(reader(bytes(damaged[: cut or None])), diff)
        shutil.rmtree(diff)
        os.mkdir(diff)
        os.utime(diff, ns=(7, 7))
        after = facts(os.path.dirname(victim))
        assert {key: after[key] for key in after if key != "diff"} == {
            key: before[key] for key in before if key != "diff"
        }
