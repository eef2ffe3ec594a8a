# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile layer tars on a real filesystem: whatever an archive says, nothing outside the layer is changed, made or
linked. And honest ones: what was exported is the same layer when it was applied.

The archives are those of moby's breakout tests, and of what was found in tools like it since.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.apply import apply_layer
from ansible_collections.strata.overlay2.plugins.module_utils._archive.clone import clone_tree
from ansible_collections.strata.overlay2.plugins.module_utils._archive.export import export_layer
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected
from ansible_collections.strata.overlay2.tests.conformance.vectors.build_trees import TREES, build
from ansible_collections.strata.overlay2.tests.unit.plugins.module_utils._archive.tars import (
    archive,
    directory,
    hardlink,
    member,
    pax,
    record,
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


@pytest.mark.parametrize("name", sorted(TREES))
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


@pytest.mark.parametrize("name", sorted(TREES))
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
