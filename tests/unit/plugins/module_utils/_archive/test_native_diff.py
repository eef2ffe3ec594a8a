# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes of a layer, from its upperdir: case by case, and against a full comparison of real overlay mounts."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import stat
import subprocess
import tarfile

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.native_diff import tree_size
from ansible_collections.strata.overlay2.plugins.module_utils._errors import NotSupported
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.all_changes import (
    tree_changes,
    upper_changes,
)
from ansible_collections.strata.overlay2.tests.vandal import Vandal

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes whiteouts, trusted xattrs and mounts"),
]

NS = 10**9
TIME = 1_600_000_000 * NS
OPAQUE = "trusted.overlay.opaque"
CAPABILITY = bytes.fromhex("0100000200200000" + "00" * 12)


def tree(root, items):
    """Make a tree from {path: node}: bytes are a file's content, None a directory, a function gets the path."""
    root.mkdir()
    for path, content in items.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            full.mkdir(exist_ok=True)
        elif callable(content):
            content(full)
        else:
            full.write_bytes(content)
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            os.utime(os.path.join(base, name), ns=(TIME, TIME), follow_symlinks=False)
    return str(root)


def gone(path):
    os.mknod(path, stat.S_IFCHR, 0)


def opaque(path):
    path.mkdir(exist_ok=True)
    os.setxattr(path, OPAQUE, b"y")


def with_xattr(name, value=b"x", directory=False):
    def make(path):
        path.mkdir() if directory else path.write_bytes(b"")
        os.setxattr(path, name, value)

    return make


def with_mode(mode):
    def make(path):
        path.write_bytes(b"1")
        path.chmod(mode)

    return make


def listed(changes):
    return [f"{change.kind[0].upper()} {os.fsdecode(change.path)}" for change in changes]


