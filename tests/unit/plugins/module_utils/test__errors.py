# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import unicodedata

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._errors import harmless, printable, shorten
from hypothesis import given
from hypothesis import strategies as st

# Bytes that make up control characters in any encoding of them, and what they are mistaken for when escaped.
PARTS = [b"\\", b"x", b"u", b"0", b"9", b"b", b"\x1b", b"\x9b", b"\xc2\x9b", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xed"]
NAMES = st.binary(max_size=12) | st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join)


def is_harmful(sign: str) -> bool:
    bidirectional = unicodedata.bidirectional(sign)
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or (
        unicodedata.category(sign) == "Cf"
        and bidirectional in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9", r"caf\xe9"),
        ("café \N{GRINNING FACE}", "café \N{GRINNING FACE}"),
        ("a\\b", r"a\\b"),
        (b"\x1b]0;owned\x07\x1b[2J\r\n", r"\x1b]0;owned\x07\x1b[2J\x0d\x0a"),
        ("\x7f\x00", r"\x7f\x00"),
        (b"\x9b", r"\x9b"),
        ("\x9b", r"\u009b"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("gpj.\u202eexe\u2066\u200f\u061c", r"gpj.\u202eexe\u2066\u200f\u061c"),
        ("\ud800", r"\ud800"),
    ],
)
def test_how_a_name_is_shown(name, shown):
    assert printable(name) == shown


@given(NAMES)
def test_a_name_is_shown_without_anything_that_steers(name):
    shown = printable(name)
    assert not any(map(is_harmful, shown)) and len(shown.splitlines()) <= 1
    assert json.loads(json.dumps(shown).encode()) == shown
    assert harmless(shown) == shown


@given(NAMES, NAMES)
def test_no_two_names_are_shown_alike(one, other):
    assert (printable(one) == printable(other)) is (one == other)


@given(st.text())
def test_what_was_forgotten_is_made_harmless(text):
    assert not any(map(is_harmful, harmless(text)))
    assert harmless(text) == text or any(map(is_harmful, text)) or set("\u061c\u200e\u200f") & set(text)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdefgh"), "a, b, c, d, e and 3 more"),
    ],
)
def test_a_long_list_is_cut_and_counted(parts, text):
    assert shorten(parts) == text
