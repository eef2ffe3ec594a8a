# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils._values import count, mapping, rows, text


@pytest.mark.parametrize(
    ("value", "length", "expected"),
    [
        ("ab", 2, "ab"),
        ("abc", 2, "a…"),
        ("a\nb\x1b\u202e\udcff", 9, "a�b���"),
        ("x" * 10**6, 5, "xxxx…"),
        (None, 5, ""),
        (5, 5, ""),
        (["a"], 5, ""),
    ],
)
def test_text(value, length, expected):
    assert text(value, length) == expected
    json.dumps(text(value, length)).encode()


@pytest.mark.parametrize(
    ("value", "expected"), [(5, 5), (-1, 0), (2**100, 2**63 - 1), (True, 0), ("5", 0), (None, 0), (float("nan"), 0)]
)
def test_count(value, expected):
    assert count(value) == expected


def test_what_is_of_another_kind_is_empty():
    assert mapping({"a": 1}) == {"a": 1} and mapping([1]) == {} and mapping(None) == {}
    assert rows([1]) == [1] and rows({"a": 1}) == [] and rows("ab") == []