CASES = [
    pytest.param({"d/f": b"1"}, [], ["A /d", "A /d/f"], id="a base layer adds everything"),
    pytest.param({}, [{"d/f": b"1"}], [], id="an empty upperdir changes nothing"),
    pytest.param({"f": b"1"}, [{"f": b"1"}], [], id="copied up but the same"),
    pytest.param({"f": b"12"}, [{"f": b"1"}], ["M /f"], id="another size"),
    pytest.param({"f": with_mode(0o600)}, [{"f": with_mode(0o644)}], ["M /f"], id="another mode"),
    pytest.param({"f": b"2"}, [{"f": b"1"}], [], id="content alone is never compared"),
    pytest.param({"d": None}, [{"d/f": b"1"}], [], id="a directory copied up but the same"),
    pytest.param({"d/new": b"1"}, [{"d/f": b"1"}], ["M /d", "A /d/new"], id="a directory that got a file"),
    pytest.param(
        {"a/b/c/d": b"22"}, [{"a/b/c/d": b"1"}], ["M /a", "M /a/b", "M /a/b/c", "M /a/b/c/d"], id="all the way up"
    ),
    pytest.param({"a/b/same": b"1"}, [{"a/b/same": b"1"}], [], id="directories on the way to nothing"),
    pytest.param({"f": gone}, [{"f": b"1"}], ["D /f"], id="a deleted file"),
    pytest.param({"d": gone}, [{"d/e/f": b"1"}], ["D /d"], id="a deleted directory is one change"),
    pytest.param({"d/f": gone}, [{"d/f": b"1"}], ["M /d", "D /d/f"], id="a file deleted in a directory"),
    pytest.param({"f": gone}, [{"g": b"1"}], [], id="a whiteout of what nobody has"),
    pytest.param({"f": gone}, [], [], id="a whiteout in a base layer"),
    pytest.param({"f": gone}, [{"f": gone}, {"f": b"1"}], [], id="a whiteout of what is deleted already"),
    pytest.param({"d/f": gone}, [{"x": b"1"}], ["A /d"], id="a whiteout in a new directory"),
    pytest.param({"f": b"1"}, [{"f": gone}, {"f": b"1"}], ["A /f"], id="a file deleted below is added anew"),
    pytest.param({"f": b"1"}, [{"f": b"1"}, {"f": b"123"}], [], id="the nearest lower counts"),
    pytest.param({"f": b"1"}, [{"x": b"1"}, {"f": b"123"}], ["M /f"], id="the next one where that has nothing"),
    pytest.param({"d": b"file"}, [{"d/e/f": b"1"}], ["M /d"], id="a file in place of a directory: no deletes"),
    pytest.param({"d/new": b"1"}, [{"d": b"1"}], ["M /d", "A /d/new"], id="a directory in place of a file"),
    pytest.param(
        {"d": opaque, "d/same": b"1"},
        [{"d/same": b"1", "d/old": b"1", "d/sub/f": b"1"}],
        ["M /d", "D /d/old", "D /d/sub"],
        id="an opaque directory hides the rest",
    ),
    pytest.param({"d": opaque, "d/same": b"1"}, [{"d/same": b"1"}], [], id="an opaque directory that hides nothing"),
    pytest.param({"d": opaque, "d/f": b"1"}, [{"x": b"1"}], ["A /d", "A /d/f"], id="an opaque directory nobody had"),
    pytest.param(
        {"d": opaque, "d/f": gone}, [{"d/f": b"1"}], ["M /d", "D /d/f"], id="a whiteout in an opaque directory"
    ),
    pytest.param(
        {"d": opaque},
        [{"d/a": gone, "d/b": b"1"}, {"d/a": b"1", "d/c": b"1"}],
        ["M /d", "D /d/b", "D /d/c"],
        id="an opaque directory hides what the lowers show, not what they hide themselves",
    ),
    pytest.param(
        {"d": opaque, "d/e/f": b"1"},
        [{"d/e/f": b"1", "d/e/g": b"1"}],
        ["M /d", "M /d/e", "D /d/e/g"],
        id="what lies in an opaque directory is not merged either, but compared all the same",
    ),
    pytest.param(
        {"d/f": b"1"}, [{"d": opaque}, {"d/f": b"1"}], ["M /d", "A /d/f"], id="an opaque directory of a lower hides too"
    ),
    pytest.param(
        {"d/f": b"1"},
        [{"d": None}, {"d": b"file"}, {"d/f": b"1"}],
        ["M /d", "A /d/f"],
        id="a file between two lower directories separates them",
    ),
    pytest.param(
        {"d/f": b"1"},
        [{"d": None}, {"d": gone}, {"d/f": b"1"}],
        ["M /d", "A /d/f"],
        id="so does a whiteout",
    ),
    pytest.param(
        {"d/f": b"1"}, [{"d": None}, {"x": b"1"}, {"d/f": b"1"}], [], id="a lower without the directory does not"
    ),
    pytest.param(
        {"f": with_xattr("security.capability", CAPABILITY)}, [{"f": b""}], ["M /f"], id="a capability was given"
    ),
    pytest.param({"f": b""}, [{"f": with_xattr("security.capability", CAPABILITY)}], ["M /f"], id="or taken"),
    pytest.param({"f": with_xattr("user.x")}, [{"f": b""}], [], id="no other xattr counts"),
    pytest.param(
        {"a-b": b"1", "a/b": b"1", "a": None}, [], ["A /a", "A /a-b", "A /a/b"], id="sorted by the whole path"
    ),
    pytest.param({"d": with_xattr(OPAQUE, b"x", True)}, [{"d/f": b"1"}], [], id="opaque=x is not opaque"),
    pytest.param({"\udcff": b"1"}, [], ["A /\udcff"], id="a name that is not UTF-8"),
]


@pytest.mark.parametrize(("upper", "lowers", "expected"), CASES)
def test_upper_changes(tmp_path, upper, lowers, expected):
    below = [tree(tmp_path / f"lower{number}", lower) for number, lower in enumerate(lowers)]
    assert listed(upper_changes(tree(tmp_path / "upper", upper), below)) == expected


@pytest.mark.parametrize(("upper", "lowers", "expected"), CASES)
def test_the_cases_are_what_the_kernel_says(tmp_path, upper, lowers, expected):
    below = [tree(tmp_path / f"lower{number}", lower) for number, lower in enumerate(lowers)]
    with contextlib.ExitStack() as mounts:
        new = merged(mounts, [tree(tmp_path / "upper", upper), *below], tmp_path / "new")
        old = merged(mounts, below, tmp_path / "old")
        assert full_comparison(os.fsencode(old), os.fsencode(new)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(TIME + 5, TIME + 5, [], id="the same"),
        pytest.param(TIME + 5, TIME + 6, ["M /f"], id="other nanoseconds"),
        pytest.param(TIME, TIME + 6, [], id="a tar kept whole seconds only"),
        pytest.param(TIME + 5, TIME, [], id="the other way round"),
        pytest.param(TIME, TIME + NS, ["M /f"], id="other seconds"),
        pytest.param(-1, 0, ["M /f"], id="seconds are floored"),
    ],
)
def test_times(tmp_path, old, new, expected):
    lower, upper = tree(tmp_path / "lower", {"f": b"1"}), tree(tmp_path / "upper", {"f": b"1"})
    os.utime(tmp_path / "lower/f", ns=(0, old))
    os.utime(tmp_path / "upper/f", ns=(0, new))
    assert listed(upper_changes(upper, [lower])) == expected


