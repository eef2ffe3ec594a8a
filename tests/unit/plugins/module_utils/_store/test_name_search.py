# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._store.name_search import NameSearch
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["a", "base", "fifteen-letters", "sixteen--letters", "0123456789abcdefghijklmno", "f" * 64, "f" * 64 + "-init"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", range(70))
def test_a_name_is_found_wherever_it_stands(name, before):
    data = b"\0" * before + name.encode() + b"\xff" * 9
    expected = {other for other in NAMES if other in name}
    assert NameSearch(NAMES).names_in(data) == expected
    assert NameSearch(NAMES[4:]).names_in(data) == expected & set(NAMES[4:])


@given(
    st.sets(st.text("ab", min_size=1, max_size=40), max_size=8),
    st.lists(st.text("ab", max_size=40), max_size=8),
)
def test_it_finds_what_a_search_for_each_finds(names, parts):
    data = "c".join([*parts, *sorted(names)[::2]]).encode()
    assert NameSearch(names).names_in(data) == {name for name in names if name.encode() in data}


def test_nothing_is_found_of_nothing():
    assert NameSearch([]).names_in(b"data") == set()
    assert NameSearch(["name"]).names_in(b"") == set()
    assert (NameSearch([]).longest, NameSearch(["name", "longer"]).longest) == (0, 6)
