# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from outside costs little, and means the same to every reader."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._image import strict_json
from ansible_collections.strata.overlay2.plugins.module_utils._image.strict_json import parse_json
from hypothesis import given

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_json_writes_is_read(value):
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 101 + b"]" * 101, "nested too deeply"),
        (b'{"a":[' * 450 + b"]}" * 450, "nested too deeply"),
        (b'{"b": 1, "a": {"c": 1, "c": 1}', "the key 'c' stands twice"),
        (b"[Infinity]", "not valid JSON"),
        (b"[" + b"9" * 5000 + b"]", "too large"),
        (b"[1e999]", "too large"),
        (b"[-1e999]", "too large"),
        (b"[" + b"1," * 200_000 + b"1]", "131072 values"),
    ],
)
def test_other_json_is_refused_with_the_cause(data, message):
    with pytest.raises(ValueError, match=message):
        parse_json(data)


def test_as_many_values_as_allowed_are_read(monkeypatch):
    monkeypatch.setattr(strict_json, "_VALUES", 4)
    assert parse_json(b'[1, {"a": 2}, 3]') == [1, {"a": 2}, 3]
    with pytest.raises(ValueError, match="4 values"):
        parse_json(b'[1, {"a": 2}, 3, 4]')


def test_values_as_deep_as_allowed_are_read():
    assert json.dumps(parse_json(b"[" * 99 + b'{"a":1.5e3}' + b"]" * 99)) == "[" * 99 + '{"a": 1500.0}' + "]" * 99