@pytest.mark.parametrize(
    ("upper", "lowers", "path"),
    [
        pytest.param({"d": with_xattr("trusted.overlay.redirect", directory=True)}, [], "d", id="redirect"),
        pytest.param({"d/f": with_xattr("trusted.overlay.metacopy")}, [], "d/f", id="metacopy"),
        pytest.param({"d/f": with_xattr("trusted.overlay.whiteout")}, [], "d/f", id="a whiteout by xattr"),
        pytest.param({"d": with_xattr(OPAQUE, b"z", True)}, [], "d", id="an unknown opaque value"),
        pytest.param(
            {"d/f": b"1"}, [{"d": with_xattr("trusted.overlay.redirect", directory=True)}], "d", id="a lower's redirect"
        ),
        pytest.param(
            {"f": b"1"}, [{"f": with_xattr("trusted.overlay.whiteout")}], "f", id="a lower's whiteout by xattr"
        ),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, upper, lowers, path):
    below = [tree(tmp_path / f"lower{number}", lower) for number, lower in enumerate(lowers)]
    with pytest.raises(NotSupported) as caught:
        upper_changes(tree(tmp_path / "upper", upper), below)
    assert caught.value.details["path"] == path


def test_a_store_with_userxattr_has_its_own_marks(tmp_path):
    lower = tree(tmp_path / "lower", {"d/f": b"1"})
    upper = tree(tmp_path / "upper", {"d": with_xattr("user.overlay.opaque", b"y", True)})
    assert listed(upper_changes(upper, [lower])) == []
    assert listed(upper_changes(upper, [lower], userxattr=True)) == ["M /d", "D /d/f"]


def test_the_markers_of_fuse_overlayfs_are_no_changes(tmp_path):
    def marked(path):
        path.mkdir(exist_ok=True)
        (path / ".wh..wh..opq").touch()
        gone(path / ".wh..opq")

    lower = tree(tmp_path / "lower", {"d/f": b"1", "e": marked, "e/g": b"1"})
    far = tree(tmp_path / "far", {"d/h": b"1", "e/hidden": b"1"})
    upper = tree(tmp_path / "upper", {"d": marked, "d/new": b"1", "e": None})
    assert listed(upper_changes(upper, [lower, far], marker_files=True)) == ["M /d", "D /d/f", "D /d/h", "A /d/new"]
    assert "A /d/.wh..wh..opq" in listed(upper_changes(upper, [lower, far]))
    assert tree_size(upper, marker_files=True) == 1


def test_a_whiteout_that_hides_nothing_is_listed_by_a_mount_and_is_none(tmp_path):
    lower = tree(tmp_path / "lower", {"f": b"1"})
    upper = tree(tmp_path / "upper", {"new": None, "new/gone": gone, "new/kept": b"1", "o": opaque, "o/gone": gone})
    with contextlib.ExitStack() as mounts:
        new = merged(mounts, [upper, lower], tmp_path / "new")
        old = merged(mounts, [lower], tmp_path / "old")
        assert "gone" in os.listdir(f"{new}/new")
        expected = ["A /new", "A /new/kept", "A /o"]
        assert listed(tree_changes(str(new), str(old))[0]) == expected
        assert listed(tree_changes(str(old), str(new))[0]) == ["D /new", "D /o"]
        assert listed(upper_changes(upper, [lower])) == expected
        stream = io.BytesIO()
        export_layer(str(new), stream.write, merged=True)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as tar:
        assert tar.getnames() == ["f", "new", "new/kept", "o"]


def test_128_lowers_and_a_deep_tree_fit_into_the_usual_number_of_open_files(tmp_path):
    path = "/".join(["d"] * 100) + "/f"
    lowers = [tree(tmp_path / f"lower{number}", {path: b"1"}) for number in range(128)]
    upper = tree(tmp_path / "upper", {path: b"22", "z": b"1"})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        changes = listed(upper_changes(upper, lowers))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(changes) == 102
    assert changes[-2:] == [f"M /{path}", "A /z"]


# --- against the kernel: layers made through real overlay mounts, compared in full by moby's rules


def merged(mounts, layers, target):
    """Mount *layers* (nearest first) read-only on *target* and return where to look.

    The kernel wants two lowers at least: empty ones change nothing.
    """
    target.mkdir()
    nothing = [tree(target.with_name(f"{target.name}-nothing{number}"), {}) for number in range(2)]
    mount(mounts, f"lowerdir={':'.join([*layers, *nothing])}", target, "ro")
    return str(target)


def mount(mounts, data, target, flag="rw"):
    options = f"{flag},index=off,redirect_dir=off,metacopy=off,{data}"
    # By mount(2): fsconfig(2), which newer mount commands use, takes no option beyond 255 bytes.
    env = {**os.environ, "LIBMOUNT_FORCE_MOUNT2": "always"}
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, target], check=True, env=env)
    mounts.callback(subprocess.run, ["umount", target], check=True)


