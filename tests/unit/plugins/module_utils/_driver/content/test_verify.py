# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever changes in a layer is found by its path, and nothing else is."""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest import ManifestWriter
from ansible_collections.strata.overlay2.plugins.module_utils._archive.manifest_reader import Manifest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import CHAR, FIFO
from ansible_collections.strata.overlay2.plugins.module_utils._driver.content.verify import verify_layer
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    reader,
    record,
    sparse,
    symlink,
)

pytestmark = pytest.mark.root

BIG = os.urandom(3 << 20)
TAR = archive(
    directory("etc", mode=0o750),
    member("etc/hosts", body=b"localhost\n", uid=3, gid=4),
    hardlink("etc/hosts.old", "etc/hosts", uid=3, gid=4),
    member("etc/.wh.gone"),
    directory("opaque"),
    member("opaque/.wh..wh..opq"),
    pax(record("SCHILY.xattr.user.note", "kept")),
    member("note", body=b"n"),
    member("big", body=BIG),
    sparse("1.0", [(1 << 20, 4)], b"data", size=2 << 20),
    member(b"new\nline\xff", body=b"odd"),
    symlink("link", "etc/hosts"),
    member("pipe", FIFO),
    member("null", CHAR, major=1, minor=3),
    directory("implied/deep"),
    member("suid", body=b"s", mode=0o4755),
)


@pytest.fixture
def layer(tmp_path):
    (tmp_path / "diff").mkdir()
    with open(tmp_path / "manifest", "wb") as file:
        manifest = ManifestWriter(file.write)
        apply_layer(reader(TAR), str(tmp_path / "diff"), manifest=manifest)
        manifest.finish("sha256:1")
    return tmp_path / "diff"


def verify(layer, **how):
    with open(layer.parent / "manifest", "rb") as file, Manifest(file.read) as manifest:
        return verify_layer(str(layer), manifest.expected(), **how)


def differences(layer, **how) -> list[tuple[str, str]]:
    return [(os.fsdecode(one.path), one.what) for one in verify(layer, **how).differences]


def flip(path, at: int) -> None:
    """Change one byte, and nothing else, not even the time."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def new_whiteout(layer) -> None:
    os.mknod(layer / "etc/other", 0o20000, 0)


def whiteout_changed(layer) -> None:
    os.unlink(layer / "etc/gone")
    (layer / "etc/gone").touch()


def link_broken(layer) -> None:
    shutil.copy2(layer / "etc/hosts", layer / "copy")
    os.chown(layer / "copy", 3, 4)
    os.rename(layer / "copy", layer / "etc/hosts.old")


def target(layer) -> None:
    os.unlink(layer / "link")
    os.symlink("etc/passwd", layer / "link")


def device(layer) -> None:
    os.unlink(layer / "null")
    os.mknod(layer / "null", 0o20644, os.makedev(1, 5))


CHANGES = {
    "a byte": (lambda layer: flip(layer / "note", 0), [("note", "content")]),
    "the last byte of a big file": (lambda layer: flip(layer / "big", len(BIG) - 1), [("big", "content")]),
    "a byte of a sparse file": (lambda layer: flip(layer / "f", (1 << 20) + 1), [("f", "content")]),
    "a byte in a hole": (lambda layer: flip(layer / "f", 9), [("f", "content")]),
    "a byte under an odd name": (
        lambda layer: flip(layer / os.fsdecode(b"new\nline\xff"), 0),
        [(os.fsdecode(b"new\nline\xff"), "content")],
    ),
    "the mode of a file": (lambda layer: os.chmod(layer / "suid", 0o755), [("suid", "mode")]),
    "the mode of a directory": (lambda layer: os.chmod(layer / "etc", 0o755), [("etc", "mode")]),
    "the owner": (lambda layer: os.chown(layer / "pipe", 1, 0), [("pipe", "owner")]),
    "the group of a symlink": (lambda layer: os.lchown(layer / "link", 0, 1), [("link", "owner")]),
    "the size": (lambda layer: os.truncate(layer / "big", 5), [("big", "size")]),
    "an xattr": (lambda layer: os.setxattr(layer / "note", "user.note", b"lost"), [("note", "xattrs")]),
    "a new xattr": (lambda layer: os.setxattr(layer / "etc", "user.new", b""), [("etc", "xattrs")]),
    "no opaque marker": (
        lambda layer: os.removexattr(layer / "opaque", "trusted.overlay.opaque"),
        [("opaque", "xattrs")],
    ),
    "a new redirect": (
        lambda layer: os.setxattr(layer / "etc", "trusted.overlay.redirect", b"/x"),
        [("etc", "xattrs")],
    ),
    "a target": (target, [("link", "target")]),
    "a device number": (device, [("null", "device")]),
    "a lost file": (lambda layer: os.unlink(layer / "big"), [("big", "lost")]),
    "a lost last file": (lambda layer: os.unlink(layer / "suid"), [("suid", "lost")]),
    "a lost directory": (lambda layer: shutil.rmtree(layer / "etc"), [("etc", "lost")]),
    "a new file": (lambda layer: (layer / "etc/new").touch(), [("etc/new", "added")]),
    "a new directory": (lambda layer: (layer / "etc/new/deep").mkdir(parents=True), [("etc/new", "added")]),
    "a new whiteout": (new_whiteout, [("etc/other", "added")]),
    "a file for a whiteout": (whiteout_changed, [("etc/gone", "type")]),
    "a broken hard link": (link_broken, [("etc/hosts.old", "links")]),
}


def test_an_unchanged_layer_has_no_difference(layer):
    found = verify(layer)
    assert found.differences == () and found.after is None and not found.truncated
    assert found.files == 6 and found.size == 10 + 1 + len(BIG) + (2 << 20) + 3 + 1


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_found_by_its_path(layer, name):
    change, wanted = CHANGES[name]
    change(layer)
    assert differences(layer) == wanted


def test_what_the_kernel_notes_of_its_own_is_no_difference(layer):
    os.setxattr(layer / "etc", "trusted.overlay.impure", b"y")
    os.setxattr(layer / "etc", "trusted.overlay.origin", b"\0")
    os.utime(layer / "note")
    assert differences(layer) == []


def test_a_file_that_is_not_there_is_never_read_through_a_symlink(layer):
    os.rename(layer / "note", layer.parent / "note")
    os.symlink("../note", layer / "note")
    assert differences(layer) == [("note", "type")]


def test_times_of_access_stay(layer):
    os.utime(layer / "big", ns=(1, 1))
    verify(layer)
    assert (layer / "big").stat().st_atime_ns == 1


def test_differences_are_told_up_to_a_number(layer):
    for number in range(5):
        (layer / f"new{number}").touch()
    found = verify(layer, most=3)
    assert len(found.differences) == 3 and found.truncated


@pytest.mark.parametrize("pause", range(1, 14))
def test_a_comparison_goes_on_where_it_stopped(layer, pause):
    flip(layer / "big", 7)
    os.unlink(layer / "etc/gone")
    os.unlink(layer / "suid")
    (layer / "zzz").touch()
    left = iter(range(pause))
    first = verify(layer, is_late=lambda: next(left, None) is None)
    assert first.after
    second = verify(layer, after=first.after)
    assert second.after is None
    both = [*first.differences, *second.differences]
    assert [(one.path, one.what) for one in both] == [
        (b"big", "content"),
        (b"etc/gone", "lost"),
        (b"suid", "lost"),
        (b"zzz", "added"),
    ]
    assert first.files + second.files == 5
