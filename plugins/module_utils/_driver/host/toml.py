# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the texts in a TOML file. Pure. PRIVATE to the collection.

Python has no parser for TOML before 3.11. This one knows all forms of keys, tables, strings, lists and inline tables.
Numbers, dates and booleans are passed over, so a few files that are not valid are read, too.
"""

from __future__ import annotations

import re

Toml = dict[tuple[str, ...], list[str]]  # by key with its tables, the text, or the texts of the list; [] for the rest

_DEPTH = 16  # lists and inline tables in one another
_PARTS = 32  # of a key: each key in a table repeats those of the table
_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"'([^'\n]*)'")
_BASIC = re.compile(r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"')
_LONG = {'"""': re.compile(r'\\.|"""+', re.DOTALL), "'''": re.compile(r"'''+")}  # the end, or what cannot be the end
_OTHER = re.compile(r"""[^,\[\]{}#"'\n=]+""")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[ \t]*\n[ \t\n]*|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


class NotToml(ValueError):
    """A text is not in the form of TOML."""


class _Reader:
    """A text, and the place in it that is read next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return what *pattern* matches here, and go on behind it."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match

    def skip(self, sign: str) -> bool:
        """Go on behind *sign* if it stands here; tell whether it does."""
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def need(self, sign: str) -> None:
        """Go on behind *sign*. Raises NotToml if it does not stand here."""
        if not self.skip(sign):
            raise NotToml(sign)


def parse_toml(text: str) -> Toml:
    """Return the texts in a file. Raises NotToml."""
    reader = _Reader(text.replace("\r\n", "\n").lstrip("\ufeff"))
    found: Toml = {}
    table: tuple[str, ...] = ()
    while reader.take(_GAP) and reader.at < len(reader.text):
        if reader.skip("["):
            doubled = reader.skip("[")
            table = _key(reader)
            reader.need("]]" if doubled else "]")
        else:
            _pair(reader, table, found, 0)
        if not reader.take(_LINE_END):
            raise NotToml("more than one thing in a line")
    return found


def _pair(reader: _Reader, table: tuple[str, ...], found: Toml, depth: int) -> None:
    key = table + _key(reader)
    reader.need("=")
    reader.take(_SPACE)
    _value(reader, key, found, depth)


def _key(reader: _Reader) -> tuple[str, ...]:
    parts: list[str] = []
    while not parts or reader.skip("."):
        if len(parts) == _PARTS:
            raise NotToml("a key of too many parts")
        reader.take(_SPACE)
        bare = reader.take(_BARE)
        parts.append(bare[0] if bare else _text(reader))
        reader.take(_SPACE)
    return tuple(parts)


def _value(reader: _Reader, key: tuple[str, ...], found: Toml, depth: int) -> None:
    """Read a value into *found*."""
    if depth > _DEPTH:
        raise NotToml("lists in lists")
    if reader.skip("["):
        texts: list[str] = []
        while not (reader.take(_GAP) and reader.skip("]")):
            inner: Toml = {}
            _value(reader, (), inner, depth + 1)
            texts += inner.get((), [])
            reader.take(_GAP)
            if not reader.skip(","):
                reader.need("]")
                break
        found[key] = texts
    elif reader.skip("{"):
        while not (reader.take(_GAP) and reader.skip("}")):
            _pair(reader, key, found, depth + 1)
            reader.take(_GAP)
            if not reader.skip(","):
                reader.need("}")
                break
    elif reader.text.startswith(("'", '"'), reader.at):
        found[key] = [_text(reader)]
    elif reader.take(_OTHER):
        found[key] = []
    else:
        raise NotToml("no value")


def _text(reader: _Reader) -> str:
    """Return the text in quotes that stands here."""
    for quotes in _LONG:
        if reader.skip(quotes):
            return _long_text(reader, quotes)
    literal = reader.take(_LITERAL)
    if literal:
        return literal[1]
    basic = reader.take(_BASIC)
    if not basic:
        raise NotToml("no text in quotes")
    return _ESCAPE.sub(_unescaped, basic[1])


def _long_text(reader: _Reader, quotes: str) -> str:
    """Return the text of several lines before *quotes*. Up to two quotes before these belong to the text."""
    reader.skip("\n")
    start = reader.at
    for match in _LONG[quotes].finditer(reader.text, start):
        if match[0].startswith(quotes):
            reader.at = match.start() + min(len(match[0]), 5)
            text = reader.text[start : reader.at - 3]
            return _ESCAPE.sub(_unescaped, text) if quotes == '"""' else text
    raise NotToml("a text without an end")


def _unescaped(match: re.Match[str]) -> str:
    number = match[1] or match[2]
    if number:
        try:
            return chr(int(number, 16)).encode().decode()
        except (ValueError, OverflowError) as error:
            raise NotToml("not a character") from error
    if match[3] is None:
        return ""
    if match[3] not in _ESCAPED:
        raise NotToml("not an escape")
    return _ESCAPED[match[3]]