def full_comparison(old, new):
    """List the differences between two directory trees by moby's rules."""
    found = []
    compare(old, new, b"", found)
    return [f"{kind} {os.fsdecode(path)}" for path, kind in sorted(found)]


def compare(old, new, path, found):
    """Add (path, kind) of each difference below path; *old* is None if it lacks the directory."""
    gone_names = visible(old) if old else set()
    for name in visible(new):
        below, st = path + b"/" + name, os.lstat(new + b"/" + name)
        before = os.lstat(old + b"/" + name) if name in gone_names else None
        gone_names.discard(name)
        kind = "A" if before is None else "M" if differ(old, before, new, st, name) else None
        inside = []
        if stat.S_ISDIR(st.st_mode):
            was_directory = before is not None and stat.S_ISDIR(before.st_mode)
            compare(old + b"/" + name if was_directory else None, new + b"/" + name, below, inside)
        if kind or inside:
            found.append((below, kind or "M"))
        found.extend(inside)
    found.extend((path + b"/" + name, "D") for name in gone_names)


def visible(directory):
    """Return the names that can be looked up: a listing also shows whiteouts if no lower has the directory."""
    return {name for name in os.listdir(directory) if os.path.lexists(directory + b"/" + name)}


def differ(old_dir, old, new_dir, new, name):
    if any(getattr(old, key) != getattr(new, key) for key in ("st_mode", "st_uid", "st_gid", "st_rdev")):
        return True
    if not stat.S_ISDIR(old.st_mode):
        (old_s, old_ns), (new_s, new_ns) = divmod(old.st_mtime_ns, NS), divmod(new.st_mtime_ns, NS)
        if old.st_size != new.st_size or old_s != new_s or (old_ns != new_ns and 0 not in (old_ns, new_ns)):
            return True
    return capability(old_dir + b"/" + name) != capability(new_dir + b"/" + name)


def capability(path):
    try:
        return os.getxattr(path, "security.capability", follow_symlinks=False)
    except OSError as error:
        assert error.errno in (errno.ENODATA, errno.ENOTSUP)
        return None


@pytest.mark.parametrize("seed", range(12))
def test_it_equals_a_full_comparison_of_what_the_kernel_merges(tmp_path, seed):
    depth = 1 + seed % 4
    layers = [str(tmp_path / "base")]
    os.mkdir(layers[0])
    Vandal(layers[0], seed).go(150)
    for number in range(depth):
        upper = change_through_a_mount(tmp_path / str(number), layers, seed * 100 + number)
        with contextlib.ExitStack() as mounts:
            new = merged(mounts, [upper, *layers], tmp_path / f"new{number}")
            old = merged(mounts, layers, tmp_path / f"old{number}")
            expected = full_comparison(os.fsencode(old), os.fsencode(new))
            assert listed(tree_changes(str(new), str(old))[0]) == expected
        assert listed(upper_changes(upper, layers)) == expected
        assert expected  # otherwise the vandal did nothing
        layers.insert(0, upper)


def change_through_a_mount(place, lowers, seed):
    """Let a vandal loose on a layer over *lowers*, mounted read-write; return its upperdir."""
    for name in ("diff", "work", "merged"):
        (place / name).mkdir(parents=True)
    with contextlib.ExitStack() as mounts:
        data = f"lowerdir={':'.join(lowers)},upperdir={place}/diff,workdir={place}/work"
        mount(mounts, data, place / "merged")
        Vandal(place / "merged", seed).go(80)
    return str(place / "diff")
