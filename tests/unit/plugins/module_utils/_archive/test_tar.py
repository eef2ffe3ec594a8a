# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of xattrs as keywords of PAX records."""

from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._archive.tar import xattr_keyword, xattr_name
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        pytest.param(b"security.capability", b"SCHILY.xattr.security.capability", id="as it is"),
        pytest.param(b"user.a=b", b"SCHILY.xattr.user.a%3Db", id="a keyword would end at the sign"),
        pytest.param(b"user.50%", b"SCHILY.xattr.user.50%25", id="the escape itself"),
        pytest.param(b"user.%3D", b"SCHILY.xattr.user.%253D", id="what only looks like one"),
        pytest.param(b"user.\xff", b"SCHILY.xattr.user.\xff", id="no text"),
    ],
)
def test_keywords_are_gnu_tars(name, keyword):
    assert xattr_keyword(name) == keyword
    assert xattr_name(keyword) == name


@given(st.lists(st.sampled_from([b"%", b"=", b"2", b"3", b"5", b"D", b"\xff"])).map(b"".join))
def test_every_name_comes_back(name):
    assert xattr_name(xattr_keyword(name)) == name
    assert b"=" not in xattr_keyword(name)


def test_a_percent_sign_that_escapes_nothing_stays():
    assert xattr_name(b"SCHILY.xattr.user.100%3d%") == b"user.100%3d%"  # by a tool that does not encode
