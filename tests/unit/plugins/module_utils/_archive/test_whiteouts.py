# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar form of a deletion and the overlayfs form: a conversion there and back changes nothing."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive import whiteouts
from ansible_collections.strata.overlay2.plugins.module_utils._errors import ArchiveRejected, NotSupported


@pytest.mark.parametrize(
    ("basename", "meaning"),
    [
        pytest.param(b"file", ("ordinary", b"file"), id="an ordinary name"),
        pytest.param(b"..gitme", ("ordinary", b"..gitme"), id="leading dots are ordinary"),
        pytest.param(b".wh", ("ordinary", b".wh"), id="the prefix without its last dot is ordinary"),
        pytest.param(b".wh.file", ("hides", b"file"), id="a whiteout hides its name"),
        pytest.param(b".wh.\xff", ("hides", b"\xff"), id="a hidden name need not be UTF-8"),
        pytest.param(b".wh..hidden", ("hides", b".hidden"), id="a dot file can be hidden"),
        pytest.param(b".wh....", ("hides", b"..."), id="three dots are a name"),
        pytest.param(b".wh..wh", ("hides", b".wh"), id="a file called .wh can be hidden"),
        pytest.param(b".wh..wh..opq", ("opaque", b""), id="the opaque marker"),
        pytest.param(b".wh..wh.plnk", ("metadata", b".wh..wh.plnk"), id="AUFS bookkeeping is told apart"),
        pytest.param(b".wh..wh..opq2", ("metadata", b".wh..wh..opq2"), id="what only begins like the marker is not it"),
    ],
)
def test_parse_marker(basename, meaning):
    assert whiteouts.parse_marker(basename) == meaning


@pytest.mark.parametrize("basename", [b".wh.", b".wh..", b".wh..."])
def test_a_whiteout_of_no_name_is_rejected(basename):
    with pytest.raises(ArchiveRejected, match="invalid whiteout usr/") as caught:
        whiteouts.parse_marker(basename, b"usr/" + basename)
    assert caught.value.details["entry"] == "usr/" + basename.decode()


@pytest.mark.parametrize("path", [b"gone", b"dir/gone too", b"dir/sub/.hidden", b"d/\xff\xfe", b"a/" + b"n" * 255])
def test_what_is_written_for_a_deletion_is_read_as_it(path):
    parent, _unused, name = path.rpartition(b"/")
    written = whiteouts.tar_name(path)
    assert os.path.dirname(written) == parent
    assert whiteouts.parse_marker(os.path.basename(written)) == ("hides", name)


@pytest.mark.parametrize(
    ("mode", "rdev", "expected"),
    [
        pytest.param(stat.S_IFCHR, 0, True, id="character device 0:0"),
        pytest.param(stat.S_IFCHR | 0o600, 0, True, id="its permissions don't matter"),
        pytest.param(stat.S_IFCHR, os.makedev(1, 3), False, id="another device"),
        pytest.param(stat.S_IFBLK, 0, False, id="block device 0:0"),
        pytest.param(stat.S_IFREG, 0, False, id="a file"),
    ],
)
def test_is_whiteout(mode, rdev, expected):
    fields = [mode, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert whiteouts.is_whiteout(os.stat_result(fields, {"st_rdev": rdev})) is expected


def test_the_xattr_depends_on_the_store():
    assert whiteouts.opaque_xattr(False) == "trusted.overlay.opaque"
    assert whiteouts.opaque_xattr(True) == "user.overlay.opaque"


@pytest.mark.parametrize(
    ("value", "expected"),
    [pytest.param(b"y", True, id="y is opaque"), pytest.param(b"x", False, id="x only announces whiteouts by xattr")],
)
def test_is_opaque(value, expected):
    assert whiteouts.is_opaque(value, b"dir") is expected


@pytest.mark.parametrize("value", [b"", b"z", b"yy"])
def test_an_unknown_opaque_value_is_not_guessed_at(value):
    with pytest.raises(NotSupported, match="some/dir"):
        whiteouts.is_opaque(value, b"some/dir")


@pytest.mark.parametrize(
    ("xattr", "directory", "refused"),
    [
        pytest.param("redirect", True, True, id="a renamed directory"),
        pytest.param("redirect", False, False, id="a file renamed before its content was copied up"),
        pytest.param("metacopy", False, True, id="a file without content"),
        pytest.param("whiteout", False, True, id="a whiteout by xattr"),
        pytest.param("origin", False, False, id="a note of where it was copied from"),
        pytest.param("impure", True, False, id="a note of what is inside"),
    ],
)
@pytest.mark.parametrize("userxattr", [False, True])
def test_check_self_contained(xattr, directory, refused, userxattr):
    names = ["security.capability", whiteouts.overlay_xattr(xattr, userxattr)]
    whiteouts.check_self_contained(names, b"p", directory, not userxattr)  # the other namespace is ordinary data
    if refused:
        with pytest.raises(NotSupported, match="p has the xattr"):
            whiteouts.check_self_contained(names, b"p", directory, userxattr)
    else:
        whiteouts.check_self_contained(names, b"p", directory, userxattr)
