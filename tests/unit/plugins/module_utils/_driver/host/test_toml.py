# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import sys

import pytest
from ansible_collections.strata.overlay2.plugins.module_utils._driver.host.toml import NotToml, parse_toml

EVERYTHING = """\ufeff# root = "/no"
version = 3
root = "/data/a b" # there
"quoted.key" = 'C:\\literal'
one.'two.x'. three = "\\u00e9\\t\\"\\\\"
when = 1979-05-27 07:32:00
empty = ""

[plugins . "io.containerd.snapshotter.v1.overlayfs"]
root_path = '/fast'
[plugins.'single']
inline = { root_path = "/in", deep.er = ['a', { b = "c" }], n = 1 }
[[many]]
list = [ # of texts
  "one", 'two',
  ["nested"], 3, true, # [
  "]",
]
[texts]
long = \"""
first \\
   second""\"""
literal = '''
root = "/not a key"
\\'''
"""


def test_all_forms_of_keys_and_texts_are_read():
    assert parse_toml(EVERYTHING) == {
        ("version",): [],
        ("root",): ["/data/a b"],
        ("quoted.key",): ["C:\\literal"],
        ("one", "two.x", "three"): ['\u00e9\t"\\'],
        ("when",): [],
        ("empty",): [""],
        ("plugins", "io.containerd.snapshotter.v1.overlayfs", "root_path"): ["/fast"],
        ("plugins", "single", "inline", "root_path"): ["/in"],
        ("plugins", "single", "inline", "deep", "er"): ["a"],
        ("plugins", "single", "inline", "n"): [],
        ("many", "list"): ["one", "two", "nested", "]"],
        ("texts", "long"): ['first second""'],
        ("texts", "literal"): ['root = "/not a key"\n\\'],
    }
    assert parse_toml(EVERYTHING.replace("\n", "\r\n")) == parse_toml(EVERYTHING)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no parser of its own")
def test_the_parser_of_newer_pythons_says_the_same():
    import tomllib

    def flat(value, path=()):
        if isinstance(value, dict):
            return {key: text for name, one in value.items() for key, text in flat(one, (*path, name)).items()}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {key: text for one in value for key, text in flat(one, path).items()}
        return {path: value}

    theirs = flat(tomllib.loads(EVERYTHING.lstrip("\ufeff")))
    ours = parse_toml(EVERYTHING)
    assert theirs.keys() == ours.keys()
    assert {key: [value] for key, value in theirs.items() if isinstance(value, str)} == {
        key: value for key, value in ours.items() if isinstance(theirs[key], str)
    }


@pytest.mark.parametrize(
    "text",
    [
        "a = [",
        "a = {",
        'a = "',
        "a = '''x''",
        'a = """x""',
        "[x",
        "[[x]",
        "= 1",
        "a",
        "a =",
        'a = "x" b = "y"',
        'a = "\\q"',
        'a = "\\ud800"',
        'a = "\\Uffffffff"',
        "a = " + "[" * 100_000,
        "a = " + "{b=" * 100_000,
        "a." * 100_000,
        "[a" + ".a" * 32 + "]\nb = 1",
        "a" + ".a" * 32 + " = 1",
    ],
)
def test_what_is_not_toml_is_refused(text):
    with pytest.raises(NotToml):
        parse_toml(text)


def test_any_damage_ends_in_texts_or_a_refusal():
    generator = random.Random(7)
    for _each in range(2000):
        text = list(EVERYTHING)
        for _change in range(generator.randrange(1, 6)):
            text[generator.randrange(len(text))] = generator.choice("\"'[]{}=.\\\n #a\0\udcff")
        try:
            found = parse_toml("".join(text))
        except NotToml:
            continue
        assert all(isinstance(one, str) for texts in found.values() for one in texts)
